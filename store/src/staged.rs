//! Layers unpacked before their image is in the store: while their blobs are still coming. Nobody sees them before they
//! are committed, and dropped they leave nothing.
use std::io::{self, Read};
use std::sync::{Arc, OnceLock};

use sys::RootDir;

use crate::digest::ChainId;
use crate::error::{Result, StoreError, is_full_disk, sys_error};
use crate::id_map::IdMap;
use crate::image::ImageLayer;
use crate::layer::{LayerError, LayerIndex, apply, decompressor};
use crate::layers::read_through;
use crate::media_type;
use crate::open::Store;
use crate::snapshot::{ActiveSnapshot, SnapshotId, Snapshotter};
use crate::tree::{Tree, TreeContent, TreeLayer};

/// The topmost layers of an image, bottom first; those below are snapshots already.
#[derive(Debug, Default)]
pub(crate) struct Staged {
    layers: Vec<StagedLayer>,
}

#[derive(Debug)]
struct StagedLayer {
    chain_id: ChainId,
    active: ActiveSnapshot,
    index: Arc<LayerIndex>,
}

/// Where the bytes of layers come from, one after the other.
pub(crate) trait Source<'a> {
    /// The layer as its blob is.
    fn open(&mut self, layer: &ImageLayer) -> Result<Box<dyn Read + Send + 'a>>;
    /// The layer is done.
    fn unpacked(&mut self, layer: &ImageLayer);
}

impl Store {
    /// Unpacks layers, bottom first, and checks their diff IDs; none may have more than `most` bytes. Where this machine
    /// cannot unpack one (a user who may make no devices, say) it ends with those before: whoever needs the layer will
    /// hear why. What is wrong with the layer itself is an error, as is a disk that is full.
    pub(crate) fn stage<'a>(
        &self,
        layers: &[ImageLayer],
        source: &mut dyn Source<'a>,
        most: u64,
    ) -> Result<Staged> {
        let snapshotter = self.snapshotter();
        let mut below = Below::default();
        for layer in layers {
            if below.staged.is_empty() && below.take_known(self, &*snapshotter, layer)? {
                continue;
            }
            match self.stage_layer(&*snapshotter, &below, layer, source, most) {
                Ok(staged) => {
                    below.push(staged)?;
                    source.unpacked(layer);
                }
                Err(error) if error.is_about_content() || is_full_disk(&error) => {
                    return Err(error);
                }
                Err(_told_when_it_is_needed) => break,
            }
        }
        Ok(Staged { layers: below.staged })
    }

    fn stage_layer(
        &self,
        snapshotter: &dyn Snapshotter,
        below: &Below,
        layer: &ImageLayer,
        source: &mut dyn Source<'_>,
        most: u64,
    ) -> Result<StagedLayer> {
        let digest = layer.descriptor.digest;
        let active = match below.staged.last() {
            Some(top) => snapshotter.stage_above(&top.active)?,
            None => snapshotter.stage(&below.known)?,
        };
        let failed = |source| StoreError::Unpack { digest, source };
        let stored = source.open(layer)?;
        let plain = match media_type::is_plain_layer(&layer.descriptor.media_type) {
            true => stored,
            false => decompressor(stored).map_err(|source| failed(LayerError::Read { source }))?,
        };
        let broken = Arc::new(OnceLock::new());
        let plain = Bounded { plain, most, left: most, broken: broken.clone() };
        let form = snapshotter.whiteouts();
        let index = read_through(layer, plain, |plain| {
            apply(plain, &active.upper, &below.tree, form, IdMap::default()).map_err(failed)
        });
        match (index, broken.get()) {
            (Ok(index), _) => {
                Ok(StagedLayer { chain_id: layer.chain_id, active, index: Arc::new(index) })
            }
            // Whoever was writing a file by then says that it could not be written.
            (Err(_), Some(why)) => {
                Err(failed(LayerError::Read { source: io::Error::other(why.as_str()) }))
            }
            (Err(error), None) => Err(error),
        }
    }

    /// Makes them visible.
    pub(crate) fn commit_staged(&self, staged: Staged) -> Result<()> {
        let snapshotter = self.snapshotter();
        for StagedLayer { chain_id, active, index } in staged.layers {
            // Somebody else was faster.
            if self.snapshot_of_chain(chain_id)?.is_some() {
                continue;
            }
            self.put_layer_index(chain_id, index)?;
            let id = snapshotter.commit(active)?;
            self.set_snapshot_of_chain(chain_id, &id)?;
        }
        Ok(())
    }
}

/// No more than so many bytes: what is small compressed may be without end.
struct Bounded<R> {
    plain: R,
    most: u64,
    left: u64,
    /// Why it cannot be read further.
    broken: Arc<OnceLock<String>>,
}

impl<R: Read> Bounded<R> {
    fn next(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.plain.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            io::Error::other(format!("it has more than {} bytes unpacked", self.most))
        })?;
        Ok(read)
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.next(buffer).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                let _the_first_counts = self.broken.set(error.to_string());
            }
        })
    }
}

/// What the next layer is unpacked above.
#[derive(Debug, Default)]
struct Below {
    known: Vec<SnapshotId>,
    staged: Vec<StagedLayer>,
    tree: Tree,
}

impl Below {
    /// Whether the layer is a snapshot already.
    fn take_known(
        &mut self,
        store: &Store,
        snapshotter: &dyn Snapshotter,
        layer: &ImageLayer,
    ) -> Result<bool> {
        let Some(id) = store.snapshot_of_chain(layer.chain_id)? else { return Ok(false) };
        let Some(index) = store.cached_index(layer.chain_id)? else { return Ok(false) };
        let content = TreeContent::Dir(Arc::new(snapshotter.dir(&id)?));
        self.tree = self.tree.with_layer(TreeLayer::new(Arc::new(index), content));
        self.known.push(id);
        Ok(true)
    }

    fn push(&mut self, staged: StagedLayer) -> Result<()> {
        let dir = RootDir::open(staged.active.upper_path());
        let dir = dir.map_err(sys_error("open the new snapshot"))?;
        let content = TreeContent::Dir(Arc::new(dir));
        self.tree = self.tree.with_layer(TreeLayer::new(staged.index.clone(), content));
        self.staged.push(staged);
        Ok(())
    }
}
