//! `--resolve-image-digests` and `--lock-image-digests`: images by digest instead of tag.

use anyhow::{Result, bail};
use compose::Project;
use compose::model::Service;
use compose::yaml::{Node, Value};
use store::Reference;

/// Replaces every image by its name and digest. Registries cannot be asked yet, so the digest must be there.
pub(super) fn pin(project: &mut Project) -> Result<()> {
    for (name, service) in &mut project.services {
        if !service.image.is_empty() {
            service.image = pinned(name, &service.image)?;
        }
    }
    Ok(())
}

/// The same in a tree whose variables are still there.
pub(super) fn pin_tree(tree: &mut Node) -> Result<()> {
    let services = tree.as_map_mut().and_then(|map| map.get_mut("services"));
    let Some(services) = services.and_then(Node::as_map_mut) else { return Ok(()) };
    for (name, service) in services.iter_mut() {
        let image = service.as_map_mut().and_then(|map| map.get_mut("image"));
        if let Some(Value::String(image)) = image.map(|node| &mut node.value) {
            *image = pinned(name, image)?;
        }
    }
    Ok(())
}

/// An override file with nothing but images.
pub(super) fn retain_images(tree: &mut Node) {
    let Some(map) = tree.as_map_mut() else { return };
    map.retain(|key, _| key == "services");
    let Some(services) = map.get_mut("services").and_then(Node::as_map_mut) else { return };
    for (_, service) in services.iter_mut() {
        if let Some(service) = service.as_map_mut() {
            service.retain(|key, _| key == "image");
        }
    }
}

fn pinned(service: &str, image: &str) -> Result<String> {
    let Ok(reference) = image.parse::<Reference>() else {
        bail!("service `{service}` has an invalid image name: `{image}`");
    };
    match image.split_once('@') {
        Some((_, digest)) => Ok(format!("{}@{digest}", reference.name())),
        None => bail!(
            "cannot find the digest of `{image}` of service `{service}`: registries are not asked for it yet"
        ),
    }
}

/// The same of a project.
pub(super) fn only_images(project: Project) -> Project {
    let services = project
        .services
        .into_iter()
        .map(|(name, service)| (name, Service { image: service.image, ..Service::default() }));
    Project { services: services.collect(), ..Project::default() }
}
