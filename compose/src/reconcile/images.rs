//! Which images have to be built or pulled first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{
    Action, BuildWhen, ObservedState, Plan, PullWhen, Reason, ReconcileError, UpOptions, Warning,
};
use crate::model::{self, Project, Service};

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
        // Another one may build what this one only names.
        let (builder, service) = builder(project, name, service, &image);
        if let Some((action, reason)) = step(builder, service, &image, exists, options)? {
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

/// The service that says how an image is made: this one, unless only another one has a build for it.
fn builder<'a>(
    project: &'a Project,
    name: &'a str,
    service: &'a Service,
    image: &str,
) -> (&'a str, &'a Service) {
    if service.build.is_some() {
        return (name, service);
    }
    let builds = |(key, other): &(&String, &Service)| {
        other.build.is_some() && other.image_name(&project.name, key) == image
    };
    let found = project.services.iter().find(builds);
    found.map_or((name, service), |(key, other)| (key.as_str(), other))
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
        policy => match interval(policy) {
            Some(age) => {
                Ok(Some((pull(PullWhen::IfOlder(age)), Reason::Policy(policy.to_owned()))))
            }
            None => Ok(None),
        },
    }
}

/// How old an image may be by its policy.
fn interval(policy: &str) -> Option<Duration> {
    const DAY: u64 = 24 * 3600;
    match policy {
        "daily" => Some(Duration::from_secs(DAY)),
        "weekly" => Some(Duration::from_secs(7 * DAY)),
        _ => {
            let length = model::Duration::parse(policy.strip_prefix("every_")?).ok()?;
            Some(Duration::from_nanos(u64::try_from(length.0).ok()?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_say_how_old_an_image_may_be() {
        for (policy, hours) in [
            ("daily", Some(24)),
            ("weekly", Some(168)),
            ("every_12h", Some(12)),
            ("every_2d", Some(48)),
            ("every_", None),
            ("missing", None),
        ] {
            let expected = hours.map(|hours| Duration::from_secs(hours * 3600));
            assert_eq!(interval(policy), expected, "{policy}");
        }
    }
}
