//! Why a source could not be had.

use std::io;
use std::path::PathBuf;

use store::StoreError;
use store::layer::LayerError;

#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("cannot create `{}`", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("cannot unpack {origin}")]
    Archive { origin: String, source: LayerError },
    #[error("cannot open the directory {origin} is unpacked into")]
    Open { origin: String, source: sys::SysError },
    #[error("cannot read {origin}")]
    Read { origin: String, source: io::Error },
    #[error("cannot read `{}` of {origin}", path.display())]
    Member { path: PathBuf, origin: String, source: sys::SysError },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl FetchError {
    pub fn hint(&self) -> Option<String> {
        match self {
            FetchError::Store(error) => error.hint(),
            _ => None,
        }
    }
}
