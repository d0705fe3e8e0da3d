//! What is told of images that are pulled and pushed while building.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use store::Digest;
use store::registry::{BlobEvent, RegistryError, Watch};

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
    pub(super) fn tell<T>(
        &self,
        name: String,
        transfer: impl FnOnce(&dyn Watch) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let id = ProgressId(self.ids.fetch_add(1, Ordering::Relaxed));
        let begun = Instant::now();
        self.progress.event(BuildEvent::StepStarted { id, name });
        let result = transfer(&Blobs { teller: *self, id, moved: Mutex::default() });
        let elapsed = begun.elapsed();
        self.progress.event(match &result {
            Ok(_) => BuildEvent::StepDone { id, elapsed },
            Err(_) if self.cancel.is_cancelled() => BuildEvent::StepCancelled { id },
            Err(error) => BuildEvent::StepFailed { id, elapsed, error: error.to_string() },
        });
        result
    }
}

/// Adds up what is moved of all blobs.
struct Blobs<'a> {
    teller: Teller<'a>,
    id: ProgressId,
    moved: Mutex<BTreeMap<Digest, (u64, u64)>>,
}

impl Watch for Blobs<'_> {
    fn event(&self, digest: Digest, event: BlobEvent) {
        let BlobEvent::Moved { done, total } = event else { return };
        let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        moved.insert(digest, (done, total));
        let done = moved.values().map(|(done, _)| done).sum();
        let total = moved.values().map(|(_, total)| total).sum();
        let (id, what) = (self.id, "layers".to_owned());
        self.teller.progress.event(BuildEvent::StepProgress { id, what, done, total: Some(total) });
    }

    fn is_cancelled(&self) -> bool {
        self.teller.cancel.is_cancelled()
    }
}
