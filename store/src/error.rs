//! [`StoreError`]: what can go wrong with a store.
use std::io;
use std::path::{Path, PathBuf};

use sys::SysError;

use crate::digest::{DiffId, Digest};
use crate::platform::Platform;
use crate::snapshot::SnapshotId;

pub type Result<T, E = StoreError> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot {act} `{}`", path.display())]
    Io { act: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot {act}")]
    Sys { act: &'static str, source: SysError },
    #[error("`{}` is not a valid {what}", path.display())]
    Document { what: &'static str, path: PathBuf, source: serde_json::Error },
    #[error("the store `{}` has format {found}, this program knows format {known}", root.display())]
    Schema { root: PathBuf, found: u64, known: u64 },

    #[error("blob {digest} is not in the store")]
    BlobMissing { digest: Digest },
    #[error("blob {expected} has digest {actual}")]
    BlobCorrupt { expected: Digest, actual: Digest },
    #[error("blob {digest} was written to by somebody while it was read")]
    BlobChanged { digest: Digest },
    #[error("blob {digest} has {actual} bytes instead of {expected}")]
    BlobSize { digest: Digest, expected: u64, actual: u64 },
    #[error("cannot store {what}, which needs {size} bytes: {written} could be written")]
    Space { what: String, size: u64, written: u64, source: Box<StoreError> },
    #[error("cannot store {what}, which needs more than the {written} bytes that could be written")]
    SpaceUnknown { what: String, written: u64, source: Box<StoreError> },
    #[error("cannot read what should become a blob")]
    BlobSource { source: io::Error },
    #[error("{what} {digest} is not valid")]
    BlobDocument { what: &'static str, digest: Digest, source: serde_json::Error },
    #[error("{what} {digest} has {size} bytes, more than {limit}")]
    DocumentTooLarge { what: &'static str, digest: Digest, size: u64, limit: u64 },

    #[error("image `{name}` does not exist")]
    ImageNotFound { name: String },
    #[error("`{prefix}` is the beginning of several image IDs: {}", list(candidates))]
    AmbiguousId { prefix: String, candidates: Vec<Digest> },
    #[error("image {id} has several names: {}", names.join(", "))]
    SeveralNames { id: Digest, names: Vec<String> },
    #[error("image {id} is in use by {}", users.join(", "))]
    InUse { id: Digest, users: Vec<String> },
    #[error("`{name}` has a digest, so it cannot be given to an image")]
    NameWithDigest { name: String },
    #[error("image {digest} is for {}, not for {wanted}", list(offered))]
    NoPlatform { digest: Digest, wanted: Box<Platform>, offered: Vec<Platform> },
    #[error("manifest {manifest} lists {layers} layers, but its configuration {diff_ids}")]
    LayerCount { manifest: Digest, layers: usize, diff_ids: usize },
    #[error("`{media_type}` of {digest} is not {expected}")]
    MediaType { media_type: String, digest: Digest, expected: &'static str },
    #[error("{what} {digest} has schema version {version}, only 2 is supported")]
    DocumentVersion { what: &'static str, digest: Digest, version: u64 },

    #[error("layer {digest} has diff ID {actual}, the configuration says {expected}")]
    DiffId { digest: Digest, expected: DiffId, actual: DiffId },
    #[error("cannot unpack layer {digest}")]
    Unpack { digest: Digest, source: crate::layer::LayerError },
    #[error("cannot read layer {digest}")]
    Layer { digest: Digest, source: crate::layer::LayerError },
    #[error("cannot find out what was changed in `{}`", path.display())]
    Compare { path: PathBuf, source: crate::layer::LayerError },
    #[error("cannot compress layer {diff_id}")]
    Compress { diff_id: DiffId, source: io::Error },
    #[error("snapshot {id} does not exist")]
    SnapshotMissing { id: SnapshotId },
    #[error("`{text}` is not the name of a snapshot")]
    SnapshotName { text: String },
    #[error("the content of lease `{name}` is not valid: `{line}`")]
    Lease { name: String, line: String },
    #[error("`{text}` is not a name a lease can have")]
    LeaseName { text: String },

    #[error(transparent)]
    Archive(#[from] crate::archive::ArchiveError),
    #[error(transparent)]
    Reference(#[from] crate::reference::ReferenceError),
}

/// What `schema.json` is called.
pub(crate) const DESCRIPTION: &str = "store description";

impl StoreError {
    /// If it is for want of space, with what was to be stored. No `size`: only its end would have told.
    pub(crate) fn for_space_of(
        self,
        what: impl FnOnce() -> String,
        size: Option<u64>,
        written: u64,
    ) -> Self {
        if !is_full_disk(&self) {
            return self;
        }
        let (what, source) = (what(), Box::new(self));
        match size {
            Some(size) => StoreError::Space { what, size, written, source },
            None => StoreError::SpaceUnknown { what, written, source },
        }
    }

    /// Whether something is wrong with what an image is made of, and not with this machine.
    pub(crate) fn is_about_content(&self) -> bool {
        match self {
            StoreError::Unpack { source, .. } | StoreError::Layer { source, .. } => {
                !is_full_disk(self) && source.is_about_content()
            }
            StoreError::BlobCorrupt { .. }
            | StoreError::BlobSize { .. }
            | StoreError::BlobDocument { .. }
            | StoreError::DocumentTooLarge { .. }
            | StoreError::DocumentVersion { .. }
            | StoreError::NoPlatform { .. }
            | StoreError::LayerCount { .. }
            | StoreError::MediaType { .. }
            | StoreError::DiffId { .. }
            | StoreError::Archive(_) => true,
            _ => false,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            StoreError::AmbiguousId { .. } => Some("give more digits of the ID".to_owned()),
            StoreError::SeveralNames { .. } => {
                Some("remove the names one by one, or force it".to_owned())
            }
            StoreError::Schema { found, known, .. } if found > known => {
                Some("it was written by a newer version of this program".to_owned())
            }
            StoreError::Document { what: DESCRIPTION, .. } => {
                Some("`rbuild store check --repair` writes it anew".to_owned())
            }
            StoreError::BlobCorrupt { .. } | StoreError::BlobSize { .. } => {
                Some("`rbuild system check` lists everything that is damaged".to_owned())
            }
            _ => None,
        }
    }
}

/// Whether something failed for want of space.
pub fn is_full_disk(error: &(dyn std::error::Error + 'static)) -> bool {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut kinds = causes.filter_map(|cause| Some(cause.downcast_ref::<io::Error>()?.kind()));
    kinds.any(|kind| matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
}

/// Whether the disk itself could not give what is on it.
pub(crate) fn is_of_the_disk(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errors = [Errno::IO, Errno::UCLEAN, Errno::BADMSG];
    errors.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn list<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

/// For `map_err`: an I/O error with what was being done to which path.
pub(crate) fn io_error(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { act, path, source }
}

/// For `map_err`: a failed system call with what was being done.
pub(crate) fn sys_error(act: &'static str) -> impl FnOnce(SysError) -> StoreError {
    move |source| StoreError::Sys { act, source }
}
