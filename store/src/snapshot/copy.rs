//! Snapshots for file systems that overlayfs cannot use: each is all layers of its stack, unpacked.
//!
//! The snapshot of one more layer is made from hard links to the files of the one below it and the layer
//! unpacked over them, which replaces files and never writes into one. Who runs something gets real copies
//! ([`duplicate`]), so no process ever has a file of a snapshot to write to. What it changed is found by
//! comparing ([`crate::layer::changes()`]).
use std::collections::HashMap;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use sys::RootDir;
use sys::root_dir::Timestamp;

use super::duplicate::{Files, duplicate};
use super::overlay::publish;
use super::{ActiveSnapshot, RootfsMount, SnapshotForm, SnapshotId, Snapshotter};
use crate::error::{Result, StoreError, io_error, sys_error};
use crate::id_map::IdMap;
use crate::layer::{LayerError, LayerIndex, Stamps, WhiteoutForm, changes};
use crate::lease::Held;
use crate::open::Store;
use crate::tree::Tree;

/// A clock of a file system ticks at least this often (HZ=100); one that does not is not waited for.
const LONGEST_TICK: Duration = Duration::from_millis(12);

/// What snapshots were like before they were written to, of those that nobody has compared yet.
pub(crate) type KnownStamps = Mutex<HashMap<SnapshotId, Arc<Stamps>>>;

#[derive(Clone, Debug)]
pub struct CopySnapshotter {
    store: Store,
}

impl CopySnapshotter {
    pub fn new(store: Store) -> CopySnapshotter {
        CopySnapshotter { store }
    }

    fn above(&self, parents: &[SnapshotId], files: Files) -> Result<ActiveSnapshot> {
        let below = parents.last().map(|top| self.dir(top)).transpose()?;
        self.copy_of(below.as_ref(), files)
    }

    fn copy_of(&self, below: Option<&RootDir>, files: Files) -> Result<ActiveSnapshot> {
        let base = self.store.temp_path()?;
        let upper_path = base.join("upper");
        for dir in [&base, &upper_path] {
            let created = DirBuilder::new().mode(0o755).create(dir);
            created.map_err(io_error("create the directory", dir))?;
        }
        let upper = RootDir::open(&upper_path).map_err(sys_error("open the new snapshot"))?;
        let mount = RootfsMount::Directory { path: upper_path.clone(), read_only: false };
        // From here on, an error removes it.
        let active = ActiveSnapshot { mount, upper, base, upper_path, stamps: None };
        match below {
            Some(below) => duplicate(below, &active.upper, files)?,
            // As the lowest layer of an overlay.
            None => active.upper.set_mode("", 0o755).map_err(sys_error("set the mode"))?,
        }
        Ok(active)
    }

    /// Notes what the tree is like, once the clock that stamps changes has left the tick of the last of them:
    /// then no later change can look like none.
    fn stamps(&self, active: &ActiveSnapshot) -> Result<Stamps> {
        if !self.store.notes_changes()? {
            return Ok(Stamps::default());
        }
        let clock = active.base.join("clock");
        let mut stamps =
            Stamps::take(&active.upper).map_err(|source| compare(&active.base, source))?;
        let began = Instant::now();
        loop {
            let now = now_at(&clock).map_err(io_error("ask the time by", &clock))?;
            stamps.trust_before(now);
            if stamps.latest().is_none_or(|latest| latest < now) || began.elapsed() > LONGEST_TICK {
                return Ok(stamps);
            }
            sleep(Duration::from_micros(500));
        }
    }
}

impl Snapshotter for CopySnapshotter {
    fn prepare(&self, parents: &[SnapshotId]) -> Result<ActiveSnapshot> {
        let mut active = self.above(parents, Files::Copied)?;
        active.stamps = Some(Arc::new(self.stamps(&active)?));
        Ok(active)
    }

    fn prepare_above(&self, below: &ActiveSnapshot) -> Result<ActiveSnapshot> {
        self.copy_of(Some(&below.upper), Files::Copied)
    }

    fn stage(&self, parents: &[SnapshotId]) -> Result<ActiveSnapshot> {
        self.above(parents, Files::Linked)
    }

    fn stage_above(&self, below: &ActiveSnapshot) -> Result<ActiveSnapshot> {
        self.copy_of(Some(&below.upper), Files::Linked)
    }

    fn whiteouts(&self) -> WhiteoutForm {
        WhiteoutForm::Remove
    }

    fn commit(&self, active: ActiveSnapshot) -> Result<SnapshotId> {
        let id = SnapshotId::random(SnapshotForm::Copy);
        publish(&self.store, &active.upper_path, &id)?;
        if let Some(stamps) = &active.stamps {
            let mut known = self.store.inner.stamps.lock().unwrap_or_else(|e| e.into_inner());
            known.insert(id.clone(), stamps.clone());
        }
        Ok(id)
    }

    fn discard(&self, active: ActiveSnapshot) -> Result<()> {
        self.store.remove_aside(&active.base).map(drop)
    }

    fn changes(&self, id: &SnapshotId, parents: &Tree) -> Result<LayerIndex> {
        let stamps = {
            let mut known = self.store.inner.stamps.lock().unwrap_or_else(|e| e.into_inner());
            known.remove(id).unwrap_or_default()
        };
        let dir = self.dir(id)?;
        let found = changes(&dir, parents, &stamps, IdMap::Identity);
        found.map_err(|source| compare(&self.store.snapshot_path(id), source))
    }

    fn view(&self, stack: &[SnapshotId]) -> Result<RootfsMount> {
        let path = match stack.last() {
            Some(top) => {
                self.hold(top)?;
                self.store.snapshot_path(top)
            }
            None => self.store.sub("snapshots/empty"),
        };
        Ok(RootfsMount::Directory { path, read_only: true })
    }

    fn dir(&self, id: &SnapshotId) -> Result<RootDir> {
        self.hold(id)?;
        RootDir::open(self.store.snapshot_path(id)).map_err(sys_error("open the snapshot"))
    }

    fn remove(&self, id: &SnapshotId) -> Result<()> {
        self.store.remove_snapshot(id)
    }
}

impl CopySnapshotter {
    fn hold(&self, id: &SnapshotId) -> Result<()> {
        if id.form() == SnapshotForm::Copy && self.store.hold(Held::Snapshot(id.clone()))? {
            return Ok(());
        }
        Err(StoreError::SnapshotMissing { id: id.clone() })
    }
}

fn compare(path: &Path, source: LayerError) -> StoreError {
    StoreError::Compare { path: path.to_owned(), source }
}

/// The time that a change gets now, from the clock of the file system itself: it may be another machine's.
fn now_at(clock: &Path) -> std::io::Result<Timestamp> {
    fs::write(clock, "tick")?;
    let metadata = fs::metadata(clock)?;
    let nanos = u32::try_from(metadata.ctime_nsec()).unwrap_or_default();
    Ok(Timestamp { secs: metadata.ctime(), nanos })
}
