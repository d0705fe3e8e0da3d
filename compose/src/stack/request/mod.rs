//! A service to the request for one of its containers: the one place where attributes become values.

mod connections;
mod files;
mod limits;
mod mounts;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use engine::values::{self, Devices, Resolver, Security, signal};
use engine::{
    Confinement, ContainerRequest, HealthRequest, HostNames, LogRequest, Program, Variable,
};
use runtime::containers::{RestartPolicy, VolumeUse};
use runtime::{NamespaceMode, Namespaces, NetworkMode, Sysctl};
use store::Image;

use super::contents::Contents;
use super::labels::Identity;
use super::{Result, StackError};
use crate::model::{Healthcheck, Project, Service};
use crate::reconcile::Record;

/// Which container of a service.
#[derive(Clone, Debug)]
pub struct Replica<'a> {
    pub project: &'a Project,
    /// Its key.
    pub service: &'a str,
    pub number: u32,
    pub name: String,
    pub one_off: bool,
    /// Others find it by the names of the service.
    pub has_names: bool,
    pub record: Record,
    pub contents: &'a Contents,
    /// IDs of containers whose namespaces or volumes this one uses: one of each service, and those named `container:…`.
    pub joins: BTreeMap<String, String>,
    /// Addresses of containers that no project of ours has, by the names it knows them by.
    pub links: Vec<(String, Ipv4Addr)>,
    /// Volumes of the container whose place this one takes.
    pub inherited: &'a [VolumeUse],
}

impl Replica<'_> {
    /// Without those that the file names as `container:…`, which are nobody's business.
    fn joined_services(&self) -> BTreeSet<String> {
        let services = self.joins.iter().filter(|(name, _)| !name.starts_with("container:"));
        services.map(|(_, id)| id.clone()).collect()
    }
}

pub(super) struct About<'a> {
    pub(super) replica: &'a Replica<'a>,
    pub(super) service: &'a Service,
}

impl About<'_> {
    /// An error about one attribute.
    pub(super) fn wrong<E>(&self, attribute: impl Into<String>) -> impl FnOnce(E) -> StackError
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let (service, attribute) = (self.replica.service.to_owned(), attribute.into());
        move |source| StackError::Attribute { service, attribute, source: Box::new(source) }
    }

    /// The container of a service that this one uses something of.
    pub(super) fn joined(&self, attribute: &str, service: &str) -> Result<String> {
        let id = self.replica.joins.get(service).cloned();
        id.ok_or_else(|| {
            let why = format!("service `{service}` has no container");
            self.unsupported(format!("`{attribute}`"), why)
        })
    }

    pub(super) fn unsupported(
        &self,
        attribute: impl Into<String>,
        why: impl Into<String>,
    ) -> StackError {
        StackError::Unsupported {
            service: self.replica.service.to_owned(),
            attribute: attribute.into(),
            why: why.into(),
        }
    }
}

/// The request for a container of `service`, which may differ from the project's, as `run` changes it.
pub fn container_request(
    replica: &Replica<'_>,
    service: &Service,
    image: &Image,
) -> Result<ContainerRequest> {
    let about = About { replica, service };
    let mut request = about.attributes()?;
    request.name = Some(replica.name.clone());
    request.program = about.program(image);
    request.labels = service.labels.0.iter().map(|(a, b)| (a.clone(), b.clone())).collect();
    let identity = Identity {
        project: replica.project.name.clone(),
        service: replica.service.to_owned(),
        number: replica.number,
        one_off: replica.one_off,
        record: replica.record.clone(),
        joins: replica.joined_services(),
    };
    request.labels.extend(identity.labels(replica.project, service, &image.id().to_string()));
    Ok(request)
}

/// What can be found wrong with a service before there is anything of it, neither image nor networks nor containers that it joins.
pub fn check_request(replica: &Replica<'_>, service: &Service) -> Result<()> {
    About { replica, service }.attributes().map(drop)
}

/// Whole seconds, of which a part is one.
pub(crate) fn seconds(nanoseconds: i64) -> u32 {
    let nanoseconds = u64::try_from(nanoseconds).unwrap_or(0);
    u32::try_from(nanoseconds.div_ceil(1_000_000_000)).unwrap_or(u32::MAX)
}

impl About<'_> {
    /// All but the program, which depends on the image, and the labels.
    fn attributes(&self) -> Result<ContainerRequest> {
        let (replica, service) = (self.replica, self.service);
        let name = service.image_name(&replica.project.name, replica.service);
        let mut request = ContainerRequest::of(name);
        (request.network, request.connections) = self.connections()?;
        request.names = self.names(request.network)?;
        request.mounts = self.mounts()?;
        request.volumes_from = self.volumes_from()?;
        request.confinement = self.confinement()?;
        request.restart = self.restart()?;
        request.health = self.health();
        request.log = self.log()?;
        if !service.stop_signal.is_empty() {
            let parsed =
                signal::parse(&service.stop_signal).map_err(self.wrong("`stop_signal`"))?;
            request.stop_signal = Some(parsed);
        }
        if let Some(grace) = service.stop_grace_period {
            request.stop_timeout = Some(seconds(grace.0));
        }
        Ok(request)
    }

    /// As docker combines them: an entry point that is there takes the image's command away, an empty one does not.
    fn program(&self, image: &Image) -> Program {
        let service = self.service;
        let words = |words: &[String]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let given = service.command.0.as_deref().filter(|words| !words.is_empty());
        let mut command = given.map(words);
        let entrypoint = service.entrypoint.0.as_deref().map(words);
        if entrypoint.as_ref().is_some_and(Vec::is_empty) && command.is_none() {
            command = Some(words(&image.config.config.cmd));
        }
        let env = service.environment.0.iter().map(|(name, value)| match value {
            Some(value) => Variable::Set(format!("{name}={value}")),
            None => Variable::Removed(name.clone()),
        });
        let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        Program {
            entrypoint,
            command,
            env: env.collect(),
            working_directory: text(&service.working_dir),
            user: text(&service.user),
            groups: service.group_add.clone(),
            terminal: service.tty,
            open_stdin: service.stdin_open,
            stdin_once: false,
            init: service.init.unwrap_or(false),
        }
    }

    fn names(&self, network: NetworkMode) -> Result<HostNames> {
        let service = self.service;
        let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let mut hosts = Vec::new();
        for (name, addresses) in &service.extra_hosts.0 {
            for text in addresses {
                let address = match (text.as_str(), network) {
                    // Known once it is connected.
                    ("host-gateway", NetworkMode::Sandbox) => continue,
                    ("host-gateway", _) => self.gateway(network)?,
                    (text, _) => text
                        .parse::<IpAddr>()
                        .map_err(self.wrong(format!("`extra_hosts`: `{name}={text}`")))?,
                };
                hosts.push((name.clone(), address));
            }
        }
        let resolver = Resolver {
            servers: service.dns.0.clone(),
            search: service.dns_search.0.clone(),
            options: service.dns_opt.clone(),
        };
        for server in &resolver.servers {
            values::resolver::check_server(server)
                .map_err(self.wrong(format!("`dns`: `{server}`")))?;
        }
        for word in resolver.search.iter().chain(&resolver.options) {
            values::resolver::check_word(word).map_err(self.wrong(format!("`dns_…`: `{word}`")))?;
        }
        Ok(HostNames {
            hostname: text(&service.hostname),
            domainname: text(&service.domainname),
            of_the_host: network == NetworkMode::Host,
            hosts,
            resolv_conf: resolver.file(),
        })
    }

    fn gateway(&self, network: NetworkMode) -> Result<IpAddr> {
        match network {
            NetworkMode::Host => Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            NetworkMode::None | NetworkMode::Sandbox => {
                let why = "without a network there is no way to the host";
                Err(self.unsupported("`extra_hosts`: `host-gateway`", why))
            }
        }
    }

    fn confinement(&self) -> Result<Confinement> {
        let service = self.service;
        let devices = self.devices()?;
        let score = i16::try_from(service.oom_score_adj).ok().filter(|score| *score != 0);
        let parent = Some(service.cgroup_parent.as_str()).filter(|path| !path.is_empty());
        let parent = parent.map(|path| values::cgroup_parent(Path::new(path))).transpose();
        Ok(Confinement {
            own_users: self.own_users()?,
            read_only_rootfs: service.read_only,
            shm_size: u64::try_from(service.shm_size.0).ok().filter(|bytes| *bytes > 0),
            ulimits: self.ulimits()?,
            sysctls: self.sysctls()?,
            namespaces: self.namespaces()?,
            devices: devices.nodes,
            device_rules: devices.rules,
            security: self.security()?,
            limits: self.limits()?,
            oom_score_adj: score,
            cgroup_parent: parent.map_err(self.wrong("`cgroup_parent`"))?,
        })
    }

    fn sysctls(&self) -> Result<Vec<Sysctl>> {
        let parse = |(name, value): (&String, &String)| {
            let text = format!("{name}={value}");
            text.parse().map_err(self.wrong(format!("`sysctls.{name}`")))
        };
        self.service.sysctls.0.iter().map(parse).collect()
    }

    fn devices(&self) -> Result<Devices> {
        let mut devices = Devices::default();
        for device in &self.service.devices {
            let mut text = device.source.clone();
            for part in [&device.target, &device.permissions] {
                if !part.is_empty() {
                    text.push_str(&format!(":{part}"));
                }
            }
            devices.add(&text).map_err(self.wrong(format!("`devices`: `{text}`")))?;
        }
        for text in &self.service.device_cgroup_rules {
            let wrong = self.wrong(format!("`device_cgroup_rules`: `{text}`"));
            devices.rules.push(text.parse().map_err(wrong)?);
        }
        Ok(devices)
    }

    fn security(&self) -> Result<Security> {
        let service = self.service;
        let capabilities =
            values::capabilities(&service.cap_add, &service.cap_drop, service.privileged)
                .map_err(self.wrong("`cap_add` and `cap_drop`"))?;
        let mut security = Security::new(capabilities, service.privileged);
        for text in &service.security_opt {
            security.set(text).map_err(self.wrong(format!("`security_opt`: `{text}`")))?;
        }
        Ok(security)
    }

    fn namespaces(&self) -> Result<Namespaces> {
        let service = self.service;
        Ok(Namespaces {
            pid: self.namespace("pid", &service.pid)?,
            ipc: self.namespace("ipc", &service.ipc)?,
            uts: self.namespace("uts", &service.uts)?,
            cgroup: self.namespace("cgroup", &service.cgroup)?,
        })
    }

    fn own_users(&self) -> Result<bool> {
        let mode = &self.service.userns_mode;
        values::own_users(mode).ok_or_else(|| {
            self.unsupported(format!("`userns_mode: {mode}`"), "known are host and auto")
        })
    }

    fn namespace(&self, attribute: &str, mode: &str) -> Result<NamespaceMode> {
        let service = mode.strip_prefix("service:");
        let joined = service.or_else(|| mode.starts_with("container:").then_some(mode));
        match (mode, joined) {
            ("" | "private", _) => Ok(NamespaceMode::Own),
            ("shareable", _) if attribute == "ipc" => Ok(NamespaceMode::Shareable),
            ("host", _) => Ok(NamespaceMode::Host),
            (_, Some(other)) if ["pid", "ipc"].contains(&attribute) => {
                Ok(NamespaceMode::Container(self.joined(attribute, other)?))
            }
            (_, Some(_)) => {
                let why = "only processes, IPC and the network of other containers can be joined";
                Err(self.unsupported(format!("`{attribute}: {mode}`"), why))
            }
            (_, None) => {
                let why = "known are host, service:NAME and container:NAME";
                Err(self.unsupported(format!("`{attribute}: {mode}`"), why))
            }
        }
    }

    /// `restart` wins over `deploy.restart_policy`.
    fn restart(&self) -> Result<RestartPolicy> {
        let service = self.service;
        if self.replica.one_off {
            return Ok(RestartPolicy::No);
        }
        if !service.restart.is_empty() {
            return service.restart.parse().map_err(self.wrong("`restart`"));
        }
        let policy = service.deploy.as_ref().and_then(|deploy| deploy.restart_policy.as_ref());
        let Some(policy) = policy else { return Ok(RestartPolicy::No) };
        let most = policy.max_attempts.unwrap_or(0);
        match policy.condition.as_str() {
            "none" => Ok(RestartPolicy::No),
            "on-failure" => {
                Ok(RestartPolicy::OnFailure { most: u32::try_from(most).unwrap_or(u32::MAX) })
            }
            "any" | "" => Ok(RestartPolicy::Always),
            other => other.parse().map_err(self.wrong("`deploy.restart_policy.condition`")),
        }
    }

    fn health(&self) -> HealthRequest {
        let Some(check) = &self.service.healthcheck else { return HealthRequest::default() };
        let Healthcheck { test, timeout, interval, retries, start_period, start_interval, .. } =
            check;
        let time = |time: &Option<crate::model::Duration>| {
            time.and_then(|time| u64::try_from(time.0).ok()).filter(|nanos| *nanos > 0)
        };
        HealthRequest {
            none: check.disable,
            test: Some(test.0.clone()).filter(|words| !words.is_empty()),
            interval: time(interval),
            timeout: time(timeout),
            start_period: time(start_period),
            start_interval: time(start_interval),
            retries: retries.and_then(|number| u32::try_from(number).ok()).filter(|n| *n > 0),
        }
    }

    fn log(&self) -> Result<LogRequest> {
        let Some(logging) = &self.service.logging else { return Ok(LogRequest::default()) };
        let driver = Some(logging.driver.as_str()).filter(|driver| !driver.is_empty());
        let mut log = values::log::of_driver(driver).map_err(self.wrong("`logging`"))?;
        for (name, value) in &logging.options.0 {
            let wrong = self.wrong(format!("`logging.options.{name}`"));
            values::log::set(&mut log, name, value).map_err(wrong)?;
        }
        values::log::check(&log).map_err(self.wrong("`logging.options`"))?;
        Ok(log)
    }
}
