//! The layers of an image: several come at once, and while they do they are unpacked, the lowest first.
use std::collections::HashSet;
use std::io::Read;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::AT_ONCE;
use super::client::Client;
use super::coming::Coming;
use super::error::Failure;
use super::watch::{BlobEvent, UntilFailed, Watch};
use crate::blob::SealedBlob;
use crate::error::{Result as StoreResult, StoreError};
use crate::image::ImageLayer;
use crate::lease::Held;
use crate::open::Store;
use crate::staged::{Source, Staged};

/// Layers that are wanted.
pub(super) struct Layers<'a> {
    pub(super) store: &'a Store,
    pub(super) client: &'a Client,
    pub(super) watch: &'a dyn Watch,
    pub(super) layers: &'a [ImageLayer],
    pub(super) unpack: bool,
    /// Bytes that a layer may have unpacked.
    pub(super) most: u64,
}

/// Nobody sees any of it yet.
#[derive(Debug, Default)]
pub(super) struct Got {
    pub(super) blobs: Vec<SealedBlob>,
    pub(super) staged: Staged,
}

impl Layers<'_> {
    pub(super) fn get(&self) -> Result<Got, Failure> {
        let mut seen = HashSet::new();
        let each = self.layers.iter().map(|layer| &layer.descriptor);
        let coming: Vec<Coming> =
            each.filter(|layer| seen.insert(layer.digest)).map(Coming::new).collect();
        coming.iter().for_each(|layer| self.watch.event(layer.blob.digest, BlobEvent::Awaited));
        let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let done: Mutex<Vec<Result<SealedBlob, Failure>>> = Mutex::default();
        let watch = UntilFailed { inner: self.watch, failed: &failed };
        let staged = std::thread::scope(|scope| {
            for _ in 0..AT_ONCE.min(coming.len()) {
                scope.spawn(|| {
                    while let Some(layer) = coming.get(next.fetch_add(1, Ordering::Relaxed))
                        && !watch.is_cancelled()
                    {
                        let result = self.download(layer, &watch).transpose();
                        failed.fetch_or(matches!(result, Some(Err(_))), Ordering::Relaxed);
                        done.lock().unwrap_or_else(PoisonError::into_inner).extend(result);
                    }
                });
            }
            let staged =
                if self.unpack { self.stage(&coming, &watch) } else { Ok(Staged::default()) };
            failed.fetch_or(staged.is_err(), Ordering::Relaxed);
            staged
        });
        let (mut blobs, mut failures) = (Vec::new(), Vec::new());
        for result in done.into_inner().unwrap_or_else(PoisonError::into_inner) {
            match result {
                Ok(sealed) => blobs.push(sealed),
                Err(failure) => failures.push(failure),
            }
        }
        // The others ended because of the first, and so did unpacking if that failed too.
        failures.retain(|failure| !matches!(failure, Failure::Cancelled));
        match (failures.into_iter().next(), staged) {
            (Some(failure), _) => Err(failure),
            _ if self.watch.is_cancelled() => Err(Failure::Cancelled),
            (None, staged) => Ok(Got { blobs, staged: staged? }),
        }
    }

    fn download(&self, layer: &Coming, watch: &dyn Watch) -> Result<Option<SealedBlob>, Failure> {
        let got = self.fetch(layer, watch);
        let digest = layer.blob.digest;
        match &got {
            Ok(None) => {
                watch.event(digest, BlobEvent::Exists);
                layer.is_stored();
            }
            Ok(Some(sealed)) => {
                watch.event(digest, BlobEvent::Done);
                layer.is_whole(sealed.path());
                sealed.sync()?;
            }
            Err(_) => layer.is_gone(),
        }
        got
    }

    /// Nothing where the store has it.
    fn fetch(&self, layer: &Coming, watch: &dyn Watch) -> Result<Option<SealedBlob>, Failure> {
        if self.store.hold(Held::Blob(layer.blob.digest))? {
            return Ok(None);
        }
        self.client.blob(self.store, &layer.blob, watch, Some(layer)).map(Some)
    }

    fn stage(&self, coming: &[Coming], watch: &dyn Watch) -> StoreResult<Staged> {
        let mut source = AsTheyCome { store: self.store, coming, watch, current: None };
        let staged = self.store.stage(self.layers, &mut source, self.most);
        // What could not be unpacked may not be what it should be; then that is the reason.
        if let (Err(_), Some(current)) = (&staged, source.current) {
            current.settle(watch);
        }
        staged
    }
}

struct AsTheyCome<'a> {
    store: &'a Store,
    coming: &'a [Coming],
    watch: &'a dyn Watch,
    current: Option<&'a Coming>,
}

impl<'a> Source<'a> for AsTheyCome<'a> {
    fn open(&mut self, layer: &ImageLayer) -> StoreResult<Box<dyn Read + Send + 'a>> {
        let digest = layer.descriptor.digest;
        let coming = self.coming.iter().find(|coming| coming.blob.digest == digest);
        let coming = coming.ok_or(StoreError::BlobMissing { digest })?;
        self.current = Some(coming);
        coming.open(self.store, self.watch)
    }

    fn unpacked(&mut self, layer: &ImageLayer) {
        self.watch.event(layer.descriptor.digest, BlobEvent::Unpacked);
    }
}
