//! What crashes have left of containers: those that were to be removed at their end, leases and names without a
//! container. What only claims to run is corrected by whoever reads it (`runtime::containers`).

use runtime::EngineId;
use runtime::containers::{Containers, Status};
use runtime::network::Networks;
use store::Store;

use crate::remove::LEASE;
use crate::{Result, remove};

/// To be run by whoever looks at containers, first thing.
pub fn run(store: &Store, containers: &Containers) -> Result<()> {
    // What is in the group of a shim that was killed: programs in the host's PID namespace do not end with it. Who may
    // not see groups has none.
    let _left = runtime::reconcile_if_one_died(&EngineId::of_root(store.root())?, store.state());
    for container in containers.list()? {
        containers.bring_home(&container);
        let ended = container.state.status == Status::Exited;
        if container.definition.auto_remove && ended && !containers.is_held(&container) {
            remove(store, containers, &container)?;
        }
    }
    Networks::open(store.root(), store.state())?.recover()?;
    let guard = containers.lock()?;
    containers.remove_strays(&guard)?;
    for (name, _) in store.kept()? {
        // Who makes one does so under the lock.
        let Some(id) = name.strip_prefix(LEASE) else { continue };
        if !containers.place(id).directory.exists() {
            store.release(&name)?;
        }
    }
    Ok(())
}
