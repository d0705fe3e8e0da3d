//! Lists of what is in a project: the answers of `config` with a flag that asks for names.

use std::collections::BTreeSet;

use crate::Project;
use crate::hash::service_hash;
use crate::model::SelectionError;
use crate::schema::nearest;

/// Enabled services; what one depends on comes before it.
pub fn services(project: &Project) -> Vec<String> {
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

/// The image of each enabled service, named or to be built.
pub fn images(project: &Project) -> Vec<String> {
    let image = |(name, service): (&String, &crate::model::Service)| {
        service.image_name(&project.name, name)
    };
    project.services.iter().map(image).collect()
}

/// Profiles of all services, enabled or not.
pub fn profiles(project: &Project) -> Vec<String> {
    let all = project.services.values().chain(project.disabled_services.values());
    let profiles: BTreeSet<&String> = all.flat_map(|service| &service.profiles).collect();
    profiles.into_iter().cloned().collect()
}

/// The models by which services are called.
pub fn models(project: &Project) -> Vec<String> {
    project.models.values().map(|model| model.model.clone()).collect()
}

/// `NAME HASH` of the services in a list with commas; `*` for all.
pub fn hashes(project: &Project, wanted: &str) -> Result<Vec<String>, SelectionError> {
    let mut names: Vec<&str> = match wanted {
        "*" => project.services.keys().map(String::as_str).collect(),
        wanted => wanted.split(',').collect(),
    };
    names.sort_unstable();
    names.into_iter().map(|name| hash(project, name)).collect()
}

fn hash(project: &Project, name: &str) -> Result<String, SelectionError> {
    let Some(service) = project.services.get(name) else {
        let known = project.services.keys().map(String::as_str);
        let nearest = nearest(name, known).map(str::to_owned);
        return Err(SelectionError::NoSuchService { name: name.to_owned(), nearest });
    };
    let mut service = service.clone();
    let platform = project.environment.get("DOCKER_DEFAULT_PLATFORM");
    if let (Some(platform), true) = (platform, service.build.is_some())
        && service.platform.is_empty()
    {
        service.platform.clone_from(platform);
    }
    Ok(format!("{name} {}", service_hash(&service)))
}
