//! A store for one conversion: what is read for it is never seen in the real one, and is gone afterwards.
use std::path::PathBuf;

use crate::error::Result;
use crate::open::{Store, remove_any};

/// An empty store inside another's temporary directory. Should this process die, the next to open the other removes it.
#[derive(Debug)]
pub struct Scratch {
    store: Store,
    path: PathBuf,
}

impl Store {
    pub fn scratch(&self) -> Result<Scratch> {
        let path = self.temp_path()?;
        let store = Store::open(&path, &path.join("state"))?;
        Ok(Scratch { store, path })
    }
}

impl Scratch {
    pub fn store(&self) -> &Store {
        &self.store
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What remains is removed when the process has ended.
        let _ = remove_any(&self.path);
    }
}
