//! The hidden command that a container's shim is. Everything but the removal at the end is in `runtime::shim`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Result;
use runtime::shim::Finished;
use store::Store;

use crate::Exit;

/// `arguments` are those that `runtime` has written. There is nobody to report an error to: what the shim leaves, the next
/// command that looks at containers finds.
pub fn run(arguments: &[OsString]) -> Exit {
    let places: Vec<PathBuf> = arguments.iter().take(2).map(PathBuf::from).collect();
    let ended = runtime::shim::main(arguments);
    let removed = match (&ended, places.as_slice()) {
        (Ok(Some(finished)), [root, state]) => remove_if_asked(finished, root, state),
        _ => Ok(()),
    };
    let done = ended.is_ok() && removed.is_ok();
    if let Ok(Some(finished)) = ended {
        finished.tell();
    }
    if done { Exit::Success } else { Exit::Failure }
}

fn remove_if_asked(finished: &Finished, root: &Path, state: &Path) -> Result<()> {
    if !finished.container.definition.auto_remove {
        return Ok(());
    }
    let store = Store::open(root, state)?;
    Ok(engine::remove(&store, &engine::containers_of(&store), &finished.container)?)
}
