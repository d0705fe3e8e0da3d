//! Takes containers away.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use runtime::RuntimeError;
use runtime::containers::{Container, ContainerError, Containers, Still};
use runtime::events::Event;
use runtime::network::Networks;
use runtime::shim::log_files;
use store::Store;

use crate::Result;
use crate::volumes::Volumes;

/// How long a shim may take to go once its container has ended, and how often it is looked for.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(5);

/// Begins the names of containers' leases.
pub(crate) const LEASE: &str = "container.";

/// The lease of what a container stands on.
pub fn lease_name(id: &str) -> String {
    format!("{LEASE}{id}")
}

/// Takes the container out of sight, then removes what it was. Of its volumes the anonymous ones go if it was made to
/// go at its end.
pub fn remove(store: &Store, containers: &Containers, container: &Container) -> Result<()> {
    withdraw(store, containers, container, None)?.discard(store)
}

/// What a container that is out of sight was made of.
#[must_use = "its files stay"]
#[derive(Debug)]
pub struct Withdrawn(Option<PathBuf>);

impl Withdrawn {
    /// Deletes its files. If that does not happen they are left over, and whoever prunes deletes them.
    pub fn discard(self, store: &Store) -> Result<()> {
        if let Some(aside) = self.0 {
            store.remove_aside(&aside)?;
        }
        Ok(())
    }
}

/// As [`remove`], but its files are still to be deleted, which may take longer than all the rest. Nobody finds the
/// container any more, and its name is free. `still` is the caller's, if it keeps the container from being started.
pub fn withdraw(
    store: &Store,
    containers: &Containers,
    container: &Container,
    still: Option<Still>,
) -> Result<Withdrawn> {
    let withdrawn = take_away(store, containers, container, still)?;
    if container.definition.auto_remove {
        remove_volumes(store, containers, container)?;
    }
    Ok(withdrawn)
}

/// As [`remove`], with all anonymous volumes that no other container has.
pub fn remove_with_volumes(
    store: &Store,
    containers: &Containers,
    container: &Container,
) -> Result<()> {
    let withdrawn = take_away(store, containers, container, None)?;
    remove_volumes(store, containers, container)?;
    withdrawn.discard(store)
}

/// A container that was to go at its end and has no shim to see to that, because it was not started. The others stay, as
/// docker's do: created. `error`: what its shim said; a shim that could not start its program has seen to it.
pub fn remove_unstarted(
    store: &Store,
    containers: &Containers,
    id: &str,
    error: Option<&RuntimeError>,
) {
    let by_shim = matches!(error, Some(RuntimeError::Start { .. }));
    let Ok(container) = containers.read(id) else { return };
    if container.definition.auto_remove && !by_shim {
        // What is told is why it did not start.
        let _left = remove(store, containers, &container);
    }
}

fn remove_volumes(store: &Store, containers: &Containers, container: &Container) -> Result<()> {
    let uses = &container.definition.volumes;
    if !uses.is_empty() {
        Volumes::of(store)?.remove_anonymous(containers, uses)?;
    }
    Ok(())
}

fn take_away(
    store: &Store,
    containers: &Containers,
    container: &Container,
    mut still: Option<Still>,
) -> Result<Withdrawn> {
    let aside = match store.temp_path() {
        // Its log may be what fills the disk, and goes anyway.
        Err(error) if store::error::is_full_disk(&error) && !container.state.status.is_alive() => {
            log_files(&container.place.log_file()).iter().for_each(|path| {
                let _kept = fs::remove_file(path);
            });
            store.temp_path()?
        }
        other => other?,
    };
    let deadline = Instant::now() + PATIENCE;
    let withdrawn = loop {
        match containers.withdraw(&containers.lock()?, container, &aside, still.take()) {
            Err(ContainerError::Busy { .. }) if Instant::now() < deadline => {}
            withdrawn => break withdrawn?,
        }
        thread::sleep(PAUSE);
    };
    store.release(&lease_name(container.id()))?;
    if !container.definition.network.attachments.is_empty() {
        let networks = Networks::open(store.root(), store.state())?;
        networks.release(&networks.lock()?, container.id())?;
    }
    if withdrawn {
        Event::of_container(&container.definition, "destroy").note(store.state());
    }
    Ok(Withdrawn(withdrawn.then_some(aside)))
}
