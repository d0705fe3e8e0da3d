//! Stopping all processes of a container, and letting them go on.
use std::fs;
use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use super::leaf::LeafError;
use super::{Leaf, put};

/// The kernel stops processes one by one, each when it next leaves a system call.
const ATTEMPTS: usize = 400;
const PAUSE: Duration = Duration::from_millis(5);

impl Leaf {
    /// Returns when all of them have stopped. If they do not in some seconds, they go on.
    pub(crate) fn freeze(&self) -> Result<(), LeafError> {
        let (path, word) = self.freezer()?;
        for _ in 0..ATTEMPTS {
            // v1 has to be told again about processes that were made meanwhile.
            write(&path, word.on)?;
            if state(&path, &word).is_ok_and(|state| state.contains(word.frozen)) {
                return Ok(());
            }
            sleep(PAUSE);
        }
        let state = state(&path, &word).unwrap_or_default();
        write(&path, word.off)?;
        Err(LeafError::NotFrozen { path, state: state.trim().replace('\n', ", ") })
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.freezer().is_ok_and(|(path, word)| {
            state(&path, &word).is_ok_and(|state| state.contains(word.frozen))
        })
    }

    pub(crate) fn thaw(&self) -> Result<(), LeafError> {
        let (path, word) = self.freezer()?;
        write(&path, word.off)
    }

    /// v2's, which needs no controller, else that of v1.
    fn freezer(&self) -> Result<(std::path::PathBuf, Words), LeafError> {
        match self.v2_path().map(|group| group.join("cgroup.freeze")) {
            Some(path) if path.exists() => Ok((path, V2)),
            _ => Ok((self.directory("freezer")?.1.join("freezer.state"), V1)),
        }
    }
}

/// How a version says it.
#[derive(Clone, Copy)]
struct Words {
    on: &'static str,
    off: &'static str,
    /// The file beside that tells what has become of it.
    state: &'static str,
    frozen: &'static str,
}

const V1: Words = Words { on: "FROZEN", off: "THAWED", state: "freezer.state", frozen: "FROZEN" };
const V2: Words = Words { on: "1", off: "0", state: "cgroup.events", frozen: "frozen 1" };

fn state(path: &Path, words: &Words) -> io::Result<String> {
    fs::read_to_string(path.with_file_name(words.state))
}

fn write(path: &Path, value: &str) -> Result<(), LeafError> {
    let failed = |source| {
        let (path, value) = (path.to_owned(), value.to_owned());
        LeafError::Write { path, value, source }
    };
    put(path, value).map_err(failed)
}
