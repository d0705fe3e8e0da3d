//! Containers come to networks and go, running or not.

use std::time::Duration;

use runtime::NetworkMode;
use runtime::containers::{Container, Containers};
use runtime::network::{Attachment, DEFAULT_NETWORK, NetworkError, Networks};
use runtime::shim::Connection;
use store::Store;

use crate::{EngineError, Result};

/// How long a shim has to answer that may be stuck.
const PATIENCE: Duration = Duration::from_secs(5);

/// The networks of a store.
pub fn networks_of(store: &Store) -> Result<Networks> {
    Ok(Networks::open(store.root(), store.state())?)
}

/// The attachments with the names of their networks, which may have been given by ID. A network that is not there is
/// told of before anything is made.
pub(crate) fn resolve(store: &Store, wanted: &[Attachment]) -> Result<Vec<Attachment>> {
    wanted.iter().try_for_each(check_aliases)?;
    if wanted.iter().all(|attachment| attachment.network == DEFAULT_NETWORK) {
        return Ok(wanted.to_vec());
    }
    let networks = networks_of(store)?;
    let resolved = wanted.iter().map(|attachment| {
        let network = networks.find_or_default(&attachment.network)?.name;
        let attachment = Attachment { network, ..attachment.clone() };
        check_aliases(&attachment).map(|()| attachment)
    });
    resolved.collect()
}

/// Nobody is asked for names on the default network.
fn check_aliases(attachment: &Attachment) -> Result<()> {
    match attachment.network == DEFAULT_NETWORK && !attachment.aliases.is_empty() {
        true => Err(NetworkError::NoNames { network: attachment.network.clone() }.into()),
        false => Ok(()),
    }
}

/// Puts the container on a network, at once if it runs.
pub fn connect(
    store: &Store,
    containers: &Containers,
    container: &Container,
    attachment: &Attachment,
) -> Result<()> {
    let network = networks_of(store)?.find_or_default(&attachment.network)?;
    let attachment = Attachment { network: network.name, ..attachment.clone() };
    check_aliases(&attachment)?;
    change(containers, container, false, |attachments| {
        if attachments.iter().any(|known| known.network == attachment.network) {
            return Err(NetworkError::Attached {
                container: container.short_id().to_owned(),
                network: attachment.network.clone(),
            });
        }
        attachments.push(attachment.clone());
        Ok(())
    })
}

/// Takes the container from a network. With `force` also if its shim does not.
pub fn disconnect(
    store: &Store,
    containers: &Containers,
    container: &Container,
    network: &str,
    force: bool,
) -> Result<()> {
    let networks = networks_of(store)?;
    let network = networks.find_or_default(network)?;
    change(containers, container, force, |attachments| {
        let before = attachments.len();
        attachments.retain(|known| known.network != network.name);
        match attachments.len() < before {
            true => Ok(()),
            false => Err(NetworkError::NotAttached {
                container: container.short_id().to_owned(),
                network: network.name.clone(),
            }),
        }
    })?;
    match force {
        true => Ok(networks.take_out(&network, container.id())?),
        false => Ok(()),
    }
}

/// Of the definition first; a shim that cannot follow leaves it as it was, unless `force` says that this does not matter.
fn change(
    containers: &Containers,
    container: &Container,
    force: bool,
    edit: impl FnOnce(&mut Vec<Attachment>) -> std::result::Result<(), NetworkError>,
) -> Result<()> {
    let guard = containers.lock()?;
    let found = containers.read(container.id())?;
    let own = &found.definition;
    if own.spec.network != NetworkMode::Sandbox || own.network.joined.is_some() {
        return Err(EngineError::SharedNetwork { name: own.name.clone() });
    }
    let mut changed = own.clone();
    edit(&mut changed.network.attachments)?;
    containers.redefine(&guard, &found, &changed)?;
    drop(guard);
    if !found.state.status.is_alive() {
        return Ok(());
    }
    if force {
        // What it does not do is done for it.
        let shim = Connection::open_within(&found, PATIENCE);
        let _followed = shim.and_then(|shim| shim.reload_within(PATIENCE));
        return Ok(());
    }
    let followed = Connection::open(&found).and_then(|connection| connection.reload());
    if followed.is_err() {
        let guard = containers.lock()?;
        containers.redefine(&guard, &found, own)?;
    }
    Ok(followed?)
}
