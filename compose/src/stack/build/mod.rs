//! What `build` of a service says, as a request for the builder.

mod context;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::SystemTime;

use builder::fetch::{Git, GitRef, HttpSettings, is_archive_file};
use builder::request::{
    Entitlement, ExtraHost, NamedContext, NetworkMode, NoCache, PullPolicy, Secret, SecretSource,
    Ulimit,
};
use builder::{BuildRequest, Cancel};
use runtime::Emulators;
use store::registry::Registries;
use store::{Platform, Store};

use super::{Result, StackError};
use crate::model::{Build, Project};

/// What builds need besides the project.
#[derive(Clone, Debug)]
pub struct Surroundings {
    pub http: HttpSettings,
    /// For images that are not in the store.
    pub registries: Option<Registries>,
    pub git: Git,
    pub emulators: Emulators,
    /// `build --build-arg`, which win.
    pub build_args: BTreeMap<String, String>,
    pub no_cache: bool,
    /// As for [`BuildRequest`].
    pub private_network: bool,
    /// `build --pull`
    pub pull: bool,
    /// What runs needs one platform; `build` makes all that are asked for.
    pub platforms: Platforms,
    pub now: SystemTime,
    /// Where contexts that are not directories of this machine are put.
    pub store: Store,
    pub cancel: Cancel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platforms {
    All,
    One,
}

struct About<'a> {
    project: &'a Project,
    key: &'a str,
    build: &'a Build,
}

/// The request for the image of a service that has `build`.
pub fn build_request(
    project: &Project,
    key: &str,
    build: &Build,
    image: &str,
    surroundings: &Surroundings,
) -> Result<BuildRequest> {
    let about = About { project, key, build };
    let secrets = about.secrets()?;
    let ssh = about.ssh()?;
    let inputs = about.inputs(surroundings, &secrets, &ssh)?;
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let mut tags = vec![image.to_owned()];
    tags.extend(build.tags.0.iter().cloned());
    Ok(BuildRequest {
        dockerfile: inputs.dockerfile,
        context: inputs.context,
        dockerignore: inputs.dockerignore,
        target: text(&build.target),
        build_args: about.build_args(surroundings),
        labels: build.labels.0.clone(),
        platforms: about.platforms(surroundings.platforms),
        tags,
        no_cache: match (
            build.no_cache || surroundings.no_cache,
            build.no_cache_filter.0.as_slice(),
        ) {
            (true, _) => NoCache::All,
            (false, []) => NoCache::None,
            (false, stages) => NoCache::Stages(stages.to_vec()),
        },
        secrets,
        ssh,
        add_hosts: about.hosts()?,
        network: about.network()?,
        private_network: surroundings.private_network,
        allowed: about.entitlements()?,
        emulators: surroundings.emulators.clone(),
        shm_size: u64::try_from(build.shm_size.0).ok().filter(|bytes| *bytes > 0),
        ulimits: about.ulimits(),
        named_contexts: about.named_contexts()?,
        http: surroundings.http.clone(),
        registries: surroundings.registries.clone(),
        pull: match build.pull || surroundings.pull {
            true => PullPolicy::Always,
            false => PullPolicy::Missing,
        },
        cache_from: Vec::new(),
        cache_to: Vec::new(),
        inline_cache: false,
        git: surroundings.git.clone(),
        outputs: Vec::new(),
        reproducible: false,
        rewrite_timestamps: true,
        strict: false,
        now: surroundings.now,
    })
}

impl About<'_> {
    fn unsupported(&self, attribute: &str, why: impl Into<String>) -> StackError {
        StackError::Unsupported {
            service: self.key.to_owned(),
            attribute: format!("`build.{attribute}`"),
            why: why.into(),
        }
    }

    fn wrong<E>(&self, attribute: String) -> impl FnOnce(E) -> StackError
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let service = self.key.to_owned();
        move |source| StackError::Attribute { service, attribute, source: Box::new(source) }
    }

    /// A name without a value has been given the environment's when the project was loaded.
    fn build_args(&self, surroundings: &Surroundings) -> BTreeMap<String, String> {
        const EPOCH: &str = "SOURCE_DATE_EPOCH";
        let epoch = self.project.environment.get(EPOCH).map(|it| (EPOCH.to_owned(), it.clone()));
        let own = self.build.args.0.iter();
        let own = own.filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
        epoch.into_iter().chain(own).chain(surroundings.build_args.clone()).collect()
    }

    /// What `up` runs is for the service's platform, else the default one, else this machine's if that is among those
    /// that are built.
    fn platforms(&self, which: Platforms) -> Vec<String> {
        const DEFAULT: &str = "DOCKER_DEFAULT_PLATFORM";
        let listed = &self.build.platforms.0;
        if which == Platforms::All && !listed.is_empty() {
            return listed.clone();
        }
        let wanted = self.project.service(self.key).map(|service| service.platform.as_str());
        let default = self.project.environment.get(DEFAULT).map(String::as_str);
        let named = [wanted, default].into_iter().flatten().find(|text| !text.is_empty());
        if let Some(platform) = named {
            return vec![platform.to_owned()];
        }
        let host = Platform::host();
        let is_host =
            |text: &String| text.parse::<Platform>().is_ok_and(|platform| platform == host);
        let own = listed.iter().find(|text| is_host(text)).or(listed.first());
        own.into_iter().cloned().collect()
    }

    fn secrets(&self) -> Result<Vec<Secret>> {
        let mut secrets = Vec::new();
        for reference in &self.build.secrets {
            let name = reference.source.clone();
            let Some(secret) = self.project.secrets.get(&name) else { continue };
            let id =
                if reference.target.is_empty() { name.clone() } else { reference.target.clone() };
            let source = if !secret.environment.is_empty() {
                let variable = secret.environment.clone();
                let value = self.project.environment.get(&variable);
                let kind = "secret";
                let value = value.ok_or(StackError::NoVariable { kind, name, variable })?;
                SecretSource::Value(value.clone().into_bytes())
            } else {
                SecretSource::File(PathBuf::from(&secret.file))
            };
            secrets.push(Secret { id, source });
        }
        Ok(secrets)
    }

    fn ssh(&self) -> Result<Vec<builder::request::SshAgent>> {
        let agent = |(id, path): (&String, &String)| {
            let socket = match path.as_str() {
                "" => self.project.environment.get("SSH_AUTH_SOCK").cloned(),
                path => Some(path.to_owned()),
            };
            let none = || self.unsupported("ssh", "there is no agent: SSH_AUTH_SOCK is not set");
            let socket = PathBuf::from(socket.ok_or_else(none)?);
            Ok(builder::request::SshAgent { id: id.clone(), socket })
        };
        self.build.ssh.0.iter().map(agent).collect()
    }

    fn hosts(&self) -> Result<Vec<ExtraHost>> {
        let mut hosts = Vec::new();
        for (host, addresses) in &self.build.extra_hosts.0 {
            for address in addresses {
                let about = format!("`build.extra_hosts`: `{host}={address}`");
                let address = address.parse::<IpAddr>().map_err(self.wrong(about))?;
                hosts.push(ExtraHost { host: host.clone(), address });
            }
        }
        Ok(hosts)
    }

    fn network(&self) -> Result<NetworkMode> {
        match self.build.network.as_str() {
            "" | "default" => Ok(NetworkMode::Default),
            "host" => Ok(NetworkMode::Host),
            "none" => Ok(NetworkMode::None),
            other => {
                let why = format!("`{other}`: known are default, host and none");
                Err(self.unsupported("network", why))
            }
        }
    }

    fn entitlements(&self) -> Result<Vec<Entitlement>> {
        let mut allowed = Vec::new();
        for text in &self.build.entitlements {
            allowed.push(match text.as_str() {
                "network.host" => Entitlement::NetworkHost,
                "security.insecure" => Entitlement::SecurityInsecure,
                other => {
                    let why = format!("`{other}`: known are network.host and security.insecure");
                    return Err(self.unsupported("entitlements", why));
                }
            });
        }
        if self.build.privileged && !allowed.contains(&Entitlement::SecurityInsecure) {
            allowed.push(Entitlement::SecurityInsecure);
        }
        if self.build.network == "host" && !allowed.contains(&Entitlement::NetworkHost) {
            allowed.push(Entitlement::NetworkHost);
        }
        Ok(allowed)
    }

    fn ulimits(&self) -> Vec<Ulimit> {
        let limit = |(name, limit): (&String, &crate::model::Ulimit)| match limit.single {
            0 => Ulimit { name: name.clone(), soft: limit.soft, hard: limit.hard },
            single => Ulimit { name: name.clone(), soft: single, hard: single },
        };
        self.build.ulimits.iter().map(limit).collect()
    }

    fn named_contexts(&self) -> Result<BTreeMap<String, NamedContext>> {
        let contexts = self.build.additional_contexts.0.iter();
        contexts.map(|(name, source)| Ok((name.clone(), self.named_context(source)?))).collect()
    }

    fn named_context(&self, source: &str) -> Result<NamedContext> {
        if let Some(service) = source.strip_prefix("service:") {
            let none = || {
                self.unsupported("additional_contexts", format!("there is no service `{service}`"))
            };
            let image = self.project.service(service).ok_or_else(none)?;
            return Ok(NamedContext::Image(image.image_name(&self.project.name, service)));
        }
        if let Some(image) = source.strip_prefix("docker-image://") {
            return Ok(NamedContext::Image(image.to_owned()));
        }
        if let Some(layout) = source.strip_prefix("oci-layout://") {
            let (path, digest) = layout.split_once('@').unwrap_or((layout, ""));
            let digest = Some(digest.to_owned()).filter(|digest| !digest.is_empty());
            return Ok(NamedContext::OciLayout { path: PathBuf::from(path), tag: None, digest });
        }
        let about = || format!("`build.additional_contexts`: `{source}`");
        let path = PathBuf::from(source);
        if !path.exists()
            && let Some(git) = GitRef::parse(source).map_err(self.wrong(about()))?
        {
            return Ok(NamedContext::Git(git));
        }
        if source.starts_with("http://") || source.starts_with("https://") {
            return Ok(NamedContext::Url(source.to_owned()));
        }
        match path.is_file() && is_archive_file(&path).map_err(self.wrong(about()))? {
            true => Ok(NamedContext::Archive(path)),
            false => Ok(NamedContext::Dir(path)),
        }
    }
}

/// Services that have to be built for these, each after those whose images it takes files from.
pub fn build_order(project: &Project, services: &BTreeSet<String>) -> Vec<String> {
    fn visit(project: &Project, name: &str, order: &mut Vec<String>, way: &mut Vec<String>) {
        let build = project.service(name).and_then(|service| service.build.as_ref());
        let Some(build) = build else { return };
        if order.iter().any(|done| done == name) || way.iter().any(|other| other == name) {
            return;
        }
        way.push(name.to_owned());
        let contexts = build.additional_contexts.0.values();
        contexts
            .filter_map(|source| source.strip_prefix("service:"))
            .for_each(|other| visit(project, other, order, way));
        way.pop();
        order.push(name.to_owned());
    }
    let mut order = Vec::new();
    services.iter().for_each(|name| visit(project, name, &mut order, &mut Vec::new()));
    order
}
