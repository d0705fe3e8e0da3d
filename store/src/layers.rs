//! The layers of an image as snapshots and indexes, made when first asked for.
use std::io::Read;
use std::sync::Arc;

use crate::descriptor::Descriptor;
use crate::digest::DiffId;
use crate::error::Result;
use crate::image::Image;
use crate::layer::LayerIndex;
use crate::open::Store;
use crate::snapshot::SnapshotId;

/// A layer unpacked.
#[derive(Clone, Debug)]
pub struct StoredLayer {
    pub diff_id: DiffId,
    pub descriptor: Descriptor,
    pub snapshot: SnapshotId,
    pub index: Arc<LayerIndex>,
}

impl Store {
    /// The layers of an image as snapshots, bottom first; those not unpacked yet are. Concurrent callers unpack
    /// a layer once.
    pub fn unpack(&self, image: &Image) -> Result<Vec<StoredLayer>> {
        todo!("{image:?}")
    }

    /// What a layer contains, from the cache or by reading it through.
    pub fn layer_index(&self, descriptor: &Descriptor, diff_id: DiffId) -> Result<Arc<LayerIndex>> {
        todo!("{descriptor:?} {diff_id}")
    }

    /// Remembers what a layer contains.
    pub fn put_layer_index(&self, diff_id: DiffId, index: Arc<LayerIndex>) -> Result<()> {
        todo!("{diff_id} {index:?}")
    }

    /// The uncompressed tar of a layer.
    pub fn open_layer(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>> {
        todo!("{descriptor:?}")
    }
}
