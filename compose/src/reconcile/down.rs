//! The way back: what `down` removes, and in which order.

use std::collections::BTreeMap;

use super::{
    Action, ObservedContainer, ObservedState, Plan, Reason, ReconcileError, Warning, order, steps,
};
use crate::model::Project;

#[derive(Clone, Debug)]
pub struct DownOptions {
    /// Empty: all, and their networks.
    pub services: Vec<String>,
    pub remove_orphans: bool,
    /// Named volumes that are the project's own.
    pub volumes: bool,
    pub images: Images,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Images {
    Keep,
    /// Those without a name of their own.
    Local,
    All,
}

/// Containers stop before what they depend on; networks and volumes go last.
pub fn down(
    project: &Project,
    observed: &ObservedState,
    options: &DownOptions,
) -> Result<Plan, ReconcileError> {
    if let Some(service) = options.services.iter().find(|it| project.service(it).is_none()) {
        return Err(ReconcileError::NoService { service: service.clone() });
    }
    let mut plan = Plan::default();
    let mut removed = Vec::new();
    let (known, orphans): (Vec<_>, Vec<_>) =
        observed.containers.iter().partition(|it| project.service(&it.service).is_some());
    if options.remove_orphans {
        for container in &orphans {
            removed.push(plan.remove(container, Reason::Orphan, Vec::new()));
        }
    } else if !orphans.is_empty() {
        let names = orphans.iter().map(|it| it.name.clone()).collect();
        plan.warnings.push(Warning::Orphans { names });
    }
    let mut order = order::sorted(project)?;
    order.extend(project.disabled_services.keys().cloned());
    let mut stops: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for name in order.iter().rev() {
        if !options.services.is_empty() && !options.services.contains(name) {
            continue;
        }
        let after = after_dependents(project, name, &stops);
        for container in known.iter().filter(|it| it.service == *name) {
            let step = plan.remove(container, Reason::Down, after.clone());
            stops.entry(name.clone()).or_default().push(step);
            removed.push(step);
        }
    }
    if options.services.is_empty() {
        let stays = if options.remove_orphans { Vec::new() } else { orphans };
        resources(&mut plan, project, observed, options, (&removed, &stays));
    }
    Ok(plan)
}

fn after_dependents(
    project: &Project,
    name: &str,
    stops: &BTreeMap<String, Vec<usize>>,
) -> Vec<usize> {
    let depends = |other: &str| {
        project.service(other).is_some_and(|it| order::dependencies(it).contains_key(name))
    };
    stops.iter().filter(|(other, _)| depends(other)).flat_map(|(_, steps)| steps.clone()).collect()
}

fn resources(
    plan: &mut Plan,
    project: &Project,
    observed: &ObservedState,
    options: &DownOptions,
    (removed, stays): (&[usize], &[&ObservedContainer]),
) {
    let is_own = |owner: &Option<String>| owner.as_ref() == Some(&project.name);
    for name in steps::own_networks(project) {
        if !observed.networks.get(&name).is_some_and(|it| is_own(&it.project)) {
            continue;
        }
        if stays.iter().any(|it| it.status.is_up() && it.uses_network(&name)) {
            plan.warnings.push(Warning::NetworkInUse { name });
        } else {
            plan.add(Action::RemoveNetwork { name }, Reason::Down, removed.to_vec());
        }
    }
    if options.volumes {
        for volume in project.volumes.values().filter(|volume| !volume.external) {
            let name = volume.name.clone();
            if observed.volumes.get(&name).is_some_and(|it| is_own(&it.project)) {
                plan.add(Action::RemoveVolume { name }, Reason::Down, removed.to_vec());
            }
        }
    }
    if options.images == Images::Keep {
        return;
    }
    for (name, service) in &project.services {
        let image = service.image_name(&project.name, name);
        let meant = options.images == Images::All || service.image.is_empty();
        if meant && observed.images.contains_key(&image) {
            plan.add(Action::RemoveImage { image }, Reason::AskedFor, removed.to_vec());
        }
    }
}
