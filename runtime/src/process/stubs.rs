//! Mount targets: created in the rootfs when absent, removed when the container has ended.
//!
//! A layer must not show that something was mounted. So what was created is remembered with the
//! time its directory had before, and put back, unless the container used the place itself.
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sys::RootDir;
use sys::root_dir::{FileKind, Timestamp};

use crate::bytes;
use crate::zygote::message::{Step, StepError};

/// What was done to the rootfs so that there are places to mount on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stubs {
    /// Files and directories created, parents first.
    #[serde(with = "bytes::list")]
    created: Vec<PathBuf>,
    /// The directories they were created in, and those above, which overlayfs copies up.
    disturbed: Vec<Disturbed>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Disturbed {
    #[serde(with = "bytes")]
    path: PathBuf,
    /// It was not in the overlay's upper directory before.
    copied_up: bool,
    /// Its modification time before.
    before: Time,
    /// Its modification and change time when all was created: if they are the same in the end,
    /// the container has not touched it.
    after: (Time, Time),
}

/// Seconds and nanoseconds.
type Time = (i64, u32);

fn pair(time: Timestamp) -> Time {
    (time.secs, time.nanos)
}

/// Finds and creates mount targets below `root`.
#[derive(Debug)]
pub(super) struct Targets<'a> {
    root: &'a RootDir,
    /// Of the overlay, if it is one.
    upper: Option<RootDir>,
    stubs: Stubs,
}

const PROC_SUPER_MAGIC: i64 = 0x9fa0;

impl<'a> Targets<'a> {
    pub(super) fn new(root: &'a RootDir, upper: Option<RootDir>) -> Targets<'a> {
        Targets { root, upper, stubs: Stubs::default() }
    }

    /// What was created, as it is now: the container's own changes come later.
    pub(super) fn into_stubs(mut self) -> Stubs {
        for directory in &mut self.stubs.disturbed {
            if let Ok(now) = self.root.metadata(&directory.path) {
                directory.after = (pair(now.mtime), pair(now.ctime));
            }
        }
        self.stubs
    }

    /// Permission bits of the directory that is there before anything is mounted on it.
    pub(super) fn mode_of(&self, path: &Path) -> Option<u32> {
        let path = self.root.resolve(path, true).ok()?;
        let found = self.root.metadata(path).ok()?;
        (found.kind == FileKind::Dir).then_some(found.mode & 0o7777)
    }

    /// The target of a mount, a directory or a file. Symbolic links are followed inside the root.
    pub(super) fn place(&mut self, path: &Path, is_dir: bool) -> Result<OwnedFd, StepError> {
        let step = || format!("find mount target `{}`", path.display());
        let path = self.root.resolve(path, true).step(step())?;
        if path == Path::new("/") {
            return Err("the root itself cannot be mounted over").step(step());
        }
        match self.root.metadata(&path) {
            Ok(found) if (found.kind == FileKind::Dir) != is_dir => {
                let (is, source) =
                    if is_dir { ("no directory", "one") } else { ("a directory", "none") };
                return Err(format!("it is {is}, but what is mounted is {source}")).step(step());
            }
            Ok(_) => {}
            Err(error) if error.errno() == Some(libc::ENOENT) => self.create(&path, is_dir)?,
            Err(error) => return Err(error).step(step()),
        }
        let place = match self.root.place_fd(&path) {
            // Another container of a shared mount has just removed what it made there.
            Err(error) if error.errno() == Some(libc::ENOENT) => {
                self.create(&path, is_dir)?;
                self.root.place_fd(&path).step(step())?
            }
            place => place.step(step())?,
        };
        let kind = rustix::fs::fstatfs(&place).step(step())?.f_type;
        if kind == PROC_SUPER_MAGIC {
            return Err("nothing is mounted over /proc").step(step());
        }
        Ok(place)
    }

    fn create(&mut self, path: &Path, is_dir: bool) -> Result<(), StepError> {
        let step = || format!("create mount target `{}`", path.display());
        let mut missing: Vec<&Path> =
            path.ancestors().take_while(|p| self.root.metadata(p).is_err()).collect();
        missing.reverse();
        // Nothing is missing any more when another container was quicker.
        if let Some(first) = missing.first() {
            self.disturb(first).step(step())?;
        }
        for created in missing {
            let made = if is_dir || created != path {
                self.root.create_dir(created, 0o755)
            } else {
                self.root.create_file(created, 0o644).map(drop)
            };
            match made {
                Ok(()) => self.stubs.created.push(created.to_owned()),
                // Another container made it, in a mount that both have.
                Err(error) if error.errno() == Some(libc::EEXIST) => {}
                Err(error) => return Err(error).step(step()),
            }
        }
        Ok(())
    }

    /// Remembers the directories above something that is going to be created.
    fn disturb(&mut self, created: &Path) -> sys::Result<()> {
        for path in created.ancestors().skip(1) {
            let known = self.stubs.disturbed.iter().any(|directory| directory.path == path);
            if known || self.stubs.created.iter().any(|stub| stub == path) {
                continue;
            }
            let before = pair(self.root.metadata(path)?.mtime);
            let copied_up = self.upper.as_ref().is_some_and(|upper| upper.metadata(path).is_err());
            let after = (before, before);
            self.stubs.disturbed.push(Disturbed {
                path: path.to_owned(),
                copied_up,
                before,
                after,
            });
        }
        Ok(())
    }
}

/// Removes the stubs from the directory that kept the container's changes. Those that were made on
/// another mount are not there; those with content have become the container's.
pub(crate) fn remove(stubs: &Stubs, changes: &RootDir) {
    let mut directories: Vec<(&Disturbed, Timestamp, bool)> = stubs
        .disturbed
        .iter()
        .filter_map(|directory| {
            let now = changes.metadata(&directory.path).ok()?;
            let untouched = (pair(now.mtime), pair(now.ctime)) == directory.after;
            Some((directory, now.mtime, untouched))
        })
        .collect();
    for path in stubs.created.iter().rev() {
        // What cannot be removed has been used by the container and is its own now.
        let _ = match changes.metadata(path) {
            Ok(found) if found.kind == FileKind::Dir => changes.remove_dir(path),
            Ok(found) if found.kind == FileKind::File && found.size == 0 => {
                changes.remove_file(path)
            }
            _ => Ok(()),
        };
    }
    // Deepest first, so that directories that were only copied up are empty when it is their turn.
    directories
        .sort_by_key(|(directory, _, _)| std::cmp::Reverse(directory.path.components().count()));
    for (directory, now, untouched) in directories {
        let is_root = directory.path == Path::new("/");
        if untouched
            && directory.copied_up
            && !is_root
            && changes.remove_dir(&directory.path).is_ok()
        {
            continue;
        }
        // A file that was copied up into it, or a new mode, changes the change time alone.
        let same_entries = pair(now) == directory.after.0;
        let (secs, nanos) = if same_entries { directory.before } else { pair(now) };
        // A time that is not put back costs a cache hit at most.
        let _ = changes.set_mtime(&directory.path, Timestamp { secs, nanos });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn stubs_leave_no_trace() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("etc")).unwrap();
        let root = RootDir::open(directory.path()).unwrap();
        let old = Timestamp { secs: 1_000, nanos: 7 };
        root.set_mtime("etc", old).unwrap();
        let mut targets = Targets::new(&root, None);
        for (path, is_dir) in [("/etc/hosts", false), ("/etc/a/b", true), ("/etc/kept/c", true)] {
            targets.place(Path::new(path), is_dir).unwrap_or_else(|error| panic!("{error:?}"));
        }
        assert!(targets.place(Path::new("/etc/hosts"), true).is_err());
        assert!(targets.place(Path::new("/x/../.."), true).is_err());
        let created = targets.into_stubs();
        remove(&created, &root);
        assert_eq!(fs::read_dir(directory.path().join("etc")).unwrap().count(), 0);
        assert_eq!(root.metadata("etc").unwrap().mtime, old);
    }

    #[test]
    fn what_the_container_used_stays() {
        let directory = tempfile::tempdir().unwrap();
        let root = RootDir::open(directory.path()).unwrap();
        let mut targets = Targets::new(&root, None);
        targets.place(Path::new("/a/f"), false).unwrap_or_else(|error| panic!("{error:?}"));
        fs::write(directory.path().join("a/f"), "mine").unwrap();
        remove(&targets.into_stubs(), &root);
        assert_eq!(fs::read(directory.path().join("a/f")).unwrap(), b"mine");
    }
}
