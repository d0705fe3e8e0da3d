//! Looking at the tree: metadata, listings, contents, extended attributes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags};
use rustix::io::Errno;

use super::place::{Place, open_beneath};
use super::{FileKind, Metadata, RootDir, Timestamp};
use crate::error::Result;
use crate::{Call, SysError, xattr};

/// One name of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    pub name: OsString,
    pub kind: FileKind,
}

impl RootDir {
    pub fn metadata(&self, path: impl AsRef<Path>) -> Result<Metadata> {
        stat(&self.place(path.as_ref())?)
    }

    /// The metadata of what `path` leads to when its last component is a symbolic link.
    pub fn metadata_follow(&self, path: impl AsRef<Path>) -> Result<Metadata> {
        let fd = open_beneath(self, path.as_ref(), OFlags::PATH)?;
        stat_fd(&fd)
    }

    /// When the file itself was created, where the file system remembers that.
    pub fn born(&self, path: impl AsRef<Path>) -> Result<Option<Timestamp>> {
        let place = self.place(path.as_ref())?;
        let (flags, mask) = (AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BTIME);
        let found = rustix::fs::statx(&place, place.name, flags, mask)
            .map_err(|errno| SysError::new(place.call("statx"), errno))?;
        let known = found.stx_mask & mask.bits() != 0;
        let (secs, nanos) = (found.stx_btime.tv_sec, found.stx_btime.tv_nsec);
        Ok(known.then_some(Timestamp { secs, nanos }))
    }

    /// Opens a regular file for reading, following symbolic links inside the root. Anything else
    /// is refused before it is opened, because opening a device or a pipe has effects.
    pub fn open_file(&self, path: impl AsRef<Path>) -> Result<File> {
        let path = path.as_ref();
        reopen_regular(open_beneath(self, path, OFlags::PATH)?, path)
    }

    /// As [`RootDir::open_file`], but a symbolic link in the last component is refused.
    pub fn open_file_nofollow(&self, path: impl AsRef<Path>) -> Result<File> {
        let path = path.as_ref();
        reopen_regular(open_beneath(self, path, OFlags::PATH | OFlags::NOFOLLOW)?, path)
    }

    /// Opens what was a regular file when it was last looked at, with half the calls of [`RootDir::open_file_nofollow`]. What
    /// somebody has put in its place since then is opened too before it is refused: without waiting for the other end of
    /// a pipe, and without making a terminal ours. Not for trees that containers write to: to open a device may be enough.
    pub fn open_known_file(&self, path: impl AsRef<Path>) -> Result<File> {
        let place = self.place(path.as_ref())?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        match rustix::fs::openat(&place, place.name, flags | OFlags::CLOEXEC, Mode::empty()) {
            Ok(fd) => refuse_irregular(&fd).map(|()| File::from(fd)),
            // Somebody has a lease on it (Samba, say), and has been told: that is waited for.
            Err(Errno::AGAIN) => self.open_file_nofollow(path.as_ref()),
            Err(errno) => Err(SysError::new(place.call("openat").text("O_NOFOLLOW"), errno)),
        }
    }

    pub fn read_link(&self, path: impl AsRef<Path>) -> Result<PathBuf> {
        let place = self.place(path.as_ref())?;
        rustix::fs::readlinkat(&place, place.name, Vec::new())
            .map(|target| PathBuf::from(OsString::from_vec(target.into_bytes())))
            .map_err(|errno| SysError::new(place.call("readlinkat"), errno))
    }

    /// The names in a directory, in the order of their bytes. Follows symbolic links.
    pub fn read_dir(&self, path: impl AsRef<Path>) -> Result<Vec<DirEntry>> {
        let fd = open_beneath(self, path.as_ref(), OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut entries = list(&fd)?;
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// The extended attributes of the file itself, symbolic links included.
    pub fn xattrs(&self, path: impl AsRef<Path>) -> Result<BTreeMap<Vec<u8>, Vec<u8>>> {
        let place = self.place(path.as_ref())?;
        let path = || place.proc_path();
        let list = |buffer: &mut [u8]| match xattr::list_at(&place, place.name, buffer) {
            Err(Errno::NOSYS) => rustix::fs::llistxattr(path(), buffer),
            listed => listed,
        };
        let names = match growing(list) {
            Ok(names) => names,
            Err(Errno::NOTSUP) => return Ok(BTreeMap::new()),
            Err(errno) => return Err(SysError::new(place.call("llistxattr"), errno)),
        };
        let mut attributes = BTreeMap::new();
        for name in names.split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
            match growing(|buffer| rustix::fs::lgetxattr(path(), name, buffer)) {
                Ok(value) => drop(attributes.insert(name.to_vec(), value)),
                Err(Errno::NODATA) => {} // removed since it was listed
                Err(errno) => {
                    let call = place.call("lgetxattr").path(OsString::from_vec(name.to_vec()));
                    return Err(SysError::new(call, errno));
                }
            }
        }
        Ok(attributes)
    }
}

/// Calls `read` with a buffer that grows until the answer fits.
fn growing(
    mut read: impl FnMut(&mut [u8]) -> std::result::Result<usize, Errno>,
) -> std::result::Result<Vec<u8>, Errno> {
    let mut small = [0; 512];
    match read(&mut small) {
        Ok(length) => return Ok(small[..length].to_vec()),
        Err(Errno::RANGE) => {}
        Err(errno) => return Err(errno),
    }
    let mut buffer = vec![0; 4096];
    loop {
        match read(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(buffer);
            }
            // The kernel's own limit on names and values is 64 KiB.
            Err(Errno::RANGE) if buffer.len() < 1 << 20 => buffer.resize(buffer.len() * 2, 0),
            Err(errno) => return Err(errno),
        }
    }
}

fn stat(place: &Place<'_>) -> Result<Metadata> {
    rustix::fs::statat(place, place.name, AtFlags::SYMLINK_NOFOLLOW)
        .map(|stat| Metadata::from(&stat))
        .map_err(|errno| SysError::new(place.call("fstatat"), errno))
}

pub(super) fn stat_fd(fd: &OwnedFd) -> Result<Metadata> {
    rustix::fs::fstat(fd)
        .map(|stat| Metadata::from(&stat))
        .map_err(|errno| SysError::new(Call::new("fstat").fd(fd), errno))
}

/// The kernel's name of the file a descriptor (also an `O_PATH` one) stands for.
pub(super) fn proc_path_of(fd: impl AsFd) -> String {
    format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd())
}

fn reopen_regular(fd: OwnedFd, path: &Path) -> Result<File> {
    refuse_irregular(&fd)?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
    rustix::fs::open(proc_path_of(&fd), flags, Mode::empty())
        .map(File::from)
        .map_err(|errno| SysError::new(Call::new("open").path(path).text("O_RDONLY"), errno))
}

fn refuse_irregular(fd: &OwnedFd) -> Result<()> {
    let errno = match stat_fd(fd)?.kind {
        FileKind::File => return Ok(()),
        FileKind::Dir => Errno::ISDIR,
        FileKind::Symlink => Errno::LOOP,
        _ => Errno::INVAL,
    };
    Err(SysError::new(Call::new("open").fd(fd).text("O_RDONLY, regular file only"), errno))
}

pub(super) fn list(fd: &OwnedFd) -> Result<Vec<DirEntry>> {
    let failed = |errno| SysError::new(Call::new("getdents64").fd(fd), errno);
    let mut entries = Vec::new();
    for entry in rustix::fs::Dir::read_from(fd).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        let kind = match FileKind::from_type(entry.file_type()) {
            Some(kind) => kind,
            None => match rustix::fs::statat(fd, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => Metadata::from(&stat).kind,
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(failed(errno)),
            },
        };
        entries.push(DirEntry { name: OsString::from_vec(name.to_vec()), kind });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn lease(file: &File, command: i32, what: i32) -> i32 {
        // SAFETY: the call reads no memory of ours.
        let result = unsafe { libc::fcntl(file.as_raw_fd(), command, what) };
        assert!(result >= 0, "{}", std::io::Error::last_os_error());
        result
    }

    #[test]
    fn who_has_a_lease_on_a_file_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "text").unwrap();
        let root = RootDir::open(dir.path()).unwrap();
        let holder = File::options().write(true).open(dir.path().join("file")).unwrap();
        // Told by a signal that is ignored: the usual one would end this process.
        const F_SETSIG: i32 = 10;
        lease(&holder, F_SETSIG, libc::SIGURG);
        lease(&holder, libc::F_SETLEASE, libc::F_WRLCK);
        let text = std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut text = String::new();
                root.open_known_file("file").unwrap().read_to_string(&mut text).unwrap();
                text
            });
            // Until the reader has asked for it.
            while lease(&holder, libc::F_GETLEASE, 0) == libc::F_WRLCK {
                std::thread::yield_now();
            }
            lease(&holder, libc::F_SETLEASE, libc::F_UNLCK);
            reader.join().unwrap()
        });
        assert_eq!(text, "text");
    }
}
