//! One command at a time brings a project up or down.

use std::fs::{self, File, TryLockError};

use anyhow::{Context, Result};
use cli::report;
use compose::stack::Host;

/// Held as long as the file is open. It is let go by the kernel however we end.
pub(super) fn project(host: &Host, name: &str) -> Result<File> {
    let directory = host.store.state().join("projects");
    fs::create_dir_all(&directory)
        .with_context(|| format!("cannot create `{}`", directory.display()))?;
    let path = directory.join(name);
    let cannot = || format!("cannot lock `{}`", path.display());
    let file = File::create(&path).with_context(cannot)?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(error).with_context(cannot),
    }
    report::print(&format!("waiting for another rcompose that changes project `{name}`"));
    file.lock().with_context(cannot)?;
    Ok(file)
}
