//! The containers of projects.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use runtime::containers::Container;

use super::labels::{self, Identity};
use super::{Host, Result, StackError};
use crate::model::{Project, Service};
use crate::reconcile::service_joins;

/// A container and what it is to its project.
#[derive(Clone, Debug)]
pub struct Member {
    pub container: Container,
    pub identity: Identity,
}

impl Member {
    pub fn name(&self) -> &str {
        &self.container.definition.name
    }

    pub fn service(&self) -> &str {
        &self.identity.service
    }

    pub fn is_alive(&self) -> bool {
        self.container.state.status.is_alive()
    }
}

/// Those of one project, by service and number.
pub fn members(host: &Host, project: &str) -> Result<Vec<Member>> {
    let mut found = all(host)?;
    found.retain(|member| member.identity.project == project);
    found.sort_by(|a, b| key(a).cmp(&key(b)));
    Ok(found)
}

/// IDs of containers whose namespaces or volumes `service` uses: one of each service, and those named `container:…`.
pub fn joined(
    host: &Host,
    project: &Project,
    service: &Service,
) -> Result<BTreeMap<String, String>> {
    let mut joined = BTreeMap::new();
    for mode in [&service.network_mode, &service.ipc, &service.pid, &service.uts] {
        if let Some(name) = mode.strip_prefix("container:") {
            joined.insert(mode.clone(), host.containers.find(name)?.id().to_owned());
        }
    }
    let wanted = service_joins(service);
    if wanted.is_empty() {
        return Ok(joined);
    }
    for member in members(host, &project.name)? {
        if wanted.iter().any(|name| name == member.service()) && !member.identity.one_off {
            let id = member.container.id().to_owned();
            joined.entry(member.service().to_owned()).or_insert(id);
        }
    }
    Ok(joined)
}

/// `external_links`: addresses of containers of others by what they are to be called. Each has to be on a network of the
/// service, and keeps its address there as long as it exists.
pub fn external_links(
    host: &Host,
    project: &Project,
    key: &str,
    service: &Service,
) -> Result<Vec<(String, Ipv4Addr)>> {
    let mut links = Vec::new();
    for text in &service.external_links {
        let unsupported = |why: String| StackError::Unsupported {
            service: key.to_owned(),
            attribute: format!("`external_links`: `{text}`"),
            why,
        };
        let (name, alias) = text.split_once(':').unwrap_or((text, text));
        let container = host.containers.find(name)?;
        let networks = engine::networks_of(&host.store)?;
        let endpoints = networks.endpoints_of(&container.definition);
        let endpoints = endpoints.map_err(engine::EngineError::from)?;
        let own: Vec<String> = service
            .networks
            .keys()
            .map(|key| project.networks.get(key).map_or(key.clone(), |it| it.name.clone()))
            .collect();
        let shared = endpoints.iter().find(|endpoint| own.contains(&endpoint.network_name));
        let none =
            || unsupported(format!("container `{name}` does not run on one of its networks"));
        links.push((alias.to_owned(), shared.ok_or_else(none)?.address));
    }
    Ok(links)
}

fn key(member: &Member) -> (&str, bool, u32, &str) {
    let identity = &member.identity;
    (&identity.service, identity.one_off, identity.number, member.name())
}

fn all(host: &Host) -> Result<Vec<Member>> {
    let containers = host.containers.list()?.into_iter();
    let member = |container: Container| {
        let identity = Identity::of(&container.definition.labels)?;
        Some(Member { container, identity })
    };
    Ok(containers.filter_map(member).collect())
}

/// Every project that has containers, with the files it was made from.
pub fn projects(host: &Host) -> Result<BTreeMap<String, (String, Vec<Member>)>> {
    let mut projects: BTreeMap<String, (String, Vec<Member>)> = BTreeMap::new();
    for member in all(host)? {
        let files = member.container.definition.labels.get(labels::FILES).cloned();
        let project = projects.entry(member.identity.project.clone()).or_default();
        if let Some(files) = files.filter(|_| project.0.is_empty()) {
            project.0 = files;
        }
        project.1.push(member);
    }
    Ok(projects)
}
