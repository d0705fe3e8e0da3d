//! Makes a container: its writable layer, its definition, its name, and the lease of what it stands on.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, Result};
use cli::environment::Environment;
use runtime::clock;
use runtime::containers::{ContainerError, Containers, Definition, Origin, SCHEMA};
use runtime::{ContainerSpec, ProcessView, Rootfs};
use store::{Held, Image, RootfsMount, SnapshotId, Store};

use super::lifecycle::{self, Lifecycle};
use super::{lease_name, names, recover, spec};
use crate::args::ContainerArgs;

/// What the arguments say, checked before anything is made.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    args: &'a ContainerArgs,
    settings: spec::Settings,
    lifecycle: Lifecycle,
    /// Whether its standard input ends with the first client.
    stdin_once: bool,
}

impl Plan<'_> {
    pub(crate) fn of<'a>(
        args: &'a ContainerArgs,
        stdin_once: bool,
        environment: &Environment,
    ) -> Result<Plan<'a>> {
        if let Some(name) = &args.lifecycle.name {
            runtime::containers::check_name(name.strip_prefix('/').unwrap_or(name))?;
        }
        if let Some(path) = &args.lifecycle.cidfile
            && path.exists()
        {
            anyhow::bail!(
                "the file `{}` of `--cidfile` exists; the container of another run may have it",
                path.display()
            );
        }
        Ok(Plan {
            args,
            settings: spec::settings(args, environment)?,
            lifecycle: lifecycle::lifecycle(&args.lifecycle, environment)?,
            stdin_once,
        })
    }

    /// Which processes its shim has to see.
    pub(crate) fn process_view(&self) -> ProcessView {
        spec::process_view(&self.settings)
    }

    /// Makes the container `id` of an image.
    pub(crate) fn make(
        &self,
        store: &Store,
        containers: &Containers,
        image: &Image,
        id: &str,
    ) -> Result<Definition> {
        let cannot = || format!("cannot unpack image {}", image.id());
        let layers = store.unpack(image).with_context(cannot)?;
        let stack: Vec<_> = layers.into_iter().map(|layer| layer.snapshot).collect();
        let active = store.snapshotter().prepare(&stack).with_context(cannot)?;
        let place = containers.place(id).directory;
        let mount = active.mount_at(&place);
        let mut definition = self.definition(id, image, &mount)?;
        definition.spec.rootfs = definition.spec.rootfs.relative_to(store.root());
        let held = held(image, &mount);
        if !definition.auto_remove {
            // What takes long is done before anybody has to wait.
            store.sync()?;
        }
        let directory = active.into_directory();
        let published = self.publish(containers, store, &directory, &held, &mut definition);
        if published.is_err() {
            // What is told is why there is no container; leftovers are found by the next command.
            let _released = store.release(&lease_name(id));
            let _aside = store.remove_aside(&directory);
        }
        published?;
        if let Err(error) = self.write_id(id) {
            // What is told is why; leftovers are found by the next command.
            if let Ok(container) = containers.read(id) {
                let _left = super::remove(store, containers, &container);
            }
            return Err(error);
        }
        Ok(definition)
    }

    fn definition(&self, id: &str, image: &Image, mount: &RootfsMount) -> Result<Definition> {
        let config = &image.config;
        let mut spec = spec::container(self.args, &self.settings, config, id, rootfs(mount))?;
        self.keep_its_files(&mut spec);
        let labels = self.lifecycle.labels(config);
        let (entrypoint, command) = spec::words(self.args, config);
        Ok(Definition {
            schema: SCHEMA,
            id: id.to_owned(),
            name: String::new(),
            created: clock::now(),
            image: Origin { name: self.args.image.clone(), id: image.id().to_string() },
            entrypoint,
            command,
            terminal: self.args.tty,
            open_stdin: self.args.interactive,
            stdin_once: self.stdin_once,
            auto_remove: self.args.lifecycle.rm,
            restart: self.lifecycle.restart,
            health: self.lifecycle.health(config)?,
            stop_signal: self.lifecycle.stop_signal(config)?,
            stop_timeout: self.lifecycle.stop_timeout,
            log: self.lifecycle.log(&labels, &spec.env),
            labels,
            spec,
        })
    }

    /// Files of a container that is kept have to reach the disk as others do; those of one that goes at its end need not.
    fn keep_its_files(&self, spec: &mut ContainerSpec) {
        let kept = !self.args.lifecycle.rm;
        if let Rootfs::Overlay { volatile, .. } = &mut spec.rootfs {
            *volatile &= !kept;
        }
    }

    fn publish(
        &self,
        containers: &Containers,
        store: &Store,
        directory: &Path,
        held: &[Held],
        definition: &mut Definition,
    ) -> Result<()> {
        let given = self.args.lifecycle.name.as_deref();
        let given = given.map(|name| name.strip_prefix('/').unwrap_or(name).to_owned());
        for attempt in 0.. {
            definition.name = match &given {
                Some(name) => name.clone(),
                None => names::random_name(attempt)?,
            };
            match publish_as(containers, store, directory, held, definition) {
                Err(error) if is_taken(&error) && (given.is_none() || attempt == 0) => {}
                other => return other,
            }
            if given.is_some() {
                // One that was to be removed at its end may still have it, because its shim was killed.
                recover::run(store, containers)?;
            }
        }
        Ok(())
    }

    fn write_id(&self, id: &str) -> Result<()> {
        let Some(path) = &self.args.lifecycle.cidfile else { return Ok(()) };
        let file = File::options().write(true).create_new(true).open(path);
        match file.and_then(|mut file| file.write_all(id.as_bytes())) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                anyhow::bail!("the file `{}` of `--cidfile` exists", path.display())
            }
            other => other.with_context(|| format!("cannot write `{}`", path.display())),
        }
    }
}

/// Under the lock: a lease without a container is a leftover to everybody else.
fn publish_as(
    containers: &Containers,
    store: &Store,
    directory: &Path,
    held: &[Held],
    definition: &Definition,
) -> Result<()> {
    let guard = containers.lock()?;
    let lease = lease_name(&definition.id);
    match definition.auto_remove {
        true => store.keep_until_reboot(&lease, held)?,
        false => store.keep(&lease, held)?,
    }
    Ok(containers.publish(&guard, directory, definition)?)
}

fn is_taken(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(ContainerError::NameInUse { .. }))
}

/// Nothing that it stands on may be collected, nor the image be removed, as long as there is the container.
fn held(image: &Image, mount: &RootfsMount) -> Vec<Held> {
    let mut held = vec![Held::Blob(image.descriptor.digest)];
    if let RootfsMount::Overlay { lowers, .. } = mount {
        let name = |path: &Path| path.file_name()?.to_str().and_then(SnapshotId::parse);
        let snapshots = lowers.iter().filter_map(|lower| name(lower));
        held.extend(snapshots.filter(|id| id.as_str() != "empty").map(Held::Snapshot));
    }
    held
}

fn rootfs(mount: &RootfsMount) -> Rootfs {
    match mount.clone() {
        RootfsMount::Overlay { lowers, upper, work, volatile } => {
            Rootfs::Overlay { lowers, upper, work, volatile }
        }
        RootfsMount::Directory { path, read_only } => Rootfs::Directory { path, read_only },
    }
}
