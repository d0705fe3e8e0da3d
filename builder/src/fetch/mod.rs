//! Sources of a build that are not directories of this machine become ones (archives, [git] repositories), and files
//! on servers files of this machine ([`download`]).
//!
//! What is fetched lies among the temporary files of the store, in the lease of this process: it goes with the
//! last [`Fetched`] of it, and with the next collection if the process was killed.

mod archive;
mod checksum;
mod error;
pub mod git;
mod http;
mod http_date;
mod memory;
mod remote;
pub mod url;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use store::Store;
use sys::RootDir;

pub(crate) use archive::time_of_url;
pub use archive::{Streamed, archive_file, is_archive_file, read_stream, read_url};
pub use checksum::{Checksum, ChecksumError};
pub use error::FetchError;
pub use git::{Git, GitError, GitRef, GitSettings};
pub use http::{Download, Http, HttpSettings};
pub use memory::Known;
pub(crate) use remote::RemoteFile;
pub use remote::{Access, download};

/// A directory that lives as long as somebody holds it.
#[derive(Clone, Debug)]
pub struct Fetched {
    _scratch: Arc<Scratch>,
    /// What it was made of, as the user named it.
    origin: String,
    /// A directory of the scratch.
    root: PathBuf,
    /// How old the whole is, in seconds since 1970: a commit's time, or that of the newest file of an archive.
    pub(crate) time: Option<i64>,
}

#[derive(Debug)]
struct Scratch {
    path: PathBuf,
    /// Whose lease covers the path.
    _store: Store,
}

impl Fetched {
    fn new(store: &Store, origin: &str) -> Result<Fetched, FetchError> {
        let path = store.temp_path()?;
        std::fs::create_dir(&path)
            .map_err(|source| FetchError::Directory { path: path.clone(), source })?;
        let scratch = Arc::new(Scratch { path: path.clone(), _store: store.clone() });
        Ok(Fetched { _scratch: scratch, origin: origin.to_owned(), root: path, time: None })
    }

    /// Means only a directory of it from now on. The path is one without links.
    fn enter(&mut self, path: &Path) {
        self.root.push(path.strip_prefix("/").unwrap_or(path));
    }

    pub fn path(&self) -> &Path {
        &self.root
    }

    /// See [`crate::plan`] for what SOURCE_DATE_EPOCH makes of it.
    pub fn time(&self) -> Option<i64> {
        self.time
    }

    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// A file of it; links do not lead out. None if it is not there.
    pub fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, FetchError> {
        let failed = |source| FetchError::Member {
            path: path.to_owned(),
            origin: self.origin.clone(),
            source,
        };
        let root = RootDir::open(self.path()).map_err(failed)?;
        let mut file = match root.open_file(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut bytes)
            .map_err(|source| FetchError::Read { origin: self.origin.clone(), source })?;
        Ok(Some(bytes))
    }
}

impl PartialEq for Fetched {
    fn eq(&self, other: &Fetched) -> bool {
        self.path() == other.path()
    }
}

impl Eq for Fetched {}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed goes when the store is next collected.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
