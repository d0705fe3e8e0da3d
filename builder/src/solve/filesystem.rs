//! [`Filesystem`]: the state of a stage between two steps.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};

use store::id_map::IdMap;
use store::layer::{LayerIndex, apply};
use store::tree::{Tree, TreeContent, TreeLayer};
use store::{ChainId, Descriptor, DiffId, Image, SnapshotId, Store};

use crate::cache::{Cache, KeyBuilder, Record, StepKey};
use crate::execute::{NewLayer, StepError};

/// Layers from the base image and from steps, bottom first. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Filesystem {
    /// How it was made; see [`crate::cache`].
    pub(crate) key: StepKey,
    pub(crate) base: Option<Arc<BaseImage>>,
    pub(crate) layers: Vec<Arc<Layer>>,
}

/// An image that a stage starts from or copies from.
#[derive(Debug)]
pub(crate) struct BaseImage {
    pub(crate) image: Image,
    tree: OnceLock<Tree>,
    snapshots: Mutex<Option<Vec<SnapshotId>>>,
}

impl BaseImage {
    pub(crate) fn new(image: Image) -> BaseImage {
        BaseImage { image, tree: OnceLock::new(), snapshots: Mutex::default() }
    }

    fn tree(&self, store: &Store) -> Result<Tree, StepError> {
        if let Some(tree) = self.tree.get() {
            return Ok(tree.clone());
        }
        let tree = store.tree(&self.image)?;
        Ok(self.tree.get_or_init(|| tree).clone())
    }

    fn snapshots(&self, store: &Store) -> Result<Vec<SnapshotId>, StepError> {
        let mut snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        if snapshots.is_none() {
            let layers = store.unpack(&self.image)?;
            *snapshots = Some(layers.into_iter().map(|layer| layer.snapshot).collect());
        }
        Ok(snapshots.clone().unwrap_or_default())
    }
}

/// A layer made by a step of this build or an earlier one. A RUN's is sealed (made a tar) while the
/// next steps run already.
#[derive(Debug)]
pub(crate) struct Layer {
    /// When it was made, in seconds since 1970.
    pub(crate) created: i64,
    sealed: Mutex<Option<Result<Sealed, String>>>,
    ready: Condvar,
    /// What the step itself left: a RUN's, which is on one state alone.
    made: Option<SnapshotId>,
    /// Where it was unpacked, by the snapshot below: the same layer may be on several states (`--link`).
    unpacked: Mutex<HashMap<Option<SnapshotId>, SnapshotId>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    pub(crate) diff_id: DiffId,
    pub(crate) descriptor: Descriptor,
    index: Arc<LazyIndex>,
    /// Opened once: deep stacks are looked at from many steps at a time.
    file: Arc<OnceLock<Arc<File>>>,
}

/// Read from the cache's record when something asks for it.
#[derive(Debug)]
struct LazyIndex {
    value: OnceLock<Arc<LayerIndex>>,
    file: Option<PathBuf>,
}

impl Sealed {
    pub(crate) fn new(layer: NewLayer) -> Sealed {
        let index = LazyIndex { value: OnceLock::from(layer.index.clone()), file: None };
        let (diff_id, file) = (layer.diff_id(), Arc::default());
        Sealed { diff_id, descriptor: layer.descriptor, index: Arc::new(index), file }
    }

    pub(crate) fn recorded(record: &Record, cache: &Cache) -> Sealed {
        let index = LazyIndex { value: OnceLock::new(), file: Some(cache.index_path(record)) };
        Sealed {
            diff_id: record.diff_id,
            descriptor: record.descriptor.clone(),
            index: Arc::new(index),
            file: Arc::default(),
        }
    }

    pub(crate) fn open(&self, store: &Store) -> Result<Arc<File>, StepError> {
        if let Some(file) = self.file.get() {
            return Ok(file.clone());
        }
        let file = Arc::new(store.open_blob(&self.descriptor.digest)?);
        Ok(self.file.get_or_init(|| file).clone())
    }

    pub(crate) fn index(&self) -> Result<Arc<LayerIndex>, StepError> {
        match (self.index.value.get(), &self.index.file) {
            (Some(index), _) => Ok(index.clone()),
            (None, Some(file)) => {
                let index = Arc::new(Cache::index_at(file)?);
                Ok(self.index.value.get_or_init(|| index).clone())
            }
            (None, None) => Ok(Arc::default()),
        }
    }

    /// Whether this build made it.
    pub(crate) fn is_new(&self) -> bool {
        self.index.file.is_none()
    }
}

impl Layer {
    pub(crate) fn sealed_now(sealed: Sealed, created: i64, snapshot: Option<SnapshotId>) -> Layer {
        Layer {
            created,
            sealed: Mutex::new(Some(Ok(sealed))),
            ready: Condvar::new(),
            made: snapshot,
            unpacked: Mutex::default(),
        }
    }

    pub(crate) fn unsealed(created: i64, snapshot: SnapshotId) -> Layer {
        Layer {
            created,
            sealed: Mutex::default(),
            ready: Condvar::new(),
            made: Some(snapshot),
            unpacked: Mutex::default(),
        }
    }

    pub(crate) fn seal(&self, sealed: Result<Sealed, String>) {
        *self.sealed.lock().unwrap_or_else(PoisonError::into_inner) = Some(sealed);
        self.ready.notify_all();
    }

    /// Lets nobody wait for a seal that will not come. To be kept by the thread that seals.
    pub(crate) fn sealing(self: &Arc<Layer>) -> Sealing {
        Sealing(self.clone())
    }

    /// What the step itself left, if it left any.
    pub(crate) fn snapshot(&self) -> Option<SnapshotId> {
        self.made.clone()
    }

    /// Waits until it is sealed.
    pub(crate) fn sealed(&self) -> Result<Sealed, StepError> {
        let mut sealed = self.sealed.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match &*sealed {
                Some(Ok(sealed)) => return Ok(sealed.clone()),
                Some(Err(message)) => {
                    return Err(StepError::Sealing { message: message.clone() });
                }
                None => sealed = self.ready.wait(sealed).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// Dropped without a seal, it says that there is none.
#[derive(Debug)]
pub(crate) struct Sealing(Arc<Layer>);

impl Drop for Sealing {
    fn drop(&mut self) {
        let mut sealed = self.0.sealed.lock().unwrap_or_else(PoisonError::into_inner);
        sealed.get_or_insert_with(|| Err("writing the layer was given up".to_owned()));
        self.0.ready.notify_all();
    }
}

impl Filesystem {
    pub(crate) fn scratch() -> Filesystem {
        let key = KeyBuilder::new("scratch").finish();
        Filesystem { key, base: None, layers: Vec::new() }
    }

    pub(crate) fn of_image(base: Arc<BaseImage>) -> Filesystem {
        let diff_ids = &base.image.config.rootfs.diff_ids;
        let parts = diff_ids.iter();
        let key = parts.fold(KeyBuilder::new("image"), |key, id| key.part(id.0.as_bytes()));
        Filesystem { key: key.finish(), base: Some(base), layers: Vec::new() }
    }

    pub(crate) fn with(&self, key: StepKey, layer: Arc<Layer>) -> Filesystem {
        let mut layers = self.layers.clone();
        layers.push(layer);
        Filesystem { key, base: self.base.clone(), layers }
    }

    /// The merged view; waits for layers that are being sealed.
    pub(crate) fn tree(&self, store: &Store) -> Result<Tree, StepError> {
        let base = match &self.base {
            Some(base) => base.tree(store)?,
            None => Tree::default(),
        };
        let layer = |layer: &Arc<Layer>| {
            let sealed = layer.sealed()?;
            let content = TreeContent::Blob(sealed.open(store)?);
            Ok(TreeLayer::new(sealed.index()?, content))
        };
        let layers: Result<_, StepError> = self.layers.iter().map(layer).collect();
        Ok(base.with_layers(layers?))
    }

    /// Snapshots of all layers, bottom first; those that do not exist are made.
    pub(crate) fn snapshots(&self, store: &Store) -> Result<Vec<SnapshotId>, StepError> {
        let mut stack = match &self.base {
            Some(base) => base.snapshots(store)?,
            None => Vec::new(),
        };
        for (number, layer) in self.layers.iter().enumerate() {
            let snapshot = match layer.snapshot() {
                Some(made) => made,
                None => self.unpacked(store, number, &stack)?,
            };
            stack.push(snapshot);
        }
        Ok(stack)
    }

    /// The snapshot of a layer above the stack `below`.
    fn unpacked(
        &self,
        store: &Store,
        number: usize,
        below: &[SnapshotId],
    ) -> Result<SnapshotId, StepError> {
        let layer = &self.layers[number];
        let mut known = layer.unpacked.lock().unwrap_or_else(PoisonError::into_inner);
        let top = below.last().cloned();
        if let Some(snapshot) = known.get(&top) {
            return Ok(snapshot.clone());
        }
        let layers = self.layers[..number].to_vec();
        let snapshot = Filesystem { layers, ..self.clone() }.unpack(store, layer, below)?;
        Ok(known.entry(top).or_insert(snapshot).clone())
    }

    fn unpack(
        &self,
        store: &Store,
        layer: &Layer,
        stack: &[SnapshotId],
    ) -> Result<SnapshotId, StepError> {
        let sealed = layer.sealed()?;
        let chain = ChainId::on(self.chain_id()?, sealed.diff_id);
        if let Some(known) = store.snapshot_of_chain(chain)? {
            return Ok(known);
        }
        let snapshotter = store.snapshotter();
        let active = snapshotter.stage(stack)?;
        let reader = std::io::BufReader::new(store.open_layer(&sealed.descriptor)?);
        let form = snapshotter.whiteouts();
        let index = apply(reader, &active.upper, &self.tree(store)?, form, IdMap::Identity)?;
        let id = snapshotter.commit(active)?;
        store.note_files(index.len());
        store.set_snapshot_of_chain(chain, &id)?;
        Ok(id)
    }

    pub(crate) fn diff_ids(&self) -> Result<Vec<DiffId>, StepError> {
        let base = self.base.as_ref();
        let mut ids = base.map(|b| b.image.config.rootfs.diff_ids.clone()).unwrap_or_default();
        for layer in &self.layers {
            ids.push(layer.sealed()?.diff_id);
        }
        Ok(ids)
    }

    fn chain_id(&self) -> Result<Option<ChainId>, StepError> {
        Ok(ChainId::of(&self.diff_ids()?))
    }
}
