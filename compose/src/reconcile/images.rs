//! Which images have to be built or pulled first.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Action, BuildWhen, ObservedState, Plan, PullWhen, Reason, ReconcileError, UpOptions, Warning,
};
use crate::model::{Project, Service};

/// Adds the steps; gives their positions by image.
pub(super) fn add(
    plan: &mut Plan,
    project: &Project,
    observed: &ObservedState,
    options: &UpOptions,
    order: &[String],
    scope: &BTreeSet<String>,
) -> Result<BTreeMap<String, usize>, ReconcileError> {
    let mut steps = BTreeMap::new();
    for name in order.iter().filter(|name| scope.contains(*name)) {
        let service = &project.services[name];
        if service.provider.is_some() {
            continue;
        }
        let image = service.image_name(&project.name, name);
        if steps.contains_key(&image) {
            continue;
        }
        let exists = observed.images.contains_key(&image);
        if let Some((action, reason)) = step(name, service, &image, exists, options)? {
            let runs = observed.containers.iter().any(|it| it.service == *name && !it.one_off);
            if runs {
                plan.warnings.push(Warning::ImageMayChange { service: name.clone() });
            }
            let after = builds_on(project, service, &steps);
            steps.insert(image, plan.add(action, reason, after));
        }
    }
    Ok(steps)
}

/// A build whose additional contexts or base are images of other services waits for them.
fn builds_on(project: &Project, service: &Service, steps: &BTreeMap<String, usize>) -> Vec<usize> {
    let Some(build) = &service.build else { return Vec::new() };
    let services =
        build.additional_contexts.0.values().filter_map(|it| it.strip_prefix("service:"));
    services
        .filter_map(|name| Some(project.services.get(name)?.image_name(&project.name, name)))
        .filter_map(|image| steps.get(&image).copied())
        .collect()
}

fn step(
    name: &str,
    service: &Service,
    image: &str,
    exists: bool,
    options: &UpOptions,
) -> Result<Option<(Action, Reason)>, ReconcileError> {
    let policy = options.pull.as_deref().unwrap_or(&service.pull_policy);
    let missing =
        |why| ReconcileError::NoImage { service: name.to_owned(), image: image.to_owned(), why };
    if service.build.is_some() && (options.pull.is_none() || !exists) {
        let build = || Action::Build { service: name.to_owned(), image: image.to_owned() };
        return match options.build {
            BuildWhen::Always => Ok(Some((build(), Reason::AskedFor))),
            BuildWhen::Never if !exists => Err(missing("building is not wanted")),
            BuildWhen::Never => Ok(None),
            BuildWhen::Absent if policy == "build" => {
                Ok(Some((build(), Reason::Policy(policy.to_owned()))))
            }
            BuildWhen::Absent if !exists => Ok(Some((build(), Reason::Absent))),
            BuildWhen::Absent => Ok(None),
        };
    }
    let pull = |when| Action::Pull { image: image.to_owned(), when };
    match policy {
        "always" => Ok(Some((pull(PullWhen::Now), Reason::Policy(policy.to_owned())))),
        "never" if !exists => Err(missing("its pull_policy is `never`")),
        "never" => Ok(None),
        _ if !exists => Ok(Some((pull(PullWhen::Now), Reason::Absent))),
        age if is_age(age) => {
            Ok(Some((pull(PullWhen::IfOlder(age.to_owned())), Reason::Policy(age.to_owned()))))
        }
        _ => Ok(None),
    }
}

fn is_age(policy: &str) -> bool {
    policy == "daily" || policy == "weekly" || policy.starts_with("every_")
}
