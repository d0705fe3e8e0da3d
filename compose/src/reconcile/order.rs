//! Which services depend on which, and an order that respects it.

use std::collections::BTreeMap;

use super::ReconcileError;
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
pub(super) fn joined(service: &Service) -> Vec<String> {
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
    let mut order = Vec::new();
    let mut done = BTreeMap::new();
    for name in project.services.keys() {
        visit(project, name, &mut done, &mut order, &mut Vec::new())?;
    }
    Ok(order)
}

fn visit(
    project: &Project,
    name: &str,
    done: &mut BTreeMap<String, bool>,
    order: &mut Vec<String>,
    path: &mut Vec<String>,
) -> Result<(), ReconcileError> {
    path.push(name.to_owned());
    match done.get(name) {
        Some(true) => {
            path.pop();
            return Ok(());
        }
        Some(false) => {
            let start = path.iter().position(|it| it == name).unwrap_or(0);
            return Err(ReconcileError::Cycle { services: path[start..].to_vec() });
        }
        None => {}
    }
    let Some(service) = project.services.get(name) else {
        path.pop();
        return Ok(());
    };
    done.insert(name.to_owned(), false);
    for dependency in dependencies(service).keys() {
        visit(project, dependency, done, order, path)?;
    }
    done.insert(name.to_owned(), true);
    order.push(name.to_owned());
    path.pop();
    Ok(())
}
