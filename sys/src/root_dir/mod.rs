//! [`RootDir`]: file operations confined to a directory tree whose contents are not trusted.
//!
//! Paths come from images, archives and Dockerfiles. `/a` and `a` both mean "below the root", `..`
//! stops at the root, and symbolic links in the parents of a path resolve inside the root, as they
//! would after a chroot. The last component is never followed unless the method's name says so.
//!
//! Each operation first lets the kernel resolve the parent (`openat2` with `RESOLVE_IN_ROOT` and
//! `RESOLVE_NO_MAGICLINKS`, Linux 5.6) into a descriptor and then works on a single name below it,
//! so nobody who renames directories meanwhile can lead it outside.
//!
//! | file          | what                                                   |
//! |---------------|--------------------------------------------------------|
//! | `place.rs`    | path → parent descriptor and final name                |
//! | `metadata.rs` | `Metadata`, `FileKind`, `Timestamp`                    |
//! | `read.rs`     | opening, listing, extended attributes                  |
//! | `change.rs`   | creating, linking, renaming, owners, modes, times      |
//! | `remove.rs`   | deleting whole trees                                   |
//! | `resolve.rs`  | the canonical path inside the root                     |

mod change;
mod metadata;
mod place;
mod read;
mod remove;
mod resolve;

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

pub use change::NodeKind;
pub use metadata::{FileKind, Metadata, Timestamp};
pub use read::DirEntry;

use crate::error::Result;
use crate::{Call, SysError};

/// A handle (`O_PATH`) on the directory that is `/` for all paths given to its methods.
pub struct RootDir(OwnedFd);

impl RootDir {
    /// Opens a directory by a path that is trusted, following symbolic links.
    pub fn open(path: impl AsRef<Path>) -> Result<RootDir> {
        let path = path.as_ref();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(path, flags, Mode::empty())
            .map(RootDir)
            .map_err(|errno| SysError::new(Call::new("open").path(path).text("O_PATH"), errno))
    }

    /// Takes a descriptor that was opened on a directory.
    pub fn from_fd(fd: OwnedFd) -> RootDir {
        RootDir(fd)
    }

    pub fn try_clone(&self) -> Result<RootDir> {
        self.0
            .try_clone()
            .map(RootDir)
            .map_err(|error| SysError::new(Call::new("fcntl").fd(self).text("F_DUPFD"), error))
    }

    /// The directory at `path`, as a root of its own. Follows symbolic links inside this root.
    pub fn subdir(&self, path: impl AsRef<Path>) -> Result<RootDir> {
        place::open_beneath(&self.0, path.as_ref(), OFlags::PATH | OFlags::DIRECTORY).map(RootDir)
    }

    /// A descriptor that stands for whatever is at `path` without opening it (`O_PATH`), symbolic
    /// links followed inside this root: what a mount needs as its source or target.
    pub fn place_fd(&self, path: impl AsRef<Path>) -> Result<OwnedFd> {
        place::open_beneath(&self.0, path.as_ref(), OFlags::PATH)
    }

    /// The directory called by the last component of `path`; a symbolic link there is an error.
    pub fn subdir_nofollow(&self, path: impl AsRef<Path>) -> Result<RootDir> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        place::open_beneath(&self.0, place::trim(path.as_ref()), flags).map(RootDir)
    }
}

impl AsFd for RootDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl fmt::Debug for RootDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Call::new("RootDir").fd(self))
    }
}
