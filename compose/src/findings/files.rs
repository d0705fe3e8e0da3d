//! Files that must exist.

use super::Look;
use crate::Project;

struct Needed {
    path: String,
    keys: Vec<String>,
    what: String,
}

/// Every path that is looked for.
pub fn paths(project: &Project) -> Vec<String> {
    needed(project).into_iter().map(|it| it.path).collect()
}

pub(super) fn check(look: &mut Look<'_>) {
    let Some(existing) = &look.facts.existing else { return };
    for it in needed(&look.loaded.project) {
        if !existing.contains(&it.path) {
            let keys: Vec<&str> = it.keys.iter().map(String::as_str).collect();
            let message = format!("{} does not exist: `{}`", it.what, it.path);
            look.report("file-missing", &keys, message, None);
        }
    }
}

fn needed(project: &Project) -> Vec<Needed> {
    let mut needed = Vec::new();
    let mut add = |path: &str, keys: &[&str], what: String| {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        needed.push(Needed { path: path.to_owned(), keys, what });
    };
    for (name, service) in &project.services {
        for (at, file) in service.env_file.iter().enumerate() {
            if file.required {
                let at = at.to_string();
                let what = format!("env file of service `{name}`");
                add(&file.path, &["services", name, "env_file", &at], what);
            }
        }
        for (at, mount) in service.volumes.iter().enumerate() {
            let strict = mount.bind.as_ref().is_some_and(|bind| !bind.create_host_path);
            if mount.kind == "bind" && strict {
                let at = at.to_string();
                let what = format!("directory of service `{name}`");
                add(&mount.source, &["services", name, "volumes", &at], what);
            }
        }
        if let Some(build) = &service.build
            && build.context.starts_with('/')
        {
            let what = format!("build context of service `{name}`");
            add(&build.context, &["services", name, "build", "context"], what);
        }
    }
    let uses = |list: fn(&crate::model::Service) -> &Vec<crate::model::FileReference>,
                name: &str| {
        project.services.values().any(|service| list(service).iter().any(|it| it.source == name))
    };
    for (name, secret) in &project.secrets {
        if !secret.file.is_empty() && uses(|it| &it.secrets, name) {
            add(&secret.file, &["secrets", name, "file"], format!("file of secret `{name}`"));
        }
    }
    for (name, config) in &project.configs {
        if !config.file.is_empty() && uses(|it| &it.configs, name) {
            add(&config.file, &["configs", name, "file"], format!("file of config `{name}`"));
        }
    }
    needed
}
