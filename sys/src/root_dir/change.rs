//! Changing the tree: creating, linking, renaming, owners, modes, times, attributes.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::place::Place;
use super::read::{proc_path_of, stat_fd};
use super::{FileKind, RootDir, Timestamp};
use crate::error::Result;
use crate::{Call, SysError};

/// What `mknod` makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    Fifo,
    Socket,
    CharDevice { major: u32, minor: u32 },
    BlockDevice { major: u32, minor: u32 },
}

/// Mode bits that no sensible umask takes away, so that asking for these alone costs no chmod.
const OWNER_BITS: u32 = 0o700;

impl RootDir {
    /// Creates a regular file, which must not exist, for reading and writing. The mode is exact:
    /// the umask does not apply.
    pub fn create_file(&self, path: impl AsRef<Path>, mode: u32) -> Result<File> {
        let place = self.place(path.as_ref())?;
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let initial = Mode::from_raw_mode(mode & OWNER_BITS);
        let fd = rustix::fs::openat(&place, place.name, flags, initial)
            .map_err(|errno| SysError::new(place.call("openat").text("O_CREAT|O_EXCL"), errno))?;
        if mode & !OWNER_BITS != 0 {
            rustix::fs::fchmod(&fd, Mode::from_raw_mode(mode)).map_err(|errno| {
                SysError::new(Call::new("fchmod").fd(&fd).text(octal(mode)), errno)
            })?;
        }
        Ok(File::from(fd))
    }

    /// Creates a directory, which must not exist, with exactly this mode.
    pub fn create_dir(&self, path: impl AsRef<Path>, mode: u32) -> Result<()> {
        let place = self.place(path.as_ref())?;
        let initial = Mode::from_raw_mode(mode & OWNER_BITS);
        rustix::fs::mkdirat(&place, place.name, initial)
            .map_err(|errno| SysError::new(place.call("mkdirat").text(octal(mode)), errno))?;
        if mode & !OWNER_BITS != 0 { change_mode(&place, mode) } else { Ok(()) }
    }

    /// Creates the missing directories of `path`; existing ones stay as they are.
    pub fn create_dir_all(&self, path: impl AsRef<Path>, mode: u32) -> Result<()> {
        let path = path.as_ref();
        if let Ok(found) = self.metadata_follow(path)
            && found.kind == FileKind::Dir
        {
            return Ok(());
        }
        let canonical = self.resolve(path, true)?;
        for ancestor in ancestors_from_root(&canonical) {
            match self.create_dir(ancestor, mode) {
                Err(error) if error.errno() == Some(Errno::EXIST.raw_os_error()) => {}
                other => other?,
            }
        }
        self.subdir(&canonical).map(drop)
    }

    pub fn symlink(&self, target: impl AsRef<Path>, path: impl AsRef<Path>) -> Result<()> {
        let (target, place) = (target.as_ref(), self.place(path.as_ref())?);
        rustix::fs::symlinkat(target, &place, place.name).map_err(|errno| {
            let call = Call::new("symlinkat").path(target).fd(&place).path(place.name);
            SysError::new(call, errno)
        })
    }

    /// Gives the file at `existing` a second name. A symbolic link gets the second name itself.
    pub fn hard_link(&self, existing: impl AsRef<Path>, new: impl AsRef<Path>) -> Result<()> {
        self.hard_link_from(self, existing, new)
    }

    /// As [`RootDir::hard_link`], to a file of another tree of the same file system.
    pub fn hard_link_from(
        &self,
        other: &RootDir,
        existing: impl AsRef<Path>,
        new: impl AsRef<Path>,
    ) -> Result<()> {
        let (old, new) = (other.place(existing.as_ref())?, self.place(new.as_ref())?);
        let (old_name, new_name) = (old.name, new.name);
        rustix::fs::linkat(&old, old_name, &new, new_name, AtFlags::empty())
            .map_err(|errno| SysError::new(old.call("linkat").fd(&new).path(new_name), errno))
    }

    /// Creates a pipe, socket or device with exactly this mode.
    pub fn mknod(&self, path: impl AsRef<Path>, kind: NodeKind, mode: u32) -> Result<()> {
        let place = self.place(path.as_ref())?;
        let (file_type, device) = match kind {
            NodeKind::Fifo => (FileType::Fifo, 0),
            NodeKind::Socket => (FileType::Socket, 0),
            NodeKind::CharDevice { major, minor } => {
                (FileType::CharacterDevice, rustix::fs::makedev(major, minor))
            }
            NodeKind::BlockDevice { major, minor } => {
                (FileType::BlockDevice, rustix::fs::makedev(major, minor))
            }
        };
        let initial = Mode::from_raw_mode(mode & OWNER_BITS);
        rustix::fs::mknodat(&place, place.name, file_type, initial, device)
            .map_err(|errno| SysError::new(place.call("mknodat").text(octal(mode)), errno))?;
        if mode & !OWNER_BITS != 0 { change_mode(&place, mode) } else { Ok(()) }
    }

    /// Moves a name; an existing target is replaced as `rename` does.
    pub fn rename(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<()> {
        let (from, to) = (self.place(from.as_ref())?, self.place(to.as_ref())?);
        rustix::fs::renameat(&from, from.name, &to, to.name)
            .map_err(|errno| SysError::new(from.call("renameat").fd(&to).path(to.name), errno))
    }

    /// Removes anything but a directory.
    pub fn remove_file(&self, path: impl AsRef<Path>) -> Result<()> {
        let place = self.place(path.as_ref())?;
        rustix::fs::unlinkat(&place, place.name, AtFlags::empty())
            .map_err(|errno| SysError::new(place.call("unlinkat"), errno))
    }

    /// Removes an empty directory.
    pub fn remove_dir(&self, path: impl AsRef<Path>) -> Result<()> {
        let place = self.place(path.as_ref())?;
        rustix::fs::unlinkat(&place, place.name, AtFlags::REMOVEDIR)
            .map_err(|errno| SysError::new(place.call("unlinkat").text("AT_REMOVEDIR"), errno))
    }

    /// Changes the owner of the file itself. The kernel clears setuid bits and file capabilities
    /// then, so set the owner first.
    pub fn set_owner(&self, path: impl AsRef<Path>, uid: u32, gid: u32) -> Result<()> {
        let place = self.place(path.as_ref())?;
        // The kernel reads u32::MAX as "unchanged", which is not what an image means by it.
        if uid == u32::MAX || gid == u32::MAX {
            let call = place.call("fchownat").text(uid).text(gid);
            return Err(SysError::new(call, Errno::INVAL));
        }
        let (user, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        rustix::fs::chownat(&place, place.name, Some(user), Some(group), flags)
            .map_err(|errno| SysError::new(place.call("fchownat").text(uid).text(gid), errno))
    }

    /// Changes the mode of the file itself; symbolic links have none (`EOPNOTSUPP`).
    pub fn set_mode(&self, path: impl AsRef<Path>, mode: u32) -> Result<()> {
        change_mode(&self.place(path.as_ref())?, mode)
    }

    /// Sets the modification time of the file itself and leaves the access time.
    pub fn set_mtime(&self, path: impl AsRef<Path>, mtime: Timestamp) -> Result<()> {
        let place = self.place(path.as_ref())?;
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT },
            last_modification: Timespec { tv_sec: mtime.secs, tv_nsec: mtime.nanos.into() },
        };
        rustix::fs::utimensat(&place, place.name, &times, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| SysError::new(place.call("utimensat").text(mtime.secs), errno))
    }

    /// Sets an extended attribute of the file itself, symbolic links included.
    pub fn set_xattr(&self, path: impl AsRef<Path>, name: &[u8], value: &[u8]) -> Result<()> {
        let place = self.place(path.as_ref())?;
        rustix::fs::lsetxattr(place.proc_path(), name, value, XattrFlags::empty()).map_err(
            |errno| {
                let call = place.call("lsetxattr").path(std::ffi::OsStr::from_bytes(name));
                SysError::new(call, errno)
            },
        )
    }

    /// Removes an extended attribute; one that is not there is no error.
    pub fn remove_xattr(&self, path: impl AsRef<Path>, name: &[u8]) -> Result<()> {
        let place = self.place(path.as_ref())?;
        match rustix::fs::lremovexattr(place.proc_path(), name) {
            Ok(()) | Err(Errno::NODATA) => Ok(()),
            Err(errno) => {
                let call = place.call("lremovexattr").path(std::ffi::OsStr::from_bytes(name));
                Err(SysError::new(call, errno))
            }
        }
    }
}

/// `chmod` of the name itself: pinned by a descriptor first, because the plain call would follow a
/// symbolic link that took its place.
fn change_mode(place: &Place<'_>, mode: u32) -> Result<()> {
    let failed = |errno| SysError::new(place.call("fchmodat").text(octal(mode)), errno);
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd: OwnedFd =
        rustix::fs::openat(place, place.name, flags, Mode::empty()).map_err(failed)?;
    if stat_fd(&fd)?.kind == FileKind::Symlink {
        return Err(failed(Errno::OPNOTSUPP));
    }
    rustix::fs::chmod(proc_path_of(&fd), Mode::from_raw_mode(mode)).map_err(failed)
}

fn octal(mode: u32) -> String {
    format!("{mode:04o}")
}

fn ancestors_from_root(path: &Path) -> Vec<&Path> {
    let mut ancestors: Vec<&Path> =
        path.ancestors().filter(|ancestor| ancestor.file_name().is_some()).collect();
    ancestors.reverse();
    ancestors
}
