//! The layers of an image as indexes and snapshots, made when first asked for.
//!
//! Both belong to a *chain* ID: where a layer's entries land depends on symbolic links in the layers below.
//! Concurrent callers in this process make them once; of concurrent processes the last to finish is recorded,
//! and the other's work is garbage. A diff ID is checked whenever a layer is read to its end.
use std::collections::HashMap;
use std::fs::{self, File};
use std::hash::Hash;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use sys::RootDir;

use crate::ahead::{self, Ahead};
use crate::descriptor::Descriptor;
use crate::digest::{ChainId, DiffId};
use crate::error::{Result, StoreError, io_error};
use crate::id_map::IdMap;
use crate::image::{Image, ImageLayer};
use crate::layer::{LayerError, LayerIndex, apply, decompressor, holes, index_layer};
use crate::media_type;
use crate::open::Store;
use crate::snapshot::{SnapshotId, Snapshotter};
use crate::tree::{Tree, TreeContent, TreeLayer};

/// A layer unpacked.
#[derive(Clone, Debug)]
pub struct StoredLayer {
    pub diff_id: DiffId,
    /// The stack that this layer is the top of.
    pub chain_id: ChainId,
    pub descriptor: Descriptor,
    pub snapshot: SnapshotId,
    pub index: Arc<LayerIndex>,
}

/// What the handle knows of layers: one slot for each stack, locked while it is being made.
#[derive(Debug, Default)]
pub(crate) struct KnownLayers {
    indexes: Slots<ChainId, Option<Arc<LayerIndex>>>,
    unpacking: Slots<ChainId, ()>,
}

#[derive(Debug)]
struct Slots<K, V>(Mutex<HashMap<K, Arc<Mutex<V>>>>);

impl Store {
    /// The layers of an image as snapshots, bottom first; those not unpacked yet are.
    pub fn unpack(&self, image: &Image) -> Result<Vec<StoredLayer>> {
        self.hold_image(image)?;
        let snapshotter = self.snapshotter();
        let (mut stored, mut parents) = (Vec::<StoredLayer>::new(), Vec::new());
        let mut tree = Tree::default();
        for layer in image.layers() {
            let unpacked = self.unpack_layer(&*snapshotter, &layer, &parents, &tree)?;
            let dir = Arc::new(snapshotter.dir(&unpacked.snapshot)?);
            tree = tree.with_layer(TreeLayer::new(unpacked.index.clone(), TreeContent::Dir(dir)));
            parents.push(unpacked.snapshot.clone());
            stored.push(unpacked);
        }
        Ok(stored)
    }

    /// What the layers of an image contain, bottom first, without unpacking any.
    pub fn layer_indexes(&self, image: &Image) -> Result<Vec<Arc<LayerIndex>>> {
        self.hold_image(image)?;
        let mut indexes = Vec::new();
        let mut tree = Tree::default();
        for layer in image.layers() {
            let index = self.layer_index(&layer, &tree)?;
            tree = tree.with_layer(TreeLayer::new(index.clone(), TreeContent::Unavailable));
            indexes.push(index);
        }
        Ok(indexes)
    }

    /// The files of an image without mounting it. Contents are read from plain layers' blobs and from what is
    /// unpacked; other layers are unpacked when a file of theirs is first read.
    pub fn tree(&self, image: &Image) -> Result<Tree> {
        let indexes = self.layer_indexes(image)?;
        let mut layers = Vec::new();
        for (number, (layer, index)) in image.layers().iter().zip(indexes).enumerate() {
            let content = self.layer_content(image, layer, number)?;
            layers.push(TreeLayer::new(index, content));
        }
        Ok(Tree::new(layers))
    }

    /// Remembers what the topmost layer of the stack `chain` contains.
    pub fn put_layer_index(&self, chain: ChainId, index: Arc<LayerIndex>) -> Result<()> {
        self.replace_file_by(&self.index_path(chain), |file| index.write_to(file))?;
        let slot = self.inner.layers.indexes.slot(chain);
        *slot.lock().unwrap_or_else(|e| e.into_inner()) = Some(index);
        Ok(())
    }

    /// The uncompressed tar of a layer.
    pub fn open_layer(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>> {
        let file = self.open_blob(&descriptor.digest)?;
        if media_type::is_plain_layer(&descriptor.media_type) {
            return Ok(holes::reader(file));
        }
        decompressor(file).map_err(io_error("read the layer", &self.blob_path(&descriptor.digest)))
    }

    fn unpack_layer(
        &self,
        snapshotter: &dyn Snapshotter,
        layer: &ImageLayer,
        parents: &[SnapshotId],
        tree: &Tree,
    ) -> Result<StoredLayer> {
        let ImageLayer { descriptor, diff_id, chain_id } = layer.clone();
        let slot = self.inner.layers.unpacking.slot(chain_id);
        let _unpacking = slot.lock().unwrap_or_else(|e| e.into_inner());
        let (snapshot, index) = match self.snapshot_of_chain(chain_id)? {
            Some(snapshot) => (snapshot, self.layer_index(layer, tree)?),
            None => self.apply_layer(snapshotter, layer, parents, tree)?,
        };
        Ok(StoredLayer { diff_id, chain_id, descriptor, snapshot, index })
    }

    fn apply_layer(
        &self,
        snapshotter: &dyn Snapshotter,
        layer: &ImageLayer,
        parents: &[SnapshotId],
        tree: &Tree,
    ) -> Result<(SnapshotId, Arc<LayerIndex>)> {
        let digest = layer.descriptor.digest;
        let active = snapshotter.stage(parents)?;
        let form = snapshotter.whiteouts();
        let plain = self.open_layer(&layer.descriptor)?;
        let index = read_through(layer, plain, |plain| {
            apply(plain, &active.upper, tree, form, IdMap::default())
                .map_err(|source| StoreError::Unpack { digest, source })
        })?;
        let index = Arc::new(index);
        self.put_layer_index(layer.chain_id, index.clone())?;
        let snapshot = snapshotter.commit(active)?;
        self.note_files(index.len());
        self.set_snapshot_of_chain(layer.chain_id, &snapshot)?;
        Ok((snapshot, index))
    }

    /// From memory, from the cache, or by reading the layer through.
    fn layer_index(&self, layer: &ImageLayer, parents: &Tree) -> Result<Arc<LayerIndex>> {
        let slot = self.inner.layers.indexes.slot(layer.chain_id);
        let mut known = slot.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(index) = &*known {
            return Ok(index.clone());
        }
        let index = match self.cached_index(layer.chain_id)? {
            Some(index) => Arc::new(index),
            None => {
                let index = self.read_index_of(layer, parents)?;
                let path = self.index_path(layer.chain_id);
                self.replace_file_by(&path, |file| index.write_to(file))?;
                Arc::new(index)
            }
        };
        *known = Some(index.clone());
        Ok(index)
    }

    fn read_index_of(&self, layer: &ImageLayer, parents: &Tree) -> Result<LayerIndex> {
        let digest = layer.descriptor.digest;
        read_through(layer, self.open_layer(&layer.descriptor)?, |plain| {
            index_layer(plain, parents).map_err(|source| StoreError::Layer { digest, source })
        })
    }

    pub(crate) fn cached_index(&self, chain: ChainId) -> Result<Option<LayerIndex>> {
        let path = self.index_path(chain);
        match fs::read(&path) {
            // A damaged one is made again.
            Ok(bytes) => Ok(LayerIndex::from_vec(bytes).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error("read the layer index", &path)(error)),
        }
    }

    fn layer_content(
        &self,
        image: &Image,
        layer: &ImageLayer,
        number: usize,
    ) -> Result<TreeContent> {
        if let Some(id) = self.snapshot_of_chain(layer.chain_id)? {
            return Ok(TreeContent::Dir(Arc::new(self.snapshotter().dir(&id)?)));
        }
        let (store, image_of_layer) = (self.clone(), image.clone());
        let unpack = Arc::new(move || -> Result<Arc<RootDir>, crate::tree::UnpackError> {
            let layers = store.unpack(&image_of_layer)?;
            Ok(Arc::new(store.snapshotter().dir(&layers[number].snapshot)?))
        });
        if media_type::is_plain_layer(&layer.descriptor.media_type) {
            let file: File = self.open_blob(&layer.descriptor.digest)?;
            return Ok(TreeContent::BlobOrLazy(Arc::new(file), unpack));
        }
        Ok(TreeContent::Lazy(unpack))
    }

    pub(crate) fn index_path(&self, chain: ChainId) -> PathBuf {
        self.sub("cache/indexes").join(chain.digest().hex())
    }
}

/// Lets `work` read the uncompressed layer, and checks the diff ID of what it has read.
pub(crate) fn read_through<T>(
    layer: &ImageLayer,
    plain: impl Read + Send,
    work: impl FnOnce(&mut Ahead) -> Result<T>,
) -> Result<T> {
    let digest = layer.descriptor.digest;
    let failed = |source| StoreError::Layer { digest, source: LayerError::Read { source } };
    let read = ahead::hashed(plain, work).map_err(failed)??;
    let (expected, actual) = (layer.diff_id, DiffId(read.digest));
    match actual == expected {
        true => Ok(read.result),
        false => Err(StoreError::DiffId { digest, expected, actual }),
    }
}

impl<K: Eq + Hash, V: Default> Slots<K, V> {
    fn slot(&self, key: K) -> Arc<Mutex<V>> {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).entry(key).or_default().clone()
    }
}

impl<K, V> Default for Slots<K, V> {
    fn default() -> Self {
        Slots(Mutex::default())
    }
}
