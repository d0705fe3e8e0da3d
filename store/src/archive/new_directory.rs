//! A directory that appears with all that belongs in it or not at all; one that is there and empty is filled.
//!
//! What is filled stays the directory it was, with its owner and mode: a mount point, or where a shell stands. What goes
//! in comes together just before the end, in the order of the names, so that a layout has its `oci-layout` last.
//!
//! `kill -9` leaves what was written so far beside it or in it. It is locked while it is written to, so the next to
//! write there sees that nobody does, and removes it.
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::ArchiveError;
use super::new_file::{directory_of, make_beside};
use crate::error::{Result, io_error};
use crate::open::remove_any;

/// Dropped without [`NewDirectory::finish`], it leaves nothing.
#[derive(Debug)]
pub(super) struct NewDirectory {
    path: PathBuf,
    unfinished: PathBuf,
    _lock: File,
    /// Already in the directory that is filled.
    moved: Vec<PathBuf>,
}

impl NewDirectory {
    /// `path` is an empty directory or nothing yet.
    pub(super) fn create(path: &Path) -> Result<NewDirectory> {
        // Without the slash at the end of `dir/`, and not the link to it.
        let clean: PathBuf = path.components().collect();
        let path = fs::canonicalize(&clean).unwrap_or(clean);
        let fills = path.exists();
        let (place, name) = match fills {
            true => (path.as_path(), OsStr::new("layout")),
            false => (directory_of(&path), path.file_name().unwrap_or_default()),
        };
        if !fills {
            fs::create_dir_all(place).map_err(io_error("create the directory", place))?;
        }
        remove_abandoned(place, name)?;
        if fills && !names(place)?.is_empty() {
            return Err(ArchiveError::NotEmpty { path }.into());
        }
        let beside = place.join(name);
        let made = make_beside(&beside, |unfinished| fs::create_dir(unfinished));
        let (unfinished, ()) = made.map_err(io_error("create a directory beside", &beside))?;
        let opened = File::open(&unfinished).map_err(io_error("open", &unfinished));
        let lock = opened.inspect_err(|_| drop(remove_any(&unfinished)))?;
        // Where there are no locks nothing is ever seen to be abandoned.
        let _ = flock(&lock, FlockOperation::NonBlockingLockExclusive);
        Ok(NewDirectory { path, unfinished, _lock: lock, moved: Vec::new() })
    }

    /// Where to write.
    pub(super) fn unfinished(&self) -> &Path {
        &self.unfinished
    }

    pub(super) fn finish(mut self) -> Result<()> {
        if self.unfinished.parent() != Some(&self.path) {
            return fs::rename(&self.unfinished, &self.path).map_err(io_error("write", &self.path));
        }
        for name in names(&self.unfinished)? {
            let to = self.path.join(&name);
            if fs::symlink_metadata(&to).is_ok() {
                return Err(ArchiveError::NotEmpty { path: self.path.clone() }.into());
            }
            fs::rename(self.unfinished.join(&name), &to).map_err(io_error("write", &to))?;
            self.moved.push(to);
        }
        self.moved.clear();
        Ok(())
    }
}

impl Drop for NewDirectory {
    fn drop(&mut self) {
        // The error to tell is the one that came before. Once it has been renamed there is nothing.
        self.moved.iter().chain([&self.unfinished]).for_each(|path| drop(remove_any(path)));
    }
}

/// What a process that was killed left of a layout `name` in `place`.
fn remove_abandoned(place: &Path, name: &OsStr) -> Result<()> {
    for found in names(place)? {
        let path = place.join(&found);
        if is_beside(&found, name) && is_layout(&path) {
            let Ok(open) = File::open(&path) else { continue };
            if flock(&open, FlockOperation::NonBlockingLockExclusive).is_ok() {
                remove_any(&path)?;
            }
        }
    }
    Ok(())
}

/// `NAME.12.tmp` or `NAME.12.3.tmp`
fn is_beside(found: &OsStr, name: &OsStr) -> bool {
    let rest = found.as_bytes().strip_prefix(name.as_bytes());
    let numbers = rest.and_then(|r| r.strip_prefix(b".")).and_then(|r| r.strip_suffix(b".tmp"));
    let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    numbers.is_some_and(|numbers| numbers.split(|&byte| byte == b'.').all(is_number))
}

/// Nothing else is ours to remove.
fn is_layout(path: &Path) -> bool {
    let ours =
        |name: &OsString| matches!(name.as_bytes(), b"blobs" | b"index.json" | b"oci-layout");
    let is_dir = fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    is_dir && names(path).is_ok_and(|names| names.iter().all(ours))
}

fn names(path: &Path) -> Result<Vec<OsString>> {
    let names = fs::read_dir(path)
        .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect());
    let mut names: Vec<OsString> = names.map_err(io_error("list", path))?;
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn write(new: &NewDirectory) {
        for name in ["oci-layout", "index.json"] {
            fs::write(new.unfinished().join(name), name).unwrap();
        }
        fs::create_dir(new.unfinished().join("blobs")).unwrap();
    }

    #[test]
    fn it_is_there_as_a_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("empty")).unwrap();
        for (name, is_there) in [("new", false), ("a/b/", false), ("empty", true)] {
            let path = dir.path().join(name);
            let inode = fs::metadata(&path).map(|found| found.ino()).ok();
            let new = NewDirectory::create(&path).unwrap();
            write(&new);
            drop(new);
            assert_eq!((path.exists(), inode.is_some()), (is_there, is_there));
            let place = if is_there { path.as_path() } else { path.parent().unwrap() };
            assert!(names(place).unwrap().iter().all(|name| !name.as_bytes().ends_with(b"tmp")));
            let new = NewDirectory::create(&path).unwrap();
            write(&new);
            new.finish().unwrap();
            assert_eq!(names(&path).unwrap(), ["blobs", "index.json", "oci-layout"]);
            if let Some(inode) = inode {
                assert_eq!(fs::metadata(&path).unwrap().ino(), inode, "another directory");
            }
            let again = NewDirectory::create(&path).unwrap_err();
            assert!(matches!(again, crate::StoreError::Archive(ArchiveError::NotEmpty { .. })));
        }
    }

    #[test]
    fn only_what_nobody_writes_to_any_more_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["out.7.tmp/blobs/sha256", "out.8.tmp/mine", "out.x.tmp", "out.9.1.tmp"] {
            fs::create_dir_all(path(name)).unwrap();
        }
        let first = NewDirectory::create(&path("out")).unwrap();
        write(&first);
        let second = NewDirectory::create(&path("out")).unwrap();
        write(&second);
        assert!(first.unfinished().exists());
        second.finish().unwrap();
        // The first comes too late, and leaves nothing.
        first.finish().unwrap_err();
        assert_eq!(names(dir.path()).unwrap(), ["out", "out.8.tmp", "out.x.tmp"]);
        // The same inside of a directory that is filled.
        fs::create_dir_all(path("full/layout.7.tmp/blobs")).unwrap();
        let new = NewDirectory::create(&path("full")).unwrap();
        write(&new);
        new.finish().unwrap();
        assert_eq!(names(&path("full")).unwrap(), ["blobs", "index.json", "oci-layout"]);
    }
}
