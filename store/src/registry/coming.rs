//! A blob that is still coming, read while it comes: its file grows, and whoever follows waits where it ends so far.
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::watch::{BlobEvent, Watch};
use crate::descriptor::Descriptor;
use crate::error::{Result, StoreError, io_error};
use crate::open::Store;

/// How soon it is looked whether the file has grown.
const PAUSE: Duration = Duration::from_millis(2);

/// What others know of a blob on its way.
#[derive(Debug)]
pub(super) struct Coming {
    pub(super) blob: Descriptor,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Awaited,
    Growing(PathBuf),
    /// All of it is there, and its digest was checked.
    Whole(PathBuf),
    /// It was in the store before.
    Stored,
    /// It will not come.
    Gone,
}

impl Coming {
    pub(super) fn new(blob: &Descriptor) -> Coming {
        Coming {
            blob: blob.clone(),
            state: Mutex::new(State::Awaited),
            changed: Condvar::default(),
        }
    }

    pub(super) fn grows(&self, file: &Path) {
        self.set(State::Growing(file.to_owned()));
    }

    pub(super) fn is_whole(&self, file: &Path) {
        self.set(State::Whole(file.to_owned()));
    }

    pub(super) fn is_stored(&self) {
        self.set(State::Stored);
    }

    pub(super) fn is_gone(&self) {
        self.set(State::Gone);
    }

    fn set(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
        self.changed.notify_all();
    }

    fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Until it changes, for a moment at most.
    fn wait(&self, known: &State) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if *state == *known {
            let _either = self.changed.wait_timeout(state, PAUSE);
        }
    }

    /// Waits until it is known what became of it.
    pub(super) fn settle(&self, watch: &dyn Watch) {
        loop {
            match self.state() {
                State::Whole(_) | State::Stored | State::Gone => return,
                _ if watch.is_cancelled() => return,
                state => self.wait(&state),
            }
        }
    }

    /// Its bytes from the beginning, as they come.
    pub(super) fn open<'a>(
        &'a self,
        store: &Store,
        watch: &'a dyn Watch,
    ) -> Result<Box<dyn Read + Send + 'a>> {
        let file = loop {
            match self.state() {
                State::Growing(path) | State::Whole(path) => {
                    break File::open(&path).map_err(io_error("open the new blob", &path))?;
                }
                State::Stored => break store.open_blob(&self.blob.digest)?,
                State::Gone => return Err(StoreError::BlobSource { source: gone() }),
                State::Awaited if watch.is_cancelled() => {
                    return Err(StoreError::BlobSource { source: gone() });
                }
                State::Awaited => self.wait(&State::Awaited),
            }
        };
        Ok(Box::new(Following { coming: self, file, watch, done: 0 }))
    }
}

struct Following<'a> {
    coming: &'a Coming,
    file: File,
    watch: &'a dyn Watch,
    done: u64,
}

impl Read for Following<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            // Asked first: what is not there after the end of writing will never be.
            let state = self.coming.state();
            let read = self.file.read(buffer)?;
            if read > 0 {
                self.done += read as u64;
                let (done, total) = (self.done, self.coming.blob.size);
                self.watch.event(self.coming.blob.digest, BlobEvent::Unpacking { done, total });
                return Ok(read);
            }
            match state {
                State::Whole(_) | State::Stored => return Ok(0),
                State::Gone => return Err(gone()),
                _ if self.watch.is_cancelled() => return Err(gone()),
                state => self.coming.wait(&state),
            }
        }
    }
}

fn gone() -> io::Error {
    io::Error::other("the rest of it does not come")
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::thread;

    use super::super::watch::Silent;
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("store"), &directory.path().join("state"));
        (directory, store.unwrap())
    }

    fn coming(size: usize) -> Coming {
        Coming::new(&Descriptor::of("x", &vec![7; size]))
    }

    #[test]
    fn a_file_is_followed_to_its_end() {
        let (directory, store) = store();
        let path = directory.path().join("growing");
        let mut file = File::create(&path).unwrap();
        let coming = coming(3000);
        let read = thread::scope(|scope| {
            let reading = scope.spawn(|| {
                let mut bytes = Vec::new();
                coming.open(&store, &Silent).unwrap().read_to_end(&mut bytes).map(|_| bytes)
            });
            coming.grows(&path);
            for _ in 0..3 {
                file.write_all(&[7; 1000]).unwrap();
                thread::sleep(2 * PAUSE);
            }
            coming.is_whole(&path);
            reading.join().unwrap()
        });
        assert_eq!(read.unwrap(), vec![7; 3000]);
    }

    #[test]
    fn what_breaks_off_is_an_error_and_no_end() {
        let (directory, store) = store();
        let path = directory.path().join("growing");
        std::fs::write(&path, [7; 1000]).unwrap();
        let coming = coming(3000);
        coming.grows(&path);
        let mut reader = coming.open(&store, &Silent).unwrap();
        reader.read_exact(&mut [0; 1000]).unwrap();
        coming.is_gone();
        assert!(reader.read(&mut [0]).is_err());
        assert!(coming.open(&store, &Silent).is_err());
    }
}
