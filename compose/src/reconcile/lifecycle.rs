//! Containers that exist, started and stopped in the order of what they depend on.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Action, ImageSteps, ObservedContainer, ObservedState, Plan, Reason, ReconcileError, Recreate,
    UpOptions, order, up,
};
use crate::model::Project;

/// Stops containers of these services, or of all; those that depend on others first.
pub fn stop(
    project: &Project,
    observed: &ObservedState,
    services: &[String],
) -> Result<Plan, ReconcileError> {
    let scope = named(project, services)?;
    let mut plan = Plan::default();
    stops(&mut plan, project, observed, &scope)?;
    Ok(plan)
}

/// Starts containers of these services, or of all, and what they depend on. None is made.
pub fn start(
    project: &Project,
    observed: &ObservedState,
    services: &[String],
    wait_for_dependencies: bool,
) -> Result<Plan, ReconcileError> {
    let mut existing = project.clone();
    for (name, service) in &mut existing.services {
        let count = containers(observed, name).count();
        if count == 0 && service.replicas() > 0 && is_meant(services, name) {
            return Err(ReconcileError::NoContainer { service: name.clone() });
        }
        service.scale = i64::try_from(count).ok();
        if !wait_for_dependencies {
            service.depends_on.values_mut().for_each(|dependency| {
                dependency.condition = "service_started".to_owned();
            });
        }
    }
    let options = UpOptions {
        services: services.to_vec(),
        recreate: Recreate::Never,
        recreate_dependencies: Recreate::Never,
        images: ImageSteps::Done,
        ..UpOptions::plain()
    };
    let mut plan = up(&existing, observed, &options)?;
    plan.warnings.clear();
    Ok(plan)
}

/// Stops and starts containers of these services, or of all, and of those that restart with one of them.
pub fn restart(
    project: &Project,
    observed: &ObservedState,
    services: &[String],
    with_dependents: bool,
) -> Result<Plan, ReconcileError> {
    let mut scope = named(project, services)?;
    let sorted = order::sorted(project)?;
    for name in sorted.iter().filter(|_| with_dependents) {
        let dependencies = order::dependencies(&project.services[name]);
        if dependencies.iter().any(|(other, it)| it.restart && scope.contains(other)) {
            scope.insert(name.clone());
        }
    }
    let mut plan = Plan::default();
    let stopped = stops(&mut plan, project, observed, &scope)?;
    let mut started: BTreeMap<&String, Vec<usize>> = BTreeMap::new();
    for name in sorted.iter().filter(|name| scope.contains(*name)) {
        let dependencies = order::dependencies(&project.services[name]);
        let before = dependencies.keys().filter_map(|other| started.get(other)).flatten();
        let before: Vec<usize> =
            before.chain(stopped.get(name).into_iter().flatten()).copied().collect();
        let mut steps = Vec::new();
        for container in containers(observed, name) {
            let start = Action::Start { service: name.clone(), name: container.name.clone() };
            steps.push(plan.add(start, Reason::AskedFor, before.clone()));
        }
        started.insert(name, steps);
    }
    Ok(plan)
}

fn stops(
    plan: &mut Plan,
    project: &Project,
    observed: &ObservedState,
    scope: &BTreeSet<String>,
) -> Result<BTreeMap<String, Vec<usize>>, ReconcileError> {
    let mut stopped: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut sorted = order::sorted(project)?;
    sorted.extend(project.disabled_services.keys().cloned());
    for name in sorted.iter().rev().filter(|name| scope.contains(*name)) {
        let depends = |other: &String| {
            project.service(other).is_some_and(|it| order::dependencies(it).contains_key(name))
        };
        let after = stopped.iter().filter(|(other, _)| depends(other));
        let after: Vec<usize> = after.flat_map(|(_, steps)| steps.clone()).collect();
        let mut steps = Vec::new();
        for container in containers(observed, name).filter(|it| it.status.is_up()) {
            let stop = Action::Stop {
                service: name.clone(),
                id: container.id.clone(),
                name: container.name.clone(),
            };
            steps.push(plan.add(stop, Reason::AskedFor, after.clone()));
        }
        stopped.insert(name.clone(), steps);
    }
    Ok(stopped)
}

fn containers<'a>(
    observed: &'a ObservedState,
    service: &'a str,
) -> impl Iterator<Item = &'a ObservedContainer> {
    observed.containers.iter().filter(move |it| it.service == service && !it.one_off)
}

fn is_meant(services: &[String], name: &String) -> bool {
    services.is_empty() || services.contains(name)
}

fn named(project: &Project, services: &[String]) -> Result<BTreeSet<String>, ReconcileError> {
    if let Some(service) = services.iter().find(|name| project.service(name).is_none()) {
        return Err(ReconcileError::NoService { service: service.clone() });
    }
    let all = project.services.keys();
    let meant = all.filter(|name| is_meant(services, name)).chain(services);
    Ok(meant.cloned().collect())
}
