//! Copying files between a container and somewhere else: `cp`.
//!
//! Both sides are a [`RootDir`], and a path below it: whatever links it leads through, it stays there. What is copied is
//! named first ([`Source`]), then where to ([`Destination`], by docker's rules), and only then is anything written.
//!
//! | file             | what                                              |
//! |------------------|---------------------------------------------------|
//! | `source.rs`      | a file or directory, and everything in it           |
//! | `destination.rs` | where it goes, and under which name                  |
//! | `extract.rs`     | entries of a source or an archive to files           |
//! | `sync.rs`        | one file here as one in a container, or its absence   |

mod destination;
mod extract;
mod source;
mod sync;

use std::io;
use std::path::PathBuf;

use store::layer::LayerError;
use sys::SysError;

pub use destination::Destination;
pub use extract::{Owner, extract_archive};
pub use source::Source;
pub use store::id_map::IdMap;
pub use sync::sync;
pub use sys::RootDir;

/// What can go wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error("`{}` does not exist", path.display())]
    NotFound { path: PathBuf },
    #[error("`{}` is not a directory", path.display())]
    NotADirectory { path: PathBuf },
    #[error("`{}` is a socket, which cannot be copied", path.display())]
    Socket { path: PathBuf },
    #[error("cannot copy a directory over `{}`, which is none", path.display())]
    DirectoryOverFile { path: PathBuf },
    #[error("cannot copy over the directory `{}` what is none", path.display())]
    FileOverDirectory { path: PathBuf },
    #[error("cannot look at `{}`", path.display())]
    Look { path: PathBuf, source: SysError },
    #[error("cannot write `{}`", path.display())]
    Write { path: PathBuf, source: SysError },
    #[error("cannot write `{}`", path.display())]
    Content { path: PathBuf, source: io::Error },
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: SysError },
    #[error(transparent)]
    Archive(#[from] LayerError),
    #[error("cannot write the archive")]
    WriteArchive { source: io::Error },
}

type Result<T> = std::result::Result<T, CopyError>;
