//! What is told of images that are pulled and pushed while building.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use store::Digest;
use store::registry::{BlobEvent, Watch};

use crate::cancel::Cancel;
use crate::progress::{BuildEvent, Progress, ProgressId};

/// Whom to tell, and who may end it.
#[derive(Clone, Copy)]
pub(super) struct Teller<'a> {
    pub(super) progress: &'a dyn Progress,
    pub(super) ids: &'a AtomicU64,
    pub(super) cancel: &'a Cancel,
}

impl std::fmt::Debug for Teller<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Teller").finish_non_exhaustive()
    }
}

impl Teller<'_> {
    /// Tells of a transfer as of a step.
    pub(super) fn tell<T, E: std::fmt::Display>(
        &self,
        name: String,
        transfer: impl FnOnce(&dyn Watch) -> Result<T, E>,
    ) -> Result<T, E> {
        let id = ProgressId(self.ids.fetch_add(1, Ordering::Relaxed));
        let begun = Instant::now();
        self.progress.event(BuildEvent::StepStarted { id, name });
        let result = transfer(&Blobs { teller: *self, id });
        let elapsed = begun.elapsed();
        self.progress.event(match &result {
            Ok(_) => BuildEvent::StepDone { id, elapsed },
            Err(_) if self.cancel.is_cancelled() => BuildEvent::StepCancelled { id },
            Err(error) => BuildEvent::StepFailed { id, elapsed, error: error.to_string() },
        });
        result
    }
}

struct Blobs<'a> {
    teller: Teller<'a>,
    id: ProgressId,
}

impl Watch for Blobs<'_> {
    fn event(&self, digest: Digest, event: BlobEvent) {
        let id = self.id;
        match event {
            BlobEvent::Moved { done, total } => {
                self.teller.progress.event(BuildEvent::LayerMoved { id, digest, done, total });
            }
            BlobEvent::Unpacked => {
                self.teller.progress.event(BuildEvent::LayerUnpacked { id, digest });
            }
            _ => {}
        }
    }

    fn is_cancelled(&self) -> bool {
        self.teller.cancel.is_cancelled()
    }
}
