//! One engine is one store root: its name is part of the name of every kernel object, so that two
//! roots never touch each other.
use std::fmt;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::cgroup;
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

/// A zygote's proof of life: a file in the state directory that it holds locked. Its name begins
/// the name of each of the zygote's cgroups.
#[derive(Debug)]
pub(crate) struct Owner {
    pub(crate) name: String,
    pub(crate) lock: File,
    path: PathBuf,
}

fn owners_directory(state: &Path) -> PathBuf {
    state.join("zygotes")
}

impl Owner {
    /// Made before the fork; held by the child only, so that the lock ends with it.
    pub(crate) fn create(state: &Path) -> io::Result<Owner> {
        let directory = owners_directory(state);
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        let name = format!("{}-{}", std::process::id(), start_time()?);
        let path = directory.join(&name);
        loop {
            let lock = File::create(&path)?;
            lock.lock()?;
            // Another process may have found the file unlocked, and removed it.
            let same = fs::metadata(&path)
                .is_ok_and(|there| lock.metadata().is_ok_and(|here| here.ino() == there.ino()));
            if same {
                return Ok(Owner { name, lock, path });
            }
        }
    }

    pub(crate) fn remove(&self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// When this process was started, in clock ticks after the boot.
fn start_time() -> io::Result<String> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The second field is the program's name in parentheses and may hold anything.
    let rest = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    Ok(rest.split_whitespace().nth(19).unwrap_or("0").to_owned())
}

/// Kills and removes what dead zygotes of this engine left behind (cgroups; mounts and processes
/// cannot be left). `state` is the run-time state directory. [`crate::Zygote::start`] calls it.
pub fn reconcile(engine: &EngineId, state: &Path) -> Result<(), RuntimeError> {
    let directory = owners_directory(state);
    let alive = living_owners(&directory)
        .map_err(|source| RuntimeError::Reconcile { path: directory.clone(), source })?;
    cgroup::reconcile(engine, |owner| alive.iter().any(|name| name == owner))
        .map_err(|source| RuntimeError::Reconcile { path: directory, source })
}

/// The names of the locked files; the others are removed.
fn living_owners(directory: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut alive = Vec::new();
    for entry in entries {
        let entry = entry?;
        match File::open(entry.path()).map(|file| (file.try_lock(), file)) {
            Ok((Ok(()), _locked)) => fs::remove_file(entry.path())?,
            Ok((Err(TryLockError::WouldBlock), _)) => {
                alive.push(entry.file_name().to_string_lossy().into_owned());
            }
            Ok((Err(TryLockError::Error(error)), _)) => return Err(error),
            // Removed in the meantime, by its owner or by another process doing this.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(alive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_alive_while_it_holds_its_lock() {
        let state = tempfile::tempdir().unwrap();
        let directory = owners_directory(state.path());
        assert!(living_owners(&directory).unwrap().is_empty());
        let owner = Owner::create(state.path()).unwrap();
        assert_eq!(living_owners(&directory).unwrap(), std::slice::from_ref(&owner.name));
        let path = owner.path.clone();
        drop(owner);
        assert!(living_owners(&directory).unwrap().is_empty());
        assert!(!path.exists());
    }
}
