//! Blobs that this process wrote. It hashed them while it wrote them, so to read them is not to hash them again, as long as
//! the file is the one it made and nobody has written to it since.
//!
//! Who writes to a file, cuts it or puts another one in its place changes what [`Stamp`] has. That is asked before such a blob is read
//! and again afterwards. What remains is a write before the blob got its name or within that tick of the kernel's
//! clock (4 ms), and a disk that gives back other bytes than it took: for both every reader of what was written checks the digest.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, PoisonError};

use crate::blob::BlobInfo;
use crate::digest::Digest;
use crate::error::{Result, StoreError, io_error};
use crate::open::Store;
use crate::validate::digest_of;

#[derive(Debug, Default)]
pub(crate) struct OwnBlobs(Mutex<HashMap<Digest, Stamp>>);

/// Which file it is, and when anything about it changed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(file: &Metadata) -> Stamp {
        Stamp {
            file: (file.dev(), file.ino()),
            size: file.size(),
            written: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

impl Store {
    /// This process wrote the blob, which has just got its name.
    pub(crate) fn note_own(&self, blob: BlobInfo) {
        // What cannot be looked at now is hashed later.
        let Ok(found) = fs::symlink_metadata(self.blob_path(&blob.digest)) else { return };
        let stamp = Stamp::of(&found);
        if stamp.size == blob.size {
            let own = &self.inner.own.0;
            own.lock().unwrap_or_else(PoisonError::into_inner).insert(blob.digest, stamp);
        }
    }

    /// Whether `file`, the blob, is as this process wrote it.
    pub(crate) fn is_own(&self, digest: &Digest, file: &File) -> bool {
        let own = self.inner.own.0.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = own.get(digest);
        stamp.is_some_and(|stamp| file.metadata().is_ok_and(|found| Stamp::of(&found) == *stamp))
    }

    /// The digest of an own blob that has been read: its name. Nobody knows what was read if somebody has written to it meanwhile. Who
    /// has taken its name away, or put the same blob in its place, has not: it is hashed to be sure.
    pub(crate) fn own_digest(&self, digest: &Digest, file: &File) -> Result<Digest> {
        if self.is_own(digest, file) {
            return Ok(*digest);
        }
        let path = self.blob_path(digest);
        let found = file.metadata().map_err(io_error("read the blob", &path))?;
        if !self.is_written_as_own(digest, &Stamp::of(&found)) {
            return Err(StoreError::BlobChanged { digest: *digest });
        }
        // The file that was read, whatever has its name.
        digest_of(format!("/proc/self/fd/{}", file.as_raw_fd()).as_ref())
            .map_err(io_error("read the blob", &path))
    }

    /// But for who names it and may read it.
    fn is_written_as_own(&self, digest: &Digest, found: &Stamp) -> bool {
        let own = self.inner.own.0.lock().unwrap_or_else(PoisonError::into_inner);
        own.get(digest).is_some_and(|stamp| Stamp { changed: found.changed, ..*stamp } == *found)
    }
}
