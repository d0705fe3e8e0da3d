//! Garbage collection: what no image, lease or cache record leads to goes.
//!
//! | root                                  | keeps                                                        |
//! |---------------------------------------|--------------------------------------------------------------|
//! | entries of `images/index.json`        | manifests, configurations, layers, the layers' snapshots     |
//! | leases of living processes, named ones | the blobs and snapshots they list                           |
//! | cache records (asked of the caller)   | the blobs and snapshots they list                            |
//! | a kept layer of an image              | its other forms (`cache/forms`) of now, its index            |
//! | a kept blob                           | its lists (`cache/pieces`, `cache/midstates`, `cache/image-sizes`)  |
//! | kept snapshots                        | a merged snapshot that stands for a stack of them            |
//!
//! Why nothing can vanish under someone's hands: whoever makes or finds something writes it into their lease
//! *first* and publishes it, or checks that it exists, *afterwards* under the shared `sweep` lock. Collection
//! holds that lock exclusively while it lists what exists, then reads the roots, then moves garbage out of
//! sight by renaming it into `temp/`. So for every thing either the lease was there to be read, or its owner
//! looks afterwards and finds the thing gone. Deleting the renamed things takes long, needs no
//! lock and is nothing to wait for (`aside`). References are removed before what they refer
//! to.
//!
//! Other tools may read `images/` at any time. One that writes there holds no lease: do not prune meanwhile.
use std::collections::{HashMap, HashSet};
use std::fs;

use crate::archive::LayerForm;
use crate::archive::pieces::PIECES;
use crate::descriptor::Descriptor;
use crate::digest::{ChainId, DiffId, Digest};
use crate::error::{Result, StoreError, io_error};
use crate::image::select::MAX_NESTING;
use crate::image::sizes::SIZES;
use crate::lease::{self, Held};
use crate::lock::LockName;
use crate::manifest::Index;
use crate::midstates::MIDSTATES;
use crate::open::{Store, remove_any};
use crate::snapshot::SnapshotId;

/// What a collection removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    pub blobs: Vec<Digest>,
    pub snapshots: Vec<SnapshotId>,
    /// Bytes on the disk that this gives back, at once or soon (`aside`).
    pub bytes: u64,
}

/// Everything reachable.
#[derive(Debug, Default)]
struct Live {
    blobs: HashSet<Digest>,
    diff_ids: HashSet<DiffId>,
    chains: HashSet<ChainId>,
    snapshots: HashSet<SnapshotId>,
    /// Manifests and indexes followed already, and how deep into them.
    followed: HashMap<Digest, usize>,
}

impl Store {
    /// Removes what nothing leads to. `cache_roots` tells what the caller's cache records lead to; it is called
    /// while nothing new can become visible.
    pub fn prune(&self, cache_roots: &mut dyn FnMut() -> Result<Vec<Held>>) -> Result<Pruned> {
        let mut pruned = Pruned::default();
        let mut garbage = Vec::new();
        self.session()?;
        {
            let _sweep = self.lock_exclusive(LockName::Sweep)?;
            let (blobs, snapshots) = (self.blobs()?, self.snapshots()?);
            let mut live = Live::default();
            live.hold(lease::all_held(&self.sub("leases"), None)?);
            live.hold(cache_roots()?);
            self.mark_images(&mut live)?;
            self.mark_chains(&mut live)?;
            self.mark_merged(&mut live)?;
            self.sweep_forms(&mut live)?;
            self.sweep_lists(PIECES, &live, &LayerForm::is_suffix)?;
            self.sweep_lists(MIDSTATES, &live, &str::is_empty)?;
            self.sweep_lists(SIZES, &live, &str::is_empty)?;
            self.sweep_indexes(&live)?;
            pruned.blobs = blobs.into_iter().filter(|b| !live.blobs.contains(b)).collect();
            pruned.snapshots =
                snapshots.into_iter().filter(|s| !live.snapshots.contains(s)).collect();
            self.forget_snapshots(&|id| live.snapshots.contains(id))?;
            let blob_paths = pruned.blobs.iter().map(|blob| self.blob_path(blob));
            let snapshot_paths = pruned.snapshots.iter().map(|id| self.snapshot_path(id));
            for path in blob_paths.chain(snapshot_paths) {
                garbage.push(self.set_aside(&path)?);
            }
            self.forget_markers()?;
        }
        for path in garbage {
            pruned.bytes += self.remove_aside(&path)?;
        }
        Ok(pruned)
    }

    /// All blobs there are.
    pub fn blobs(&self) -> Result<Vec<Digest>> {
        let names = self.file_names("images/blobs/sha256")?;
        let mut blobs: Vec<_> =
            names.iter().filter_map(|name| Digest::from_hex(name).ok()).collect();
        blobs.sort();
        Ok(blobs)
    }

    pub(crate) fn file_names(&self, sub: &str) -> Result<Vec<String>> {
        let dir = self.sub(sub);
        let mut names = Vec::new();
        for entry in fs::read_dir(&dir).map_err(io_error("list", &dir))? {
            let entry = entry.map_err(io_error("list", &dir))?;
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    /// Removes the records that lead to snapshots that are not to be kept.
    pub(crate) fn forget_snapshots(&self, keep: &dyn Fn(&SnapshotId) -> bool) -> Result<()> {
        for dir in ["snapshots/chains", "snapshots/merged"] {
            for name in self.file_names(dir)? {
                let path = self.sub(dir).join(name);
                if !self.read_id(&path)?.is_some_and(|id| keep(&id)) {
                    remove_any(&path)?;
                }
            }
        }
        Ok(())
    }

    fn mark_images(&self, live: &mut Live) -> Result<()> {
        for entry in self.read_index()?.manifests {
            self.mark_manifest(&entry, live, MAX_NESTING)?;
        }
        Ok(())
    }

    /// A manifest that is missing leads nowhere; one that is damaged stops the collection, because what it
    /// leads to is unknown.
    fn mark_manifest(&self, entry: &Descriptor, live: &mut Live, depth: usize) -> Result<()> {
        live.blobs.insert(entry.digest);
        // Once each: an index that lists others many times, and these others, would take for ever.
        let followed = live.followed.get(&entry.digest).is_some_and(|&known| known >= depth);
        if depth == 0 || followed {
            return Ok(());
        }
        live.followed.insert(entry.digest, depth);
        let document = unless_missing(self.read_json("manifest", &entry.digest))?;
        let Some(document): Option<serde_json::Value> = document else { return Ok(()) };
        if document.get("manifests").is_some() {
            let index = unless_missing(self.read_json::<Index>("image index", &entry.digest))?;
            let nested = index.iter().flat_map(|index| &index.manifests);
            return nested
                .into_iter()
                .try_for_each(|nested| self.mark_manifest(nested, live, depth - 1));
        }
        let Some(manifest) = unless_missing(self.read_manifest(entry))? else { return Ok(()) };
        live.blobs.insert(manifest.config.digest);
        live.blobs.extend(manifest.layers.iter().map(|layer| layer.digest));
        if self.has_blob(&manifest.config.digest)
            && let Ok(config) = self.read_config(&manifest)
        {
            let mut chain = None;
            for diff_id in config.rootfs.diff_ids {
                let next = ChainId::on(chain, diff_id);
                live.diff_ids.insert(diff_id);
                live.chains.insert(next);
                chain = Some(next);
            }
        }
        Ok(())
    }

    fn mark_chains(&self, live: &mut Live) -> Result<()> {
        for chain in live.chains.clone() {
            live.snapshots.extend(self.read_id(&self.chain_path(chain))?);
        }
        Ok(())
    }

    fn mark_merged(&self, live: &mut Live) -> Result<()> {
        // A merged snapshot may itself be part of another.
        loop {
            let before = live.snapshots.len();
            for name in self.file_names("snapshots/merged")? {
                let path = self.sub("snapshots/merged").join(name);
                if let [merged, parts @ ..] = self.read_ids(&path)?.as_slice()
                    && parts.iter().all(|part| live.snapshots.contains(part))
                {
                    live.snapshots.insert(merged.clone());
                }
            }
            if live.snapshots.len() == before {
                return Ok(());
            }
        }
    }

    /// Other forms of images' layers stay; of what is only in the cache they are soon made again. What versions before
    /// recorded under names that nobody asks for now goes.
    fn sweep_forms(&self, live: &mut Live) -> Result<()> {
        for name in self.file_names("cache/forms")? {
            let path = self.sub("cache/forms").join(&name);
            let (digest, suffix) = parts(&name);
            let wanted = digest.is_some_and(|digest| live.diff_ids.contains(&DiffId(digest)))
                && LayerForm::is_suffix(suffix);
            let bytes = fs::read(&path).map_err(io_error("read", &path))?;
            match serde_json::from_slice::<Descriptor>(&bytes) {
                Ok(form) if wanted => drop(live.blobs.insert(form.digest)),
                _ => remove_any(&path)?,
            }
        }
        Ok(())
    }

    /// Forgets what is known of blobs that are not to be kept, and lists with a suffix that is none of now.
    fn sweep_lists(&self, dir: &str, live: &Live, is_suffix: &dyn Fn(&str) -> bool) -> Result<()> {
        if !self.sub(dir).exists() {
            return Ok(());
        }
        for name in self.file_names(dir)? {
            let (blob, suffix) = parts(&name);
            if !blob.is_some_and(|blob| live.blobs.contains(&blob)) || !is_suffix(suffix) {
                remove_any(&self.sub(dir).join(name))?;
            }
        }
        Ok(())
    }

    fn sweep_indexes(&self, live: &Live) -> Result<()> {
        let chains: HashSet<String> = live.chains.iter().map(|c| c.digest().hex()).collect();
        for name in self.file_names("cache/indexes")? {
            let chain_record = self.sub("snapshots/chains").join(&name);
            let unpacked = self.read_id(&chain_record)?;
            if !chains.contains(&name) && !unpacked.is_some_and(|id| live.snapshots.contains(&id)) {
                remove_any(&self.sub("cache/indexes").join(name))?;
            }
        }
        Ok(())
    }

    /// What an entry of the image list leads to.
    pub(crate) fn led_to(&self, entry: &Descriptor, depth: usize) -> Result<HashSet<Held>> {
        let mut live = Live::default();
        self.mark_manifest(entry, &mut live, depth)?;
        self.mark_chains(&mut live)?;
        let blobs = live.blobs.into_iter().map(Held::Blob);
        Ok(blobs.chain(live.snapshots.into_iter().map(Held::Snapshot)).collect())
    }
}

/// The digest and the suffix in the name of a record.
fn parts(name: &str) -> (Option<Digest>, &str) {
    let (hex, suffix) = name.split_once('.').unwrap_or((name, ""));
    (Digest::from_hex(hex).ok(), suffix)
}

/// Outside of a collection, what was there a moment ago may be collected.
fn unless_missing<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Err(StoreError::BlobMissing { .. }) => Ok(None),
        read => read.map(Some),
    }
}

impl Live {
    fn hold(&mut self, held: impl IntoIterator<Item = Held>) {
        for held in held {
            match held {
                Held::Blob(digest) => drop(self.blobs.insert(digest)),
                Held::Snapshot(id) => drop(self.snapshots.insert(id)),
            }
        }
    }
}
