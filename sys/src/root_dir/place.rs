//! From an untrusted path to a parent descriptor and one name below it.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::RootDir;
use crate::error::Result;
use crate::{Call, SysError};

/// How often a path walk that raced with a rename (`EAGAIN`) is repeated.
const RACE_RETRIES: usize = 256;

/// Where an operation acts: a directory inside the root and one name in it.
///
/// The name is `.` for the root itself and for paths that end in `..`.
pub(super) struct Place<'a> {
    parent: Parent<'a>,
    pub(super) name: &'a OsStr,
}

enum Parent<'a> {
    Root(BorrowedFd<'a>),
    Opened(OwnedFd),
}

impl AsFd for Place<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.parent {
            Parent::Root(fd) => *fd,
            Parent::Opened(fd) => fd.as_fd(),
        }
    }
}

impl Place<'_> {
    /// The call that failed here, for the error.
    pub(super) fn call(&self, name: &'static str) -> Call {
        Call::new(name).fd(self).path(self.name)
    }

    /// A path for the calls that take no descriptor (extended attributes). It leads through the
    /// descriptor, so it reaches the same directory whatever was renamed meanwhile.
    pub(super) fn proc_path(&self) -> PathBuf {
        let mut path = format!("/proc/self/fd/{}/", self.as_fd().as_raw_fd()).into_bytes();
        path.extend_from_slice(self.name.as_bytes());
        PathBuf::from(OsString::from_vec(path))
    }
}

impl RootDir {
    pub(super) fn place<'a>(&'a self, path: &'a Path) -> Result<Place<'a>> {
        let (parent, name) = split(path);
        let parent = match parent {
            None => Parent::Root(self.as_fd()),
            Some(parent) => {
                let flags = OFlags::PATH | OFlags::DIRECTORY;
                Parent::Opened(open_beneath(self.as_fd(), parent, flags)?)
            }
        };
        Ok(Place { parent, name })
    }
}

/// Splits a path into what must be resolved first (`None`: the root) and the final name.
fn split(path: &Path) -> (Option<&Path>, &OsStr) {
    let path = trim(path).as_os_str().as_bytes();
    let start = path.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    let name = &path[start..];
    match name {
        b"" => (None, OsStr::new(".")),
        b".." => (Some(as_path(path)), OsStr::new(".")),
        _ if path[..start].iter().all(|&byte| byte == b'/') => (None, as_os(name)),
        _ => (Some(as_path(&path[..start])), as_os(name)),
    }
}

/// Without slashes and `.` at the end, which would follow a symbolic link before them.
pub(super) fn trim(path: &Path) -> &Path {
    let bytes = path.as_os_str().as_bytes();
    let mut end = bytes.len();
    loop {
        let trimmed = bytes[..end].strip_suffix(b"/").unwrap_or(&bytes[..end]);
        let trimmed = match trimmed {
            b"." => b"",
            other => other.strip_suffix(b"/.").unwrap_or(other),
        };
        if trimmed.len() == end {
            break;
        }
        end = trimmed.len();
    }
    as_path(&bytes[..end])
}

fn as_os(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}

fn as_path(bytes: &[u8]) -> &Path {
    Path::new(as_os(bytes))
}

/// Opens `path` as if `root` were `/`.
pub(super) fn open_beneath(root: impl AsFd, path: &Path, flags: OFlags) -> Result<OwnedFd> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let target = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let mut retries = RACE_RETRIES;
    loop {
        let flags = flags | OFlags::CLOEXEC;
        match rustix::fs::openat2(&root, target, flags, Mode::empty(), resolve) {
            Ok(fd) => return Ok(fd),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if retries > 0 => retries -= 1,
            Err(errno) => {
                let call = Call::new("openat2").fd(root).path(path).text("RESOLVE_IN_ROOT");
                return Err(SysError::new(call, errno));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, parent: Option<&str>, name: &str) {
        let (actual_parent, actual_name) = split(Path::new(path));
        assert_eq!(actual_parent.map(|p| p.as_os_str().as_bytes()), parent.map(str::as_bytes));
        assert_eq!(actual_name, OsStr::new(name));
    }

    #[test]
    fn splits_parent_and_name() {
        check("", None, ".");
        check("/", None, ".");
        check(".", None, ".");
        check("./", None, ".");
        check("/./.", None, ".");
        check("a", None, "a");
        check("//a//", None, "a");
        check("a/.", None, "a");
        check("a/b", Some("a/"), "b");
        check("/a/b/", Some("/a/"), "b");
        check("a/..", Some("a/.."), ".");
        check("..", Some(".."), ".");
        check("a.", None, "a.");
        check("a/b.", Some("a/"), "b.");
        check("...", None, "...");
        check("../x", Some("../"), "x");
    }
}
