//! Which services depend on which, and an order that respects it.

use std::collections::BTreeMap;

use super::ReconcileError;
use crate::depth_first;
use crate::model::{Dependency, Project, Service};

/// Dependencies of a service, including those that its shared namespaces and volumes mean.
pub fn dependencies(service: &Service) -> BTreeMap<String, Dependency> {
    let mut all = service.depends_on.clone();
    for name in joined(service) {
        all.entry(name).or_insert_with(|| Dependency {
            condition: "service_started".to_owned(),
            restart: true,
            required: true,
            ..Dependency::default()
        });
    }
    for link in &service.links {
        let name = link.split(':').next().unwrap_or(link);
        all.entry(name.to_owned()).or_insert_with(|| Dependency {
            condition: "service_started".to_owned(),
            restart: true,
            required: true,
            ..Dependency::default()
        });
    }
    all
}

/// Services whose namespaces or volumes this one uses: its containers name theirs by ID.
pub fn joined(service: &Service) -> Vec<String> {
    let modes = [&service.network_mode, &service.ipc, &service.pid, &service.uts];
    let mut names: Vec<String> = modes
        .into_iter()
        .filter_map(|mode| mode.strip_prefix("service:"))
        .map(str::to_owned)
        .collect();
    let volumes = service.volumes_from.iter().filter(|from| !from.starts_with("container:"));
    names.extend(volumes.filter_map(|from| from.split(':').next()).map(str::to_owned));
    names.sort();
    names.dedup();
    names
}

/// All services, each after those it depends on; else by name.
pub(super) fn sorted(project: &Project) -> Result<Vec<String>, ReconcileError> {
    let known = |name: &String| project.services.contains_key(name);
    let needed = |name: &str| -> Vec<String> {
        let service = project.services.get(name);
        service.into_iter().flat_map(|it| dependencies(it).into_keys()).filter(known).collect()
    };
    depth_first::sorted(project.services.keys().cloned(), needed)
        .map_err(|services| ReconcileError::Cycle { services })
}
