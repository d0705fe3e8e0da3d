//! What is told while blobs travel.
use std::sync::atomic::{AtomicBool, Ordering};

use crate::digest::Digest;

/// What became of a blob of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobEvent {
    /// It is one of those that the image needs; they are told of in the order of the image.
    Awaited,
    /// The other side has it already.
    Exists,
    /// The registry took it from another repository of its own.
    Mounted {
        from: String,
    },
    /// It is on its way.
    Moved {
        done: u64,
        total: u64,
    },
    /// So much of it was unpacked while it came.
    Unpacking {
        done: u64,
        total: u64,
    },
    Unpacked,
    /// The connection broke; what is there is kept.
    Retried {
        attempt: u32,
    },
    Done,
}

/// Is told from several threads at once.
pub trait Watch: Sync {
    fn event(&self, digest: Digest, event: BlobEvent);

    /// Looked at between pieces.
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// Ignores everything.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Watch for Silent {
    fn event(&self, _digest: Digest, _event: BlobEvent) {}
}

/// For what is no layer: nobody waits for a configuration.
pub(super) struct Untold<'a>(pub(super) &'a dyn Watch);

impl Watch for Untold<'_> {
    fn event(&self, _digest: Digest, _event: BlobEvent) {}

    fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

/// Ends everything that is on its way once something has failed.
pub(super) struct UntilFailed<'a> {
    pub(super) inner: &'a dyn Watch,
    pub(super) failed: &'a AtomicBool,
}

impl Watch for UntilFailed<'_> {
    fn event(&self, digest: Digest, event: BlobEvent) {
        self.inner.event(digest, event);
    }

    fn is_cancelled(&self) -> bool {
        self.failed.load(Ordering::Relaxed) || self.inner.is_cancelled()
    }
}
