//! The hidden command that a container's shim is. Everything but the removal at the end is in `runtime::shim`.

use std::ffi::OsString;

use anyhow::Result;
use engine::Withdrawn;
use runtime::shim::{Finished, Seed};
use store::Store;

use crate::Exit;

/// `arguments` are those that `runtime` has written.
pub fn run_words(arguments: &[OsString]) -> Exit {
    match Seed::executed(arguments) {
        Ok(Some(seed)) => run(seed, None),
        Ok(None) => Exit::Success,
        Err(_) => Exit::Failure,
    }
}

/// In the process that is to be it; `store` is a handle of the one that it was forked from. There is nobody to report an error to:
/// what the shim leaves, the next command that looks at containers finds.
pub fn run(seed: Seed, store: Option<&Store>) -> Exit {
    let (root, state) = (seed.root().to_owned(), seed.state().to_owned());
    let open = || match store {
        Some(store) => Ok(store.again()),
        None => Store::open(&root, &state),
    };
    let mut finished = match runtime::shim::main(seed) {
        Ok(Some(finished)) => finished,
        Ok(None) => return Exit::Success,
        Err(_) => return Exit::Failure,
    };
    let withdrawn = withdraw_if_asked(&mut finished, open);
    finished.tell();
    let removed = match withdrawn {
        Ok(Some((store, withdrawn))) => withdrawn.discard(&store).is_ok(),
        Ok(None) => true,
        // Half of it may be done; the rest is what crashes leave, too.
        Err(_) => Store::open(&root, &state)
            .is_ok_and(|store| engine::recovered_containers(&store).is_ok()),
    };
    finished.linger();
    if removed { Exit::Success } else { Exit::Failure }
}

fn withdraw_if_asked(
    finished: &mut Finished,
    open: impl FnOnce() -> store::error::Result<Store>,
) -> Result<Option<(Store, Withdrawn)>> {
    if !finished.container.definition.auto_remove {
        return Ok(None);
    }
    // Given up if the store cannot be opened, so that whoever recovers the container may have it.
    let still = finished.still();
    let store = open()?;
    let containers = engine::containers_of(&store);
    let withdrawn = engine::withdraw(&store, &containers, &finished.container, still)?;
    Ok(Some((store, withdrawn)))
}
