//! Dependencies beyond what is enabled.

use std::collections::BTreeMap;

use super::Look;
use crate::depth_first;
use crate::model::Service;

pub(super) fn check(look: &mut Look<'_>) {
    let project = &look.loaded.project;
    let all: BTreeMap<&String, &Service> =
        project.services.iter().chain(&project.disabled_services).collect();
    let mut unreachable = Vec::new();
    let mut unhealthy = Vec::new();
    for (name, service) in &all {
        for (other, dependency) in &service.depends_on {
            let Some(target) = all.get(other) else { continue };
            if dependency.required && !enabled_with(target, service) {
                unreachable.push(((*name).clone(), other.clone(), target.profiles.join(", ")));
            }
            if dependency.condition == "service_healthy" && cannot_be_healthy(target) {
                unhealthy.push(((*name).clone(), other.clone()));
            }
        }
    }
    let cycle = cycle(&all);
    for (name, other, profiles) in unreachable {
        let message =
            format!("`{name}` needs `{other}`, which only the profiles {profiles} enable");
        let hint = format!("give `{other}` the profiles of `{name}`, or mark it `required: false`");
        look.report(
            "profile-unreachable",
            &["services", &name, "depends_on", &other],
            message,
            Some(&hint),
        );
    }
    for (name, other) in unhealthy {
        let message =
            format!("`{name}` waits for `{other}` to be healthy, but its health check is off");
        look.report("health-unknown", &["services", &name, "depends_on", &other], message, None);
    }
    if let Some(chain) = cycle {
        let message = format!("services wait for each other: {}", chain.join(" -> "));
        let keys = ["services", &chain[0], "depends_on", &chain[1]];
        look.report("dependency-cycle", &keys, message, None);
    }
}

/// Whether the target is on whenever the service is.
fn enabled_with(target: &Service, service: &Service) -> bool {
    target.profiles.is_empty()
        || (!service.profiles.is_empty()
            && service.profiles.iter().all(|profile| target.profiles.contains(profile)))
}

fn cannot_be_healthy(service: &Service) -> bool {
    service.healthcheck.as_ref().is_some_and(|check| {
        check.disable || check.test.0.first().is_some_and(|first| first == "NONE")
    })
}

fn cycle(all: &BTreeMap<&String, &Service>) -> Option<Vec<String>> {
    let dependencies = |name: &str| -> Vec<String> {
        let service = all.get(&name.to_owned());
        service.into_iter().flat_map(|service| service.depends_on.keys().cloned()).collect()
    };
    depth_first::sorted(all.keys().map(|name| (*name).clone()), dependencies).err()
}
