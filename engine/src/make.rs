//! Makes a container: its writable layer, its definition, its name, and the lease of what it stands on.

use std::path::Path;

use runtime::containers::{Containers, Definition, check_name};
use runtime::events::Event;
use runtime::{Rootfs, SpecError};
use store::{Held, Image, MountTargets, RootfsMount, SnapshotId, Store};

use crate::define::definition;
use crate::request::ContainerRequest;
use crate::{EngineError, Result, lease_name, mounts, names, namespaces, networks, recover, users};

/// Makes the container `id` of an image.
pub fn make(
    store: &Store,
    containers: &Containers,
    image: &Image,
    id: &str,
    request: &ContainerRequest,
) -> Result<Definition> {
    if let Some(name) = given_name(request) {
        check_name(name)?;
    }
    let attachments = networks::resolve(store, &request.connections.attachments)?;
    let cannot = |source| EngineError::Unpack { image: image.id(), source: Box::new(source) };
    let layers = store.unpack(image).map_err(cannot)?;
    let stack: Vec<_> = layers.into_iter().map(|layer| layer.snapshot).collect();
    let active = store.snapshotter().prepare(&stack).map_err(cannot)?;
    let place = containers.place(id).directory;
    let mount =
        active.mount_at(&place).with_targets(store, MountTargets::Container).map_err(cannot)?;
    let prepared = mounts::prepare(store, containers, image, request)?;
    let mut definition = definition(request, image, id, rootfs(&mount), &prepared)?;
    definition.network.attachments = attachments;
    definition.spec.rootfs = definition.spec.rootfs.relative_to(store.root());
    definition.spec.namespaces = namespaces::resolve(containers, &request.confinement.namespaces)?;
    let mut held = held(image, &mount);
    held.extend(prepared.held.iter().cloned());
    if !definition.auto_remove {
        // What takes long is done before anybody has to wait.
        store.sync()?;
    }
    let directory = active.into_directory();
    let published = publish(containers, store, &directory, &held, (request, &mut definition));
    if published.is_err() {
        // What is told is why there is no container; leftovers are found by the next command.
        let _released = store.release(&lease_name(id));
        let _aside = store.remove_aside(&directory);
    }
    published?;
    prepared.volumes.keep();
    Event::of_container(&definition, "create").note(store.state());
    Ok(definition)
}

fn given_name(request: &ContainerRequest) -> Option<&str> {
    request.name.as_deref().map(|name| name.strip_prefix('/').unwrap_or(name))
}

fn publish(
    containers: &Containers,
    store: &Store,
    directory: &Path,
    held: &[Held],
    (request, definition): (&ContainerRequest, &mut Definition),
) -> Result<()> {
    let given = given_name(request);
    if request.confinement.own_users {
        if definition.network.joined.is_some() {
            let what = "the network of another container";
            return Err(SpecError::UserNamespace { what }.into());
        }
        definition.spec.check_user_namespace()?;
    }
    for attempt in 0.. {
        definition.name = match given {
            Some(name) => name.to_owned(),
            None => names::random_name(attempt)?,
        };
        let users = request.confinement.own_users;
        match publish_as(containers, store, directory, held, (definition, users)) {
            Err(error) if error.is_name_in_use() && (given.is_none() || attempt == 0) => {}
            other => return other,
        }
        if given.is_some() {
            // One that was to be removed at its end may still have it, because its shim was killed.
            recover::run(store, containers)?;
        }
    }
    Ok(())
}

/// Under the lock: a lease without a container is a leftover to everybody else.
fn publish_as(
    containers: &Containers,
    store: &Store,
    directory: &Path,
    held: &[Held],
    (definition, own_users): (&mut Definition, bool),
) -> Result<()> {
    let guard = containers.lock()?;
    if own_users {
        definition.spec.user_namespace = Some(users::free_range(containers)?);
    }
    let lease = lease_name(&definition.id);
    match definition.auto_remove {
        true => store.keep_until_reboot(&lease, held)?,
        false => store.keep(&lease, held)?,
    }
    Ok(containers.publish(&guard, directory, definition)?)
}

/// Nothing that it stands on may be collected, nor the image be removed, as long as there is the container.
pub(crate) fn held(image: &Image, mount: &RootfsMount) -> Vec<Held> {
    let mut held = vec![Held::Blob(image.descriptor.digest)];
    let lowers = match mount {
        RootfsMount::Overlay { lowers, .. } => lowers.as_slice(),
        // What is written to is the container's own copy.
        RootfsMount::Directory { read_only: false, .. } => &[],
        RootfsMount::Directory { path, read_only: true } => std::slice::from_ref(path),
    };
    let name = |path: &Path| path.file_name()?.to_str().and_then(SnapshotId::parse);
    let snapshots = lowers.iter().filter_map(|lower| name(lower));
    held.extend(snapshots.filter(|id| id.as_str() != "empty").map(Held::Snapshot));
    held
}

pub(crate) fn rootfs(mount: &RootfsMount) -> Rootfs {
    match mount.clone() {
        RootfsMount::Overlay { lowers, upper, work, volatile } => {
            Rootfs::Overlay { lowers, upper, work, volatile }
        }
        RootfsMount::Directory { path, read_only } => Rootfs::Directory { path, read_only },
    }
}
