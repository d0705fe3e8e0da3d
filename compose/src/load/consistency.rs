//! References between services and resources, and attributes that exclude each other.

use std::collections::BTreeMap;

use thiserror::Error;

use super::bounds::{MAX_HINTS, MAX_PROBLEMS};
use crate::Project;
use crate::depth_first;
use crate::model::Service;
use crate::schema::nearest;
use crate::source::Span;
use crate::yaml::Node;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConsistencyError {
    #[error("service {service:?} has neither an image nor a build context specified")]
    NoImage { service: String },
    #[error("service {service:?} declares mutualy exclusive dockerfile and dockerfile_inline")]
    TwoDockerfiles { service: String },
    #[error("service.build.platforms MUST include service.platform {platform:?}")]
    Platform { service: String, platform: String },
    #[error("service {service} declares mutually exclusive `network_mode` and `networks`")]
    NetworkMode { service: String },
    #[error("service {service:?} refers to undefined {kind} {name}")]
    Undefined { service: String, kind: &'static str, name: String, nearest: Option<String> },
    #[error("service {service:?} depends on undefined service {name:?}")]
    Dependency { service: String, name: String, disabled: bool, nearest: Option<String> },
    #[error("healthcheck.test must start either by \"CMD\", \"CMD-SHELL\" or \"NONE\"")]
    HealthTest { service: String },
    #[error("services.{service}: can't set distinct values on '{one}' and '{other}'")]
    Distinct { service: String, one: &'static str, other: &'static str },
    #[error(
        "services.{service}: can't set container_name and {attribute} as container name must be unique"
    )]
    FixedName { service: String, attribute: &'static str },
    #[error("services.{service}: container name {name:?} is already in use by services.{other}")]
    NameInUse { service: String, name: String, other: String },
    #[error("services.{service}.develop.watch: target is required for non-rebuild actions")]
    WatchTarget { service: String },
    #[error("secret {name:?} must declare either `file` or `environment`")]
    Secret { name: String },
    #[error(
        "services.{service}.mac_address should have the same value as services.{service}.networks.{network}.mac_address"
    )]
    MacAddress { service: String, network: String },
    #[error("dependency cycle detected: {}", services.join(" -> "))]
    Cycle { services: Vec<String> },
}

impl ConsistencyError {
    pub fn hint(&self) -> Option<String> {
        match self {
            ConsistencyError::Undefined { nearest: Some(nearest), .. }
            | ConsistencyError::Dependency { nearest: Some(nearest), .. } => {
                Some(format!("did you mean `{nearest}`?"))
            }
            ConsistencyError::Undefined { kind: "volume", name, .. } => Some(format!(
                "declare `{name}` below `volumes:`, or write `./{name}` for a directory"
            )),
            ConsistencyError::Undefined { kind, name, .. } => {
                Some(format!("declare `{name}` below `{}s:`", kind.trim_start_matches("build ")))
            }
            ConsistencyError::Dependency { disabled: true, name, .. } => {
                Some(format!("`{name}` is in a profile that is not active; name it with --profile"))
            }
            ConsistencyError::NoImage { .. } => Some("add `image:` or `build:`".to_owned()),
            ConsistencyError::HealthTest { .. } => {
                Some("write a string for a shell command, or begin the list with CMD".to_owned())
            }
            _ => None,
        }
    }
}

type Found = Vec<(ConsistencyError, Span)>;

/// Checks the enabled services; `tree` tells where things were written. `scale` and `deploy.replicas` become
/// one.
pub(super) fn check(project: &mut Project, tree: &Node) -> Found {
    let mut found = Vec::new();
    for (name, service) in &project.services {
        let mut look = Look { project, name, service, tree, found: &mut found };
        look.service();
    }
    for (name, secret) in &project.secrets {
        if !secret.external && secret.file.is_empty() && secret.environment.is_empty() {
            let span = place(tree, &["secrets", name]);
            found.push((ConsistencyError::Secret { name: name.clone() }, span));
        }
    }
    if found.is_empty()
        && let Some(services) = cycle(project)
    {
        let span = place(tree, &["services", &services[0], "depends_on", &services[1]]);
        found.push((ConsistencyError::Cycle { services }, span));
    }
    for service in project.services.values_mut() {
        if let (Some(scale), Some(deploy)) = (service.scale, &mut service.deploy) {
            deploy.replicas = Some(scale);
        }
    }
    found
}

/// Two services with one container name.
pub fn names_in_use(project: &Project) -> Vec<ConsistencyError> {
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    let mut found = Vec::new();
    for (service, it) in &project.services {
        if it.container_name.is_empty() {
            continue;
        }
        if let Some(other) = names.insert(&it.container_name, service) {
            let (service, name) = (service.clone(), it.container_name.clone());
            found.push(ConsistencyError::NameInUse { service, name, other: other.to_owned() });
        }
    }
    found
}

/// The place of the deepest key of a path that was written.
pub(super) fn place(tree: &Node, keys: &[&str]) -> Span {
    let mut node = tree;
    let mut span = Span::NOWHERE;
    for key in keys {
        let Some(map) = node.as_map() else { break };
        let Some(inner) = map.get(key) else { break };
        span = map.key_span(key).filter(|it| it.is_somewhere()).unwrap_or(span);
        node = inner;
    }
    span
}

struct Look<'a> {
    project: &'a Project,
    name: &'a str,
    service: &'a Service,
    tree: &'a Node,
    found: &'a mut Found,
}

impl Look<'_> {
    fn report(&mut self, keys: &[&str], error: ConsistencyError) {
        let mut path = vec!["services", self.name];
        path.extend(keys);
        self.found.push((error, place(self.tree, &path)));
    }

    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn service(&mut self) {
        if self.found.len() >= MAX_PROBLEMS {
            return;
        }
        self.image();
        self.networks();
        self.healthcheck();
        self.dependencies();
        self.resources();
        self.replicas();
        self.limits();
        self.watch();
    }

    fn image(&mut self) {
        let it = self.service;
        let Some(build) = &it.build else {
            if it.image.is_empty() && it.provider.is_none() {
                self.report(&[], ConsistencyError::NoImage { service: self.name() });
            }
            return;
        };
        if !build.dockerfile_inline.is_empty() && !build.dockerfile.is_empty() {
            let error = ConsistencyError::TwoDockerfiles { service: self.name() };
            self.report(&["build", "dockerfile_inline"], error);
        }
        let platforms = &build.platforms.0;
        if !platforms.is_empty() && !it.platform.is_empty() && !platforms.contains(&it.platform) {
            let (service, platform) = (self.name(), it.platform.clone());
            self.report(&["platform"], ConsistencyError::Platform { service, platform });
        }
    }

    fn networks(&mut self) {
        let it = self.service;
        if !it.network_mode.is_empty() && !it.networks.is_empty() {
            let error = ConsistencyError::NetworkMode { service: self.name() };
            self.report(&["network_mode"], error);
        }
        for (network, attachment) in &it.networks {
            if !self.project.networks.contains_key(network) {
                let known = self.project.networks.keys();
                self.undefined("network", network, known, &["networks", network]);
            }
            let own = attachment.as_ref().map(|it| it.mac_address.as_str()).unwrap_or_default();
            if it.networks.len() == 1
                && !it.mac_address.is_empty()
                && !own.is_empty()
                && own != it.mac_address
            {
                let (service, network) = (self.name(), network.clone());
                self.report(&["mac_address"], ConsistencyError::MacAddress { service, network });
            }
        }
    }

    fn undefined<'k>(
        &mut self,
        kind: &'static str,
        name: &str,
        known: impl Iterator<Item = &'k String>,
        keys: &[&str],
    ) {
        if self.found.len() >= MAX_PROBLEMS {
            return;
        }
        let known = known.map(String::as_str).filter(|_| self.found.len() < MAX_HINTS);
        let nearest = nearest(name, known).map(str::to_owned);
        let (service, name) = (self.name(), name.to_owned());
        self.report(keys, ConsistencyError::Undefined { service, kind, name, nearest });
    }

    fn healthcheck(&mut self) {
        let Some(check) = &self.service.healthcheck else { return };
        let first = check.test.0.first().map(String::as_str);
        if first.is_some_and(|first| !matches!(first, "CMD" | "CMD-SHELL" | "NONE")) {
            let error = ConsistencyError::HealthTest { service: self.name() };
            self.report(&["healthcheck", "test"], error);
        }
    }

    fn dependencies(&mut self) {
        for (name, dependency) in &self.service.depends_on {
            if self.found.len() >= MAX_PROBLEMS {
                return;
            }
            let disabled = self.project.disabled_services.contains_key(name);
            let known = self.project.services.contains_key(name);
            if known || (disabled && !dependency.required) {
                continue;
            }
            let hint = self.found.len() < MAX_HINTS && !disabled;
            let others = self.project.services.keys().filter(|it| *it != self.name);
            let others = others.map(String::as_str).filter(|_| hint);
            let nearest = nearest(name, others).map(str::to_owned);
            let (service, name) = (self.name(), name.clone());
            let keys = ["depends_on", name.as_str()];
            let error =
                ConsistencyError::Dependency { service, name: name.clone(), disabled, nearest };
            self.report(&keys, error);
        }
    }

    fn resources(&mut self) {
        let (it, project) = (self.service, self.project);
        for mount in &it.volumes {
            let named = mount.kind == "volume" && !mount.source.is_empty();
            if named && !project.volumes.contains_key(&mount.source) {
                self.undefined("volume", &mount.source, project.volumes.keys(), &["volumes"]);
            }
        }
        for reference in it.build.iter().flat_map(|build| &build.secrets) {
            if !project.secrets.contains_key(&reference.source) {
                let keys = ["build", "secrets"];
                self.undefined("build secret", &reference.source, project.secrets.keys(), &keys);
            }
        }
        for reference in &it.configs {
            if !project.configs.contains_key(&reference.source) {
                self.undefined("config", &reference.source, project.configs.keys(), &["configs"]);
            }
        }
        for reference in &it.secrets {
            if !project.secrets.contains_key(&reference.source) {
                self.undefined("secret", &reference.source, project.secrets.keys(), &["secrets"]);
            }
        }
        for name in it.models.keys() {
            if !project.models.contains_key(name) {
                self.undefined("model", name, project.models.keys(), &["models", name]);
            }
        }
    }

    fn distinct(&mut self, keys: &[&str], one: &'static str, other: &'static str) {
        let service = self.name();
        self.report(keys, ConsistencyError::Distinct { service, one, other });
    }

    fn replicas(&mut self) {
        let it = self.service;
        let replicas = it.deploy.as_ref().and_then(|deploy| deploy.replicas);
        if let (Some(scale), Some(replicas)) = (it.scale, replicas)
            && scale != replicas
        {
            self.distinct(&["scale"], "scale", "deploy.replicas");
        }
        if it.replicas() > 1 && !it.container_name.is_empty() {
            let attribute = if it.scale.is_some() { "scale" } else { "deploy.replicas" };
            let service = self.name();
            self.report(&["container_name"], ConsistencyError::FixedName { service, attribute });
        }
    }

    fn limits(&mut self) {
        let it = self.service;
        let Some(deploy) = &it.deploy else { return };
        if let Some(limits) = &deploy.resources.limits {
            if it.cpus != 0.0 && it.cpus != limits.cpus {
                self.distinct(&["cpus"], "cpus", "deploy.resources.limits.cpus");
            }
            if it.mem_limit.0 != 0 && it.mem_limit != limits.memory {
                self.distinct(&["mem_limit"], "mem_limit", "deploy.resources.limits.memory");
            }
            if it.pids_limit != 0 && it.pids_limit != limits.pids {
                self.distinct(&["pids_limit"], "pids_limit", "deploy.resources.limits.pids");
            }
        }
        if let Some(reserved) = &deploy.resources.reservations
            && it.mem_reservation.0 != 0
            && it.mem_reservation != reserved.memory
        {
            let other = "deploy.resources.reservations.memory";
            self.distinct(&["mem_reservation"], "mem_reservation", other);
        }
    }

    fn watch(&mut self) {
        let watches = self.service.develop.iter().flat_map(|develop| &develop.watch);
        let lacking = watches.filter(|it| {
            !matches!(it.action.as_str(), "rebuild" | "restart") && it.target.is_empty()
        });
        if lacking.count() > 0 {
            let error = ConsistencyError::WatchTarget { service: self.name() };
            self.report(&["develop", "watch"], error);
        }
    }
}

/// A chain of services that ends where it begins.
fn cycle(project: &Project) -> Option<Vec<String>> {
    let dependencies = |name: &str| -> Vec<String> {
        let service = project.services.get(name);
        service.into_iter().flat_map(|it| it.depends_on.keys().cloned()).collect()
    };
    depth_first::sorted(project.services.keys().cloned(), dependencies).err()
}
