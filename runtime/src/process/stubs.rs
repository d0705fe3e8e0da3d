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

/// Something created only to be mounted on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stub {
    #[serde(with = "bytes")]
    path: PathBuf,
    /// Modification time of its directory before and after, in seconds and nanoseconds.
    before: (i64, u32),
    after: (i64, u32),
}

/// Finds and creates mount targets below `root`.
#[derive(Debug)]
pub(super) struct Targets<'a> {
    root: &'a RootDir,
    created: Vec<Stub>,
}

const PROC_SUPER_MAGIC: i64 = 0x9fa0;

impl<'a> Targets<'a> {
    pub(super) fn new(root: &'a RootDir) -> Targets<'a> {
        Targets { root, created: Vec::new() }
    }

    pub(super) fn into_created(self) -> Vec<Stub> {
        self.created
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
        let place = self.root.place_fd(&path).step(step())?;
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
        for created in missing {
            let parent = created.parent().unwrap_or(Path::new("/"));
            let before = self.root.metadata(parent).step(step())?.mtime;
            if is_dir || created != path {
                self.root.create_dir(created, 0o755).step(step())?;
            } else {
                self.root.create_file(created, 0o644).step(step())?;
            }
            let after = self.root.metadata(parent).step(step())?.mtime;
            self.created.push(Stub {
                path: created.to_owned(),
                before: (before.secs, before.nanos),
                after: (after.secs, after.nanos),
            });
        }
        Ok(())
    }
}

/// Removes the stubs from the directory that kept the container's changes. Those that were made on
/// another mount are not there; those with content have become the container's.
pub(crate) fn remove(stubs: &[Stub], changes: &RootDir) {
    for stub in stubs.iter().rev() {
        let Ok(found) = changes.metadata(&stub.path) else { continue };
        let parent = stub.path.parent().unwrap_or(Path::new("/"));
        let Ok(time) = changes.metadata(parent).map(|parent| parent.mtime) else { continue };
        let removed = match found.kind {
            FileKind::Dir => changes.remove_dir(&stub.path),
            FileKind::File if found.size == 0 => changes.remove_file(&stub.path),
            _ => continue,
        };
        if removed.is_err() {
            continue;
        }
        let untouched = (time.secs, time.nanos) == stub.after;
        let (secs, nanos) = if untouched { stub.before } else { (time.secs, time.nanos) };
        // A time that is not put back costs a cache hit at most.
        let _ = changes.set_mtime(parent, Timestamp { secs, nanos });
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
        let mut targets = Targets::new(&root);
        for (path, is_dir) in [("/etc/hosts", false), ("/etc/a/b", true), ("/etc/kept/c", true)] {
            targets.place(Path::new(path), is_dir).unwrap_or_else(|error| panic!("{error:?}"));
        }
        assert!(targets.place(Path::new("/etc/hosts"), true).is_err());
        assert!(targets.place(Path::new("/x/../.."), true).is_err());
        let created = targets.into_created();
        remove(&created, &root);
        assert_eq!(fs::read_dir(directory.path().join("etc")).unwrap().count(), 0);
        assert_eq!(root.metadata("etc").unwrap().mtime, old);
    }

    #[test]
    fn what_the_container_used_stays() {
        let directory = tempfile::tempdir().unwrap();
        let root = RootDir::open(directory.path()).unwrap();
        let mut targets = Targets::new(&root);
        targets.place(Path::new("/a/f"), false).unwrap_or_else(|error| panic!("{error:?}"));
        fs::write(directory.path().join("a/f"), "mine").unwrap();
        remove(&targets.into_created(), &root);
        assert_eq!(fs::read(directory.path().join("a/f")).unwrap(), b"mine");
    }
}
