//! [`State`]: the file system after a step, as a stack of layers.
//!
//! A layer exists as a blob (what COPY writes, what an image brings), as a snapshot (what RUN leaves), or as
//! both. The other form is made when somebody needs it: the snapshot when a process is to see the files, the
//! blob when the image is put together.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use store::layer::{LayerIndex, WhiteoutForm, apply};
use store::tree::{Tree, TreeContent, TreeLayer, Unpack};
use store::{ChainId, Descriptor, DiffId, Held, Image, SnapshotId, Store, StoreError};

/// Layers from bottom to top. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct State(Arc<Stack>);

#[derive(Debug, Default)]
struct Stack {
    layers: Vec<Arc<Layer>>,
    /// Made once, so that digests it computes are computed once.
    tree: OnceLock<Tree>,
}

/// One layer of a state; has a blob or a snapshot from the beginning.
#[derive(Debug)]
pub(crate) struct Layer {
    /// As first known: of a blob with offsets and digests, of a snapshot without.
    index: Arc<LayerIndex>,
    blob: OnceLock<LayerBlob>,
    snapshot: OnceLock<SnapshotId>,
    /// Where its files are, for layers of base images.
    content: Option<TreeContent>,
    /// The image it came with.
    image: Option<Arc<Image>>,
    unpacking: Mutex<()>,
}

/// A layer as stored bytes.
#[derive(Clone, Debug)]
pub(crate) struct LayerBlob {
    pub(crate) descriptor: Descriptor,
    pub(crate) diff_id: DiffId,
    /// With content digests; with offsets if the blob is a plain tar.
    pub(crate) index: Arc<LayerIndex>,
}

impl Layer {
    /// What was written as an archive.
    pub(crate) fn of_blob(blob: LayerBlob) -> Layer {
        Layer { blob: OnceLock::from(blob.clone()), ..Layer::new(blob.index) }
    }

    /// What a process left in the upper directory of its file system.
    pub(crate) fn of_snapshot(snapshot: SnapshotId, index: LayerIndex) -> Layer {
        Layer { snapshot: OnceLock::from(snapshot), ..Layer::new(Arc::new(index)) }
    }

    fn new(index: Arc<LayerIndex>) -> Layer {
        Layer {
            index,
            blob: OnceLock::new(),
            snapshot: OnceLock::new(),
            content: None,
            image: None,
            unpacking: Mutex::default(),
        }
    }

    /// With digests and offsets as soon as there is a blob.
    pub(crate) fn index(&self) -> &Arc<LayerIndex> {
        self.blob.get().map_or(&self.index, |blob| &blob.index)
    }

    pub(crate) fn blob(&self) -> Option<&LayerBlob> {
        self.blob.get()
    }

    /// Of two who made a blob of the same snapshot, the first is kept; both wrote the same bytes.
    pub(crate) fn set_blob(&self, blob: LayerBlob) -> &LayerBlob {
        self.blob.get_or_init(|| blob)
    }

    pub(crate) fn snapshot(&self) -> Option<&SnapshotId> {
        self.snapshot.get()
    }

    pub(crate) fn set_snapshot(&self, snapshot: SnapshotId) {
        let _same_content = self.snapshot.set(snapshot);
    }

    fn tree_layer(&self, store: &Store) -> Result<TreeLayer, StoreError> {
        let content = match (&self.content, self.snapshot.get(), self.blob.get()) {
            (Some(content), _, _) => content.clone(),
            (None, Some(snapshot), _) => TreeContent::Lazy(directory(store, snapshot)),
            (None, None, Some(blob)) => {
                TreeContent::Blob(Arc::new(store.open_blob(&blob.descriptor.digest)?))
            }
            (None, None, None) => TreeContent::Unavailable,
        };
        Ok(TreeLayer::new(self.index().clone(), content))
    }
}

/// Opened for each file: deep stacks would hold more descriptors than a process may have.
fn directory(store: &Store, snapshot: &SnapshotId) -> Arc<Unpack> {
    let (snapshotter, snapshot) = (store.snapshotter(), snapshot.clone());
    Arc::new(move || Ok(Arc::new(snapshotter.dir(&snapshot)?)))
}

impl State {
    /// `FROM scratch`
    pub(crate) fn empty() -> State {
        State::default()
    }

    /// The layers of an image, not unpacked.
    pub(crate) fn of_image(store: &Store, image: &Image) -> Result<State, StoreError> {
        let shared = Arc::new(image.clone());
        let tree = store.tree(image)?;
        let layers = image.layers().into_iter().zip(tree.layers()).map(|(layer, content)| {
            let index = content.index.clone();
            let (descriptor, diff_id) = (layer.descriptor, layer.diff_id);
            Arc::new(Layer {
                blob: OnceLock::from(LayerBlob { descriptor, diff_id, index: index.clone() }),
                content: Some(content.content.clone()),
                image: Some(shared.clone()),
                ..Layer::new(index)
            })
        });
        Ok(State::from_layers(layers.collect()))
    }

    fn from_layers(layers: Vec<Arc<Layer>>) -> State {
        State(Arc::new(Stack { layers, tree: OnceLock::new() }))
    }

    pub(crate) fn with(&self, layer: Arc<Layer>) -> State {
        let mut layers = self.0.layers.clone();
        layers.push(layer);
        State::from_layers(layers)
    }

    /// Bottom first.
    pub(crate) fn layers(&self) -> &[Arc<Layer>] {
        &self.0.layers
    }

    /// The files, without unpacking anything.
    pub(crate) fn tree(&self, store: &Store) -> Result<Tree, StoreError> {
        if let Some(tree) = self.0.tree.get() {
            return Ok(tree.clone());
        }
        let layers = self.0.layers.iter().map(|layer| layer.tree_layer(store));
        let tree = Tree::new(layers.collect::<Result<_, _>>()?);
        Ok(self.0.tree.get_or_init(|| tree).clone())
    }

    /// The layers as directories to mount, bottom first; those that are not unpacked yet are.
    pub(crate) fn snapshots(&self, store: &Store) -> Result<Vec<SnapshotId>, StoreError> {
        let mut snapshots = Vec::with_capacity(self.0.layers.len());
        for (number, layer) in self.0.layers.iter().enumerate() {
            let _one_at_a_time = layer.unpacking.lock().unwrap_or_else(PoisonError::into_inner);
            if layer.snapshot.get().is_none() {
                self.unpack(store, number, &snapshots)?;
            }
            snapshots.extend(layer.snapshot.get().cloned());
        }
        Ok(snapshots)
    }

    /// The stack up to and including layer `number`, if all its layers have been hashed.
    pub(crate) fn chain(&self, number: usize) -> Option<ChainId> {
        let layers = &self.0.layers[..=number];
        let diff_ids: Option<Vec<DiffId>> =
            layers.iter().map(|layer| layer.blob().map(|blob| blob.diff_id)).collect();
        ChainId::of(&diff_ids?)
    }

    /// Remembers what is known of the hashed layers: where they are unpacked and what they contain.
    pub(crate) fn record_chains(&self, store: &Store) -> Result<(), StoreError> {
        for (number, layer) in self.0.layers.iter().enumerate() {
            if layer.image.is_some() {
                continue;
            }
            let (Some(chain), Some(blob)) = (self.chain(number), layer.blob()) else { break };
            store.put_layer_index(chain, blob.index.clone())?;
            if let Some(snapshot) = layer.snapshot() {
                store.set_snapshot_of_chain(chain, snapshot)?;
            }
        }
        Ok(())
    }

    fn unpack(&self, store: &Store, number: usize, below: &[SnapshotId]) -> Result<(), StoreError> {
        let layer = &self.0.layers[number];
        if let Some(image) = &layer.image {
            let stored = store.unpack(image)?;
            for (layer, stored) in self.0.layers.iter().zip(stored) {
                layer.set_snapshot(stored.snapshot);
            }
            return Ok(());
        }
        let chain = self.chain(number);
        if let Some(chain) = chain
            && let Some(known) = store.snapshot_of_chain(chain)?
        {
            layer.set_snapshot(known);
            return Ok(());
        }
        let Some(blob) = layer.blob() else { return Ok(()) };
        let digest = blob.descriptor.digest;
        if !store.hold(Held::Blob(digest))? {
            return Err(StoreError::BlobMissing { digest });
        }
        let active = store.snapshotter().prepare(below)?;
        let parents = State::from_layers(self.0.layers[..number].to_vec()).tree(store)?;
        let reader = store.open_layer(&blob.descriptor)?;
        apply(
            reader,
            &active.upper,
            &parents,
            WhiteoutForm::Overlay,
            store::id_map::IdMap::default(),
        )
        .map_err(|source| StoreError::Unpack { digest, source })?;
        let snapshot = store.snapshotter().commit(active)?;
        if let Some(chain) = chain {
            store.set_snapshot_of_chain(chain, &snapshot)?;
        }
        layer.set_snapshot(snapshot);
        Ok(())
    }
}
