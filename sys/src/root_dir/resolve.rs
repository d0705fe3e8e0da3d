//! The canonical path of something inside the root.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::read::stat_fd;
use super::{FileKind, RootDir};
use crate::error::Result;
use crate::{Call, SysError};

/// The kernel's own limit is 40; chains between the two do exist in images built elsewhere.
const MAX_LINKS: usize = 255;

impl RootDir {
    /// The path without symbolic links and `..`, as seen from the root: `/a/b`. The last component
    /// is followed only when asked. Components that do not exist stay as they are written, so the
    /// answer may name something that can be created there.
    pub fn resolve(&self, path: impl AsRef<Path>, follow_last: bool) -> Result<PathBuf> {
        Walk::new(self, path.as_ref()).run(follow_last)
    }
}

/// A path walk in user space, one name at a time, on descriptors: no name is resolved twice.
struct Walk<'a> {
    root: &'a RootDir,
    asked: &'a Path,
    rest: VecDeque<OsString>,
    /// The directories entered so far. `None`: does not exist (or is no directory).
    done: Vec<(OsString, Option<OwnedFd>)>,
    links: usize,
}

impl<'a> Walk<'a> {
    fn new(root: &'a RootDir, asked: &'a Path) -> Walk<'a> {
        let mut walk = Walk { root, asked, rest: VecDeque::new(), done: Vec::new(), links: 0 };
        walk.push_front(asked.as_os_str());
        walk
    }

    fn push_front(&mut self, path: &OsStr) {
        for name in path.as_bytes().split(|&byte| byte == b'/').rev() {
            if !name.is_empty() && name != b"." {
                self.rest.push_front(OsString::from_vec(name.to_vec()));
            }
        }
    }

    fn run(mut self, follow_last: bool) -> Result<PathBuf> {
        while let Some(name) = self.rest.pop_front() {
            if name == ".." {
                self.done.pop();
            } else {
                let follow = follow_last || !self.rest.is_empty();
                self.step(name, follow)?;
            }
        }
        let mut path = PathBuf::from("/");
        path.extend(self.done.iter().map(|(name, _)| name));
        Ok(path)
    }

    fn step(&mut self, name: OsString, follow: bool) -> Result<()> {
        let Some(fd) = self.open(&name)? else {
            self.done.push((name, None));
            return Ok(());
        };
        match stat_fd(&fd)?.kind {
            FileKind::Symlink if follow => self.follow(&fd),
            FileKind::Dir => {
                self.done.push((name, Some(fd)));
                Ok(())
            }
            _ if self.rest.is_empty() => {
                self.done.push((name, None));
                Ok(())
            }
            _ => Err(self.error(Errno::NOTDIR)),
        }
    }

    fn open(&self, name: &OsStr) -> Result<Option<OwnedFd>> {
        let parent: BorrowedFd<'_> = match self.done.last() {
            None => self.root.as_fd(),
            Some((_, Some(fd))) => fd.as_fd(),
            Some((_, None)) => return Ok(None),
        };
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(parent, name, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => {
                Err(SysError::new(Call::new("openat").fd(parent).path(name).text("O_PATH"), errno))
            }
        }
    }

    fn follow(&mut self, link: &OwnedFd) -> Result<()> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(self.error(Errno::LOOP));
        }
        let target = rustix::fs::readlinkat(link, "", Vec::new())
            .map_err(|errno| SysError::new(Call::new("readlinkat").fd(link), errno))?;
        if target.to_bytes().starts_with(b"/") {
            self.done.clear();
        }
        self.push_front(OsStr::from_bytes(target.to_bytes()));
        Ok(())
    }

    fn error(&self, errno: Errno) -> SysError {
        SysError::new(Call::new("resolve").fd(self.root).path(self.asked), errno)
    }
}
