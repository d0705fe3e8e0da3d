//! Locks between processes: `flock` on files in `locks/`, held for milliseconds (but for `leftovers`).
//!
//! | lock    | shared                                          | exclusive                          |
//! |---------|-------------------------------------------------|------------------------------------|
//! | `sweep` | while something is made visible, looked up, kept | while garbage is found and unlinked |
//! | `index` |                                                 | while `images/index.json` is replaced |
//! | `leftovers` |                                             | while leftovers are removed; nobody waits for it |
//!
//! Order: `sweep` before `index`. Readers of blobs, documents and snapshots take none.
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use crate::error::{Result, io_error};

/// Held until dropped. The kernel releases it when the process dies.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum LockName {
    Sweep,
    Index,
    Leftovers,
}

impl Lock {
    pub(crate) fn shared(dir: &Path, name: LockName) -> Result<Lock> {
        let (file, path) = open(dir, name)?;
        file.lock_shared().map_err(io_error("lock", &path))?;
        Ok(Lock { file })
    }

    pub(crate) fn exclusive(dir: &Path, name: LockName) -> Result<Lock> {
        let (file, path) = open(dir, name)?;
        file.lock().map_err(io_error("lock", &path))?;
        Ok(Lock { file })
    }

    /// None if somebody has it.
    pub(crate) fn try_exclusive(dir: &Path, name: LockName) -> Result<Option<Lock>> {
        let (file, path) = open(dir, name)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(io_error("lock", &path)(error)),
        }
    }

    /// What holds it: it is released when the last copy of the descriptor is closed.
    pub(crate) fn into_file(self) -> File {
        self.file
    }
}

fn open(dir: &Path, name: LockName) -> Result<(File, std::path::PathBuf)> {
    let path = dir.join(match name {
        LockName::Sweep => "sweep",
        LockName::Index => "index",
        LockName::Leftovers => "leftovers",
    });
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    Ok((file.map_err(io_error("open the lock", &path))?, path))
}
