//! Locks between processes: `flock` on files in `locks/`, held for milliseconds.
//!
//! | lock    | shared                                          | exclusive                          |
//! |---------|-------------------------------------------------|------------------------------------|
//! | `sweep` | while something is made visible, looked up, kept | while garbage is found and unlinked |
//! | `index` |                                                 | while `images/index.json` is replaced |
//!
//! Order: `sweep` before `index`. Readers of blobs, documents and snapshots take none.
use std::fs::{File, OpenOptions};
use std::path::Path;

use crate::error::{Result, io_error};

/// Held until dropped. The kernel releases it when the process dies.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum LockName {
    Sweep,
    Index,
}

impl Lock {
    pub(crate) fn shared(dir: &Path, name: LockName) -> Result<Lock> {
        let (file, path) = open(dir, name)?;
        file.lock_shared().map_err(io_error("lock", &path))?;
        Ok(Lock { _file: file })
    }

    pub(crate) fn exclusive(dir: &Path, name: LockName) -> Result<Lock> {
        let (file, path) = open(dir, name)?;
        file.lock().map_err(io_error("lock", &path))?;
        Ok(Lock { _file: file })
    }
}

fn open(dir: &Path, name: LockName) -> Result<(File, std::path::PathBuf)> {
    let path = dir.join(match name {
        LockName::Sweep => "sweep",
        LockName::Index => "index",
    });
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    Ok((file.map_err(io_error("open the lock", &path))?, path))
}
