//! What is mounted in a container: what is asked for, what other containers have, and the volumes of the image.

use std::fs;
use std::path::{Path, PathBuf};

use runtime::containers::{Container, Containers, Definition};
use runtime::{Mount, MountSource};
use store::{Held, Image, ImageConfig, Store};

use crate::make::{held, rootfs};
use crate::request::{ContainerRequest, ImageMount, MountRequest, VolumesFrom};
use crate::values::target;
use crate::volumes::{self, Attached, NewVolume, VolumeMount};
use crate::{EngineError, Result};

/// Mounts whose sources are there.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Those nearer to the root first.
    pub(crate) mounts: Vec<Mount>,
    pub(crate) volumes: Attached,
    /// What images that are mounted stand on.
    pub(crate) held: Vec<Held>,
}

/// Sources that docker would make are made, volumes too.
pub(crate) fn prepare(
    store: &Store,
    containers: &Containers,
    image: &Image,
    request: &ContainerRequest,
) -> Result<Prepared> {
    let wanted = wanted(containers, &image.config, request)?;
    let (mut mounts, mut held) = (Vec::new(), Vec::new());
    let mut asked = Vec::new();
    for wanted in wanted {
        match wanted {
            MountRequest::Mount { mount, create } => mounts.push(real_mount(mount, create)?),
            MountRequest::Image(wanted) => mounts.push(image_mount(store, &wanted, &mut held)?),
            MountRequest::Volume(wanted) => asked.push(wanted),
        }
    }
    let durable = !request.auto_remove;
    let volumes = volumes::attach(store, containers, image, &asked, durable)?;
    mounts.extend(volumes.mounts.iter().cloned());
    mounts.sort_by_key(|mount| mount.target.components().count());
    Ok(Prepared { mounts, volumes, held })
}

/// One for each target: what is asked for, then what comes from other containers, then what the image's VOLUME names.
fn wanted(
    containers: &Containers,
    image: &ImageConfig,
    request: &ContainerRequest,
) -> Result<Vec<MountRequest>> {
    let mut wanted = request.mounts.clone();
    if let Some(target) = find_double(&wanted) {
        return Err(EngineError::TwoMounts { target });
    }
    // Of several the last counts.
    for from in request.volumes_from.iter().rev() {
        let container = containers.find(&from.container)?;
        add_missing(&mut wanted, of_container(&container, from));
    }
    for path in &image.config.volumes {
        let target =
            target(path).map_err(|source| EngineError::Image { what: "VOLUME", source })?;
        add_missing(&mut wanted, vec![MountRequest::Volume(VolumeMount::at(target))]);
    }
    Ok(wanted)
}

fn find_double(mounts: &[MountRequest]) -> Option<PathBuf> {
    let mut targets: Vec<&Path> = mounts.iter().map(MountRequest::target).collect();
    targets.sort_unstable();
    targets.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0].to_owned())
}

fn add_missing(wanted: &mut Vec<MountRequest>, more: Vec<MountRequest>) {
    for mount in more {
        if wanted.iter().all(|known| known.target() != mount.target()) {
            wanted.push(mount);
        }
    }
}

/// The volumes and directories of the host's that a container has. What is in memory is its own.
fn of_container(container: &Container, from: &VolumesFrom) -> Vec<MountRequest> {
    let definition = &container.definition;
    let mounts = definition.spec.mounts.iter();
    mounts.filter_map(|mount| shared(definition, mount, from.read_only)).collect()
}

fn shared(definition: &Definition, mount: &Mount, read_only: bool) -> Option<MountRequest> {
    let read_only = mount.read_only || read_only;
    let used = definition.volumes.iter().find(|used| used.target == mount.target);
    let subpath = match &mount.source {
        MountSource::Path { subpath, .. } | MountSource::Filesystem { subpath, .. } => {
            subpath.clone()
        }
        _ => return None,
    };
    match used {
        Some(used) => Some(MountRequest::Volume(VolumeMount {
            target: mount.target.clone(),
            volume: NewVolume::named(&used.name),
            read_only,
            copy: false,
            subpath,
            anonymous: used.anonymous,
        })),
        None => {
            let mount = Mount { read_only, ..mount.clone() };
            Some(MountRequest::Mount { mount, create: false })
        }
    }
}

/// With its source as it is now.
fn real_mount(mut mount: Mount, create: bool) -> Result<Mount> {
    let MountSource::Path { source: path, .. } = &mut mount.source else { return Ok(mount) };
    if create && fs::symlink_metadata(&path).is_err() {
        fs::create_dir_all(&path)
            .map_err(|source| EngineError::CreateSource { path: path.clone(), source })?;
    }
    *path = path.canonicalize().map_err(|source| EngineError::MountSource {
        path: path.clone(),
        target: mount.target.clone(),
        source,
    })?;
    Ok(mount)
}

/// The files of another image, for reading.
fn image_mount(store: &Store, wanted: &ImageMount, more: &mut Vec<Held>) -> Result<Mount> {
    let image = store.resolve(&wanted.image)?;
    store.mark_used(&image);
    let cannot = |source| EngineError::Unpack { image: image.id(), source: Box::new(source) };
    let layers = store.unpack(&image).map_err(cannot)?;
    let stack: Vec<_> = layers.into_iter().map(|layer| layer.snapshot).collect();
    let view = store.snapshotter().view(&stack).map_err(cannot)?;
    more.extend(held(&image, &view));
    let tree = rootfs(&view).relative_to(store.root());
    let source = MountSource::Tree { tree, subpath: wanted.subpath.clone() };
    Ok(Mount { target: wanted.target.clone(), source, read_only: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(target: &str) -> MountRequest {
        MountRequest::Mount { mount: Mount::bind("/srv", target, false), create: false }
    }

    #[test]
    fn what_is_asked_for_covers_the_rest() {
        let mut wanted = vec![bind("/a")];
        add_missing(&mut wanted, vec![MountRequest::Volume(VolumeMount::at("/a")), bind("/b")]);
        add_missing(&mut wanted, vec![bind("/b")]);
        assert_eq!(wanted, [bind("/a"), bind("/b")]);
        assert_eq!(find_double(&wanted), None);
        wanted.push(bind("/a"));
        assert_eq!(find_double(&wanted), Some("/a".into()));
    }
}
