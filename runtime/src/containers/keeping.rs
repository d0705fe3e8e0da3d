//! Where a container's state is kept: in the store, and where that cannot be written, in the directory of what does not
//! outlive a reboot. What has ended must be known to have ended, with its exit code, also when the disk is full.
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::directory::Place;
use super::state::State;

const FILE: &str = "state.json";

impl Place {
    pub fn state_file(&self) -> PathBuf {
        self.directory.join(FILE)
    }

    /// The state that could not be written to the store.
    pub(super) fn kept_state(&self) -> PathBuf {
        self.runtime.join(FILE)
    }

    /// The last that was written. One that is not there yet, or was torn by a loss of power, is that of a container never
    /// started.
    pub(super) fn read_state(&self) -> State {
        let home: State = read(&self.state_file()).unwrap_or_default();
        match read(&self.kept_state()) {
            Some(kept) if kept.version > home.version => kept,
            _ => home,
        }
    }

    /// Replaces the state, so that a reader sees the old or the new one. A container that has been removed has none.
    pub(crate) fn write_state(&self, state: &mut State) -> io::Result<()> {
        state.version += 1;
        let bytes = serde_json::to_vec(state)?;
        match replace(&self.directory, &bytes) {
            Ok(()) => {
                // One that stays is older, so nobody reads it.
                let _absent = fs::remove_file(self.kept_state());
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Err(error),
            // The store's disk is full or broken.
            Err(error) => self.keep(&bytes).map_err(|_| error),
        }
    }

    fn keep(&self, bytes: &[u8]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.runtime)?;
        replace(&self.runtime, bytes)
    }

    /// Whether a shim is there, or has died without giving up what it had.
    pub fn has_shim(&self) -> bool {
        self.lock_file().exists()
    }

    /// Gives up the lock, which the caller holds, and the socket. A state that is kept there stays.
    pub(crate) fn leave_runtime(&self) {
        for file in [self.runtime.join("socket"), self.administered_file(), self.lock_file()] {
            // What is left is found by whoever looks for leftovers.
            let _left = fs::remove_file(file);
        }
        let _kept = fs::remove_dir(&self.runtime);
    }
}

fn read(path: &Path) -> Option<State> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn replace(directory: &Path, bytes: &[u8]) -> io::Result<()> {
    let temp = directory.join("state.json.new");
    let written = fs::write(&temp, bytes).and_then(|()| fs::rename(&temp, directory.join(FILE)));
    if written.is_err() {
        let _absent = fs::remove_file(&temp);
    }
    written
}
