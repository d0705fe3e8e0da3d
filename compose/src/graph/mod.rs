//! The project as a picture: services with what they depend on, their networks, volumes and ports.
//!
//! [`Graph::of`] takes what the picture shows out of a [`Project`]; [`text`], [`dot`] and [`svg`] draw it.

mod dot;
mod svg;
mod text;

use std::collections::BTreeMap;

use crate::depth_first;
use crate::model::{Mount, Port, Project, Service};
use crate::reconcile::service_dependencies;
pub use dot::dot;
pub use svg::svg;
pub use text::text;

/// What the picture shows, sorted by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    pub project: String,
    pub services: Vec<ServiceNode>,
    /// Those that a service uses.
    pub networks: Vec<ResourceNode>,
    pub volumes: Vec<ResourceNode>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ServiceNode {
    pub name: String,
    pub image: String,
    pub replicas: i64,
    /// 0 for those nothing depends on, one more for each step down.
    pub column: usize,
    pub dependencies: Vec<Edge>,
    /// `8080 → 80/tcp`
    pub ports: Vec<String>,
    pub networks: Vec<String>,
    /// In place of networks: `host`, `none`, `service:NAME`.
    pub network_mode: Option<String>,
    pub mounts: Vec<MountEdge>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    pub to: String,
    /// What is waited for: `started`, `healthy`, `completed`.
    pub condition: &'static str,
    pub required: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountEdge {
    pub kind: String,
    /// The key of a volume, or a path; empty for an anonymous volume.
    pub source: String,
    pub target: String,
    pub read_only: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceNode {
    pub key: String,
    /// The real name.
    pub name: String,
    pub external: bool,
    pub internal: bool,
}

impl Graph {
    pub fn of(project: &Project) -> Graph {
        let columns = columns(project);
        let services: Vec<ServiceNode> = project
            .services
            .iter()
            .map(|(name, service)| node(project, name, service, columns[name]))
            .collect();
        let networks = project.networks.iter().map(|(key, network)| ResourceNode {
            key: key.clone(),
            name: network.name.clone(),
            external: network.external,
            internal: network.internal,
        });
        let volumes = project.volumes.iter().map(|(key, volume)| ResourceNode {
            key: key.clone(),
            name: volume.name.clone(),
            external: volume.external,
            internal: false,
        });
        let uses_network =
            |it: &ResourceNode| services.iter().any(|s| s.networks.contains(&it.key));
        let uses_volume = |it: &ResourceNode| {
            let mut mounts = services.iter().flat_map(|service| &service.mounts);
            mounts.any(|mount| mount.kind == "volume" && mount.source == it.key)
        };
        Graph {
            project: project.name.clone(),
            networks: networks.filter(uses_network).collect(),
            volumes: volumes.filter(uses_volume).collect(),
            services,
        }
    }
}

fn node(project: &Project, name: &str, service: &Service, column: usize) -> ServiceNode {
    let dependencies = service_dependencies(service).into_iter().map(|(to, terms)| Edge {
        to,
        condition: match terms.condition.as_str() {
            "service_healthy" => "healthy",
            "service_completed_successfully" => "completed",
            _ => "started",
        },
        required: terms.required,
    });
    ServiceNode {
        name: name.to_owned(),
        image: service.image_name(&project.name, name),
        replicas: service.replicas(),
        column,
        dependencies: dependencies.filter(|edge| project.services.contains_key(&edge.to)).collect(),
        ports: service.ports.iter().map(port).collect(),
        networks: service.networks.keys().cloned().collect(),
        network_mode: Some(service.network_mode.clone()).filter(|mode| !mode.is_empty()),
        mounts: service.volumes.iter().map(mount).collect(),
    }
}

fn port(port: &Port) -> String {
    let protocol = if port.protocol.is_empty() { "tcp" } else { &port.protocol };
    let host = match (port.host_ip.as_str(), port.published.as_str()) {
        ("", "") => "any".to_owned(),
        ("", published) => published.to_owned(),
        (ip, published) => format!("{ip}:{published}"),
    };
    format!("{host} → {}/{protocol}", port.target)
}

fn mount(mount: &Mount) -> MountEdge {
    MountEdge {
        kind: mount.kind.clone(),
        source: mount.source.clone(),
        target: mount.target.clone(),
        read_only: mount.read_only,
    }
}

/// The longest way from a service nothing depends on; nothing where services wait for each other.
fn columns(project: &Project) -> BTreeMap<String, usize> {
    let mut columns: BTreeMap<String, usize> =
        project.services.keys().map(|name| (name.clone(), 0)).collect();
    let needed = |name: &str| -> Vec<String> {
        let service = project.services.get(name);
        service.into_iter().flat_map(|it| service_dependencies(it).into_keys()).collect()
    };
    let order = depth_first::sorted(project.services.keys().cloned(), needed);
    for name in order.unwrap_or_default().iter().rev() {
        let next = columns.get(name).map_or(0, |column| column + 1);
        for dependency in needed(name) {
            if let Some(column) = columns.get_mut(&dependency) {
                *column = next.max(*column);
            }
        }
    }
    columns
}

impl Edge {
    /// What is worth a word beside the arrow.
    fn label(&self) -> String {
        let optional = if self.required { "" } else { ", optional" };
        match (self.condition, optional) {
            ("started", "") => String::new(),
            ("started", _) => "optional".to_owned(),
            (condition, optional) => format!("{condition}{optional}"),
        }
    }
}

impl MountEdge {
    /// `data → /var/lib/db (read-only)`
    fn label(&self) -> String {
        let source = match (self.kind.as_str(), self.source.as_str()) {
            ("tmpfs", _) => "tmpfs",
            (_, "") => "anonymous",
            (_, source) => source,
        };
        let mode = if self.read_only { " (read-only)" } else { "" };
        format!("{source} → {}{mode}", self.target)
    }
}
