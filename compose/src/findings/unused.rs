//! Resources that no service uses, enabled or not.

use super::Look;
use crate::model::Service;

pub(super) fn check(look: &mut Look<'_>) {
    let project = &look.loaded.project;
    let services: Vec<&Service> =
        project.services.values().chain(project.disabled_services.values()).collect();
    let any = |test: &dyn Fn(&Service) -> bool| services.iter().any(|service| test(service));
    let mut unused: Vec<(&str, String)> = Vec::new();
    for name in project.networks.keys() {
        if name != "default" && !any(&|it| it.networks.contains_key(name)) {
            unused.push(("networks", name.clone()));
        }
    }
    for name in project.volumes.keys() {
        let uses = |it: &Service| it.volumes.iter().any(|it| it.source == *name);
        if !any(&uses) {
            unused.push(("volumes", name.clone()));
        }
    }
    for name in project.secrets.keys() {
        let uses = |it: &Service| {
            let build = it.build.iter().flat_map(|build| &build.secrets);
            it.secrets.iter().chain(build).any(|it| it.source == *name)
        };
        if !any(&uses) {
            unused.push(("secrets", name.clone()));
        }
    }
    for name in project.configs.keys() {
        if !any(&|it| it.configs.iter().any(|it| it.source == *name)) {
            unused.push(("configs", name.clone()));
        }
    }
    for (kind, name) in unused {
        let one = kind.trim_end_matches('s');
        let message = format!("no service uses {one} `{name}`");
        look.report("unused-resource", &[kind, &name], message, None);
    }
}
