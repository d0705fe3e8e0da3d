//! One engine is one store root: its name is part of the name of every kernel object, so that two
//! roots never touch each other.
use std::fmt;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::cgroup::{self, Hierarchy};
use crate::containers::ProcessName;
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
    /// For a zygote, made before the fork and held by the child only, so that the lock ends with it.
    pub(crate) fn create(state: &Path) -> io::Result<Owner> {
        let directory = owners_directory(state);
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        let name = own_name()?;
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

/// This process's PID, as the host's /proc has it, and when it was started, in clock ticks after the boot.
pub(crate) fn own_name() -> io::Result<String> {
    let ProcessName { pid, start } = ProcessName::of_self()?;
    Ok(format!("{pid}-{start}"))
}

/// State and start time of a process.
fn stat_fields(path: &str) -> io::Result<(String, String)> {
    let stat = fs::read_to_string(path)?;
    // The second field is the program's name in parentheses and may hold anything.
    let rest = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let field = |n| rest.split_whitespace().nth(n).unwrap_or("0").to_owned();
    Ok((field(0), field(19)))
}

/// Kills and removes what dead zygotes of this engine left behind (cgroups; mounts and processes
/// cannot be left). `state` is the run-time state directory. [`crate::Zygote::start`] calls it.
pub fn reconcile(engine: &EngineId, state: &Path) -> Result<(), RuntimeError> {
    reconcile_in(&cgroup::detect(), engine, state)
}

/// The same, where it is known which cgroups this machine has.
pub(crate) fn reconcile_in(
    hierarchies: &[Hierarchy],
    engine: &EngineId,
    state: &Path,
) -> Result<(), RuntimeError> {
    let directory = owners_directory(state);
    let failed = |source| RuntimeError::Reconcile { path: directory.clone(), source };
    loop {
        let dead = dead_owners(&directory).map_err(failed)?;
        clear(hierarchies, engine, state, &dead).map_err(failed)?;
        if dead.len() < AT_ONCE {
            return Ok(());
        }
    }
}

/// The same where an owner has died without it, which its file tells; else nothing but a look at those.
pub fn reconcile_if_one_died(engine: &EngineId, state: &Path) -> Result<(), RuntimeError> {
    let directory = owners_directory(state);
    // Their locks are let go, so that they are found again.
    let nobody_died = dead_owners(&directory).map(|dead| dead.is_empty());
    if nobody_died.map_err(|source| RuntimeError::Reconcile { path: directory, source })? {
        return Ok(());
    }
    reconcile(engine, state)
}

/// A dead owner's file goes last: while it is there, whoever comes next does again what was not done.
fn clear(
    hierarchies: &[Hierarchy],
    engine: &EngineId,
    state: &Path,
    dead: &[DeadOwner],
) -> io::Result<()> {
    let directory = owners_directory(state);
    let is_dead = |owner: &str| dead.iter().any(|it| it.name == owner);
    let lives = |owner: &str| !is_dead(owner) && is_alive(&directory, owner);
    cgroup::reconcile(hierarchies, engine, state, lives)?;
    dead.iter().try_for_each(|owner| unless_gone(fs::remove_file(directory.join(&owner.name))))
}

/// Whether the zygote of this name may still be alive: it holds its lock, or else the process that
/// started it is there. (Its lock may be in another state directory of the same store.) A zygote
/// makes its groups after it has its lock, so to ask for a group that was seen is never too early.
fn is_alive(directory: &Path, owner: &str) -> bool {
    let locked = File::open(directory.join(owner)).is_ok_and(|file| file.try_lock().is_err());
    locked || starter_lives(owner)
}

/// The name is the starter's PID and start time; see [`Owner::create`].
fn starter_lives(owner: &str) -> bool {
    owner.split_once('-').is_some_and(|(pid, start)| {
        pid.bytes().all(|byte| byte.is_ascii_digit())
            && stat_fields(&format!("/proc/{pid}/stat"))
                .is_ok_and(|fields| fields.0 != "Z" && fields.1 == start)
    })
}

/// The owner's file, locked, so that no new owner of that name takes it for its own while it is cleared away.
#[derive(Debug)]
struct DeadOwner {
    name: String,
    _lock: File,
}

/// How many are cleared away at once: each keeps a descriptor.
const AT_ONCE: usize = 50;

/// Up to [`AT_ONCE`] of those whose file nobody has locked and whose starter is gone. A process that is being killed lets its lock go some
/// time before it is gone, and until then its groups are its own.
fn dead_owners(directory: &Path) -> io::Result<Vec<DeadOwner>> {
    let mut dead = Vec::new();
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(dead),
        Err(error) => return Err(error),
    };
    for entry in entries {
        if dead.len() == AT_ONCE {
            break;
        }
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let lock = match File::open(&path) {
            Ok(file) => file,
            // Removed in the meantime, by its owner or by another process doing this.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        match lock.try_lock() {
            Ok(()) if starter_lives(&name) => {}
            Ok(()) => dead.push(DeadOwner { name, _lock: lock }),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(dead)
}

fn unless_gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_alive_while_it_holds_its_lock_or_its_starter_lives() {
        let state = tempfile::tempdir().unwrap();
        let directory = owners_directory(state.path());
        assert!(dead_owners(&directory).unwrap().is_empty());
        let owner = Owner::create(state.path()).unwrap();
        assert!(dead_owners(&directory).unwrap().is_empty());
        let name = owner.name.clone();
        assert!(is_alive(&directory, &name));
        // Another state directory of the same store has not heard of it.
        assert!(is_alive(&state.path().join("other"), &name));
        // A lock goes some time before its process.
        drop(owner);
        assert!(dead_owners(&directory).unwrap().is_empty());
        let ended = format!("{}-1", std::process::id());
        assert!(!is_alive(&directory, &ended));
        File::create(directory.join(&ended)).unwrap();
        let dead = dead_owners(&directory).unwrap();
        assert_eq!(dead.iter().map(|owner| &owner.name).collect::<Vec<_>>(), [&ended]);
        // Whoever else looks meanwhile leaves it to this one.
        assert!(dead_owners(&directory).unwrap().is_empty());
    }

    #[test]
    fn many_processes_clean_up_at_once() {
        let root = tempfile::tempdir().unwrap();
        let engine = EngineId::of_root(root.path()).unwrap();
        let directory = owners_directory(root.path());
        fs::create_dir(&directory).unwrap();
        for number in 0..2000 {
            File::create(directory.join(format!("0-{number}"))).unwrap();
        }
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| reconcile_if_one_died(&engine, root.path()).unwrap());
            }
        });
        // Files that somebody had locked while another looked were that one's.
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
    }
}
