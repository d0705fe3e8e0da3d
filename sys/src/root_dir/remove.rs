//! Removing whole trees without being led out of them.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::read::{list, proc_path_of};
use super::{FileKind, RootDir};
use crate::error::Result;
use crate::{Call, SysError};

/// Directories open at once; deeper ones are first moved up to the top of the tree.
const MAX_DEPTH: usize = 128;

impl RootDir {
    /// Removes a file or a directory with everything in it, read-only directories included.
    /// Symbolic links are removed, never followed; other mounts are not entered (`EBUSY`).
    pub fn remove_tree(&self, path: impl AsRef<Path>) -> Result<()> {
        let place = self.place(path.as_ref())?;
        match unlink(place.as_fd(), place.name, AtFlags::empty()) {
            Err(Errno::ISDIR | Errno::PERM) => {}
            other => return other.map_err(|errno| SysError::new(place.call("unlinkat"), errno)),
        }
        // Before anything in it goes: what cannot be removed itself (a mount, the root) stays whole.
        match unlink(place.as_fd(), place.name, AtFlags::REMOVEDIR) {
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::ACCESS) => {}
            other => {
                let call = || place.call("unlinkat").text("AT_REMOVEDIR");
                return other.map_err(|errno| SysError::new(call(), errno));
            }
        }
        let top = open_for_removal(place.as_fd(), place.name)?;
        Removal { top: &top, moved: 0 }.empty(&top, 0)?;
        unlink(place.as_fd(), place.name, AtFlags::REMOVEDIR)
            .map_err(|errno| SysError::new(place.call("unlinkat").text("AT_REMOVEDIR"), errno))
    }
}

struct Removal<'a> {
    top: &'a OwnedFd,
    moved: usize,
}

impl Removal<'_> {
    /// Removes everything in `dir`. The top is listed again until it stays empty, because deep
    /// directories arrive there.
    fn empty(&mut self, dir: &OwnedFd, depth: usize) -> Result<()> {
        loop {
            let entries = list(dir)?;
            if entries.is_empty() {
                return Ok(());
            }
            for entry in entries {
                self.remove(dir, &entry.name, entry.kind, depth)?;
            }
            if depth > 0 {
                return Ok(());
            }
        }
    }

    fn remove(&mut self, dir: &OwnedFd, name: &OsStr, kind: FileKind, depth: usize) -> Result<()> {
        let failed = |errno| SysError::new(Call::new("unlinkat").fd(dir).path(name), errno);
        if kind != FileKind::Dir {
            return match unlink(dir.as_fd(), name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => Ok(()),
                Err(errno) => Err(failed(errno)),
            };
        }
        match unlink(dir.as_fd(), name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::ACCESS) => {}
            Err(errno) => return Err(failed(errno)),
        }
        if depth + 1 >= MAX_DEPTH {
            return self.move_up(dir, name);
        }
        let child = open_for_removal(dir.as_fd(), name)?;
        self.empty(&child, depth + 1)?;
        drop(child);
        unlink(dir.as_fd(), name, AtFlags::REMOVEDIR).map_err(failed)
    }

    fn move_up(&mut self, dir: &OwnedFd, name: &OsStr) -> Result<()> {
        // The directory's own `..` changes when it moves, so it must be writable.
        drop(open_for_removal(dir.as_fd(), name)?);
        loop {
            self.moved += 1;
            let new = OsString::from(format!(".removing-{}", self.moved));
            match rustix::fs::renameat_with(dir, name, self.top, &*new, RenameFlags::NOREPLACE) {
                Ok(()) => return Ok(()),
                Err(Errno::EXIST) => {}
                Err(errno) => {
                    let call = Call::new("renameat2").fd(dir).path(name).fd(self.top).path(new);
                    return Err(SysError::new(call, errno));
                }
            }
        }
    }
}

fn unlink(dir: BorrowedFd<'_>, name: &OsStr, flags: AtFlags) -> std::result::Result<(), Errno> {
    rustix::fs::unlinkat(dir, name, flags)
}

/// Opens a directory for listing, giving ourselves the rights first where they are missing.
fn open_for_removal(dir: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd> {
    let failed = |errno| SysError::new(Call::new("openat").fd(dir).path(name), errno);
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let pinned =
        rustix::fs::openat(dir, name, flags | OFlags::PATH, Mode::empty()).map_err(failed)?;
    let mode = rustix::fs::fstat(&pinned).map_err(failed)?.st_mode;
    if mode & 0o700 != 0o700 {
        // Failure shows in what follows; for root the missing bits do not matter.
        let _ = rustix::fs::chmod(proc_path_of(&pinned), Mode::from_raw_mode(mode | 0o700));
    }
    rustix::fs::openat(&pinned, ".", flags, Mode::empty()).map_err(failed)
}
