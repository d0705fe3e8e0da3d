//! `rcompose config` with a flag that asks for names.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow};
use cli::environment::Environment;
use cli::{Exit, output};
use compose::unsupported;
use compose::{Project, service_hash};

use super::config;
use crate::args::{ConfigArgs, Listing, ProjectArgs};

impl Listing {
    pub(crate) fn any(&self) -> bool {
        self.services
            || self.images
            || self.volumes
            || self.networks
            || self.models
            || self.profiles
            || self.hash.is_some()
            || self.environment
            || self.unsupported
    }
}

pub(super) fn run(
    args: &ConfigArgs,
    project: &ProjectArgs,
    environment: &Environment,
) -> Result<Exit> {
    let mut options = config::options(args, project);
    options.interpolate = true;
    // Names need no env file to exist; the hash is of the files' names, not of what is in them.
    options.resolve_environment = false;
    let loaded = config::selected(args, project, options, environment)?;
    let lines = lines(&args.listing, &loaded)?;
    output::write(&lines.iter().map(|line| format!("{line}\n")).collect::<String>())?;
    Ok(Exit::Success)
}

fn lines(list: &Listing, project: &Project) -> Result<Vec<String>> {
    let names = |keys: Vec<&String>| keys.into_iter().cloned().collect();
    Ok(if list.services {
        in_order(project)
    } else if list.volumes {
        names(project.volumes.keys().collect())
    } else if list.networks {
        names(project.networks.keys().collect())
    } else if list.models {
        project.models.values().map(|model| model.model.clone()).collect()
    } else if list.profiles {
        let all = project.services.values().chain(project.disabled_services.values());
        let profiles: BTreeSet<&String> = all.flat_map(|service| &service.profiles).collect();
        names(profiles.into_iter().collect())
    } else if list.images {
        images(project)
    } else if list.environment {
        project.environment.iter().map(|(name, value)| format!("{name}={value}")).collect()
    } else if list.unsupported {
        unsupported::used(project).iter().map(ToString::to_string).collect()
    } else {
        hashes(list.hash.as_deref().unwrap_or("*"), project)?
    })
}

/// What a service depends on comes before it.
fn in_order(project: &Project) -> Vec<String> {
    let mut done = Vec::new();
    for name in project.services.keys() {
        visit(project, name, &mut done);
    }
    done
}

fn visit(project: &Project, name: &String, done: &mut Vec<String>) {
    let Some(service) = project.services.get(name) else { return };
    if done.contains(name) {
        return;
    }
    for dependency in service.depends_on.keys() {
        visit(project, dependency, done);
    }
    done.push(name.clone());
}

fn images(project: &Project) -> Vec<String> {
    let services = project.services.iter();
    services.map(|(name, service)| service.image_name(&project.name, name)).collect()
}

fn hashes(wanted: &str, project: &Project) -> Result<Vec<String>> {
    let mut names: Vec<&str> = match wanted {
        "*" => project.services.keys().map(String::as_str).collect(),
        wanted => wanted.split(',').collect(),
    };
    names.sort_unstable();
    let platform = project.environment.get("DOCKER_DEFAULT_PLATFORM");
    let hash = |name: &str| {
        let service = project.services.get(name);
        let mut service = service.ok_or_else(|| anyhow!("no such service: {name}"))?.clone();
        if let (Some(platform), true) = (platform, service.build.is_some())
            && service.platform.is_empty()
        {
            service.platform.clone_from(platform);
        }
        Ok(format!("{name} {}", service_hash(&service)))
    };
    names.into_iter().map(hash).collect()
}
