//! Removing things while nobody waits.
//!
//! What is to go is first *set aside*: renamed into `temp/`, under a name that nobody looks up. That takes the
//! same time whatever it is, and from then on it does not exist for the store. Its bytes go afterwards: the little
//! that is quickly removed at once, the rest under a name without an owner (`gone.…`), as leftovers of the dead
//! are. These are for [`Store::remove_leftovers`], which whoever has time calls: the command line starts a process
//! of its own for it. Killed at any moment, the next one goes on.
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Result, io_error};
use crate::lease;
use crate::lock::{Lock, LockName};
use crate::open::{Store, remove_any};
use crate::usage::{Measured, measure};

/// Begins the names of what has no owner. Those of owners begin with a number.
const GONE: &str = "gone";

/// Whether a name in `temp/` is of something that was set aside, and so is in nobody's way.
pub(crate) fn is_gone(name: &str) -> bool {
    lease::owner_of_temp(name) == GONE
}

/// What one handle removes itself, some milliseconds' worth: more than most commands make, less than anybody notices.
#[derive(Debug)]
pub(crate) struct Patience {
    entries: AtomicU64,
    bytes: AtomicU64,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { entries: AtomicU64::new(512), bytes: AtomicU64::new(64 << 20) }
    }
}

impl Patience {
    /// Whether there is still time for it.
    fn suffices(&self, size: &Measured) -> bool {
        let take = |from: &AtomicU64, amount| {
            let taken = from.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left: u64| {
                left.checked_sub(amount)
            });
            taken.is_ok()
        };
        take(&self.entries, size.entries) && take(&self.bytes, size.bytes)
    }
}

/// The right to remove leftovers, of which there is one.
#[derive(Debug)]
pub struct Remover {
    lock: Lock,
}

impl Remover {
    /// What holds the right as long as it, or a copy of it in another process, is open.
    pub fn into_file(self) -> fs::File {
        self.lock.into_file()
    }
}

/// Whether there is anything of nobody's in the `temp/` of the store at `root`: a look that opens no store. What cannot be seen is
/// nobody's concern.
pub fn may_have_leftovers(root: &Path) -> bool {
    let Ok(names) = fs::read_dir(root.join("temp")) else { return false };
    let leases = root.join("leases");
    names.flatten().any(|name| {
        let name = name.file_name();
        let owner = name.to_str().map(lease::owner_of_temp);
        !owner.is_some_and(|owner| lease::owner_lives(&leases, owner))
    })
}

impl Store {
    /// Moves a file or directory out of sight, for [`Store::remove_aside`]. Should this process die before,
    /// it is a leftover.
    pub fn set_aside(&self, path: &Path) -> Result<PathBuf> {
        let aside = self.temp_path()?;
        fs::rename(path, &aside).map_err(io_error("remove", path))?;
        Ok(aside)
    }

    /// Removes what was set aside, or leaves it to who has time, and says how many bytes that gives back.
    pub fn remove_aside(&self, path: &Path) -> Result<u64> {
        let size = measure(path)?;
        if self.inner.patience.suffices(&size) {
            remove_any(path)?;
        } else {
            let gone = self.sub("temp").join(format!("{GONE}.{:016x}", lease::random()));
            fs::rename(path, &gone).map_err(io_error("remove", path))?;
        }
        Ok(size.freed)
    }

    /// What is nobody's any more in `temp/`.
    pub fn leftovers(&self) -> Result<Vec<PathBuf>> {
        let temp = self.sub("temp");
        // First what is there, then who lives: an owner's lease exists before its first file does.
        let names = self.file_names("temp")?;
        let living = lease::living_owners(&self.sub("leases"))?;
        let dead = names.iter().filter(|name| !living.contains(lease::owner_of_temp(name)));
        Ok(dead.map(|name| temp.join(name)).collect())
    }

    /// Removes leftovers as long as there are any, however long it takes. Says how many could not be removed: a
    /// container of a dead owner may still be dying in one.
    pub fn remove_leftovers(&self) -> Result<usize> {
        loop {
            let leftovers = self.leftovers()?;
            let failed = leftovers.iter().filter(|path| remove_any(path).is_err()).count();
            if failed == leftovers.len() {
                return Ok(failed);
            }
        }
    }

    /// Removes those leftovers that are quickly removed.
    pub(crate) fn remove_small_leftovers(&self) -> Result<()> {
        for path in self.leftovers()? {
            // What cannot be looked through or removed is left for later.
            if measure(&path).is_ok_and(|size| self.inner.patience.suffices(&size)) {
                let _ = remove_any(&path);
            }
        }
        Ok(())
    }

    /// None if somebody else removes leftovers already.
    pub fn try_remover(&self) -> Result<Option<Remover>> {
        let lock = Lock::try_exclusive(&self.sub("locks"), LockName::Leftovers)?;
        Ok(lock.map(|lock| Remover { lock }))
    }
}
