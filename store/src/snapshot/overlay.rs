//! Snapshots as overlayfs takes them: each a directory, stacked by the kernel.
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use sys::RootDir;
use sys::root_dir::NodeKind;

use super::{ActiveSnapshot, RootfsMount, SnapshotForm, SnapshotId, Snapshotter, merge};
use crate::error::{Result, StoreError, io_error, sys_error};
use crate::id_map::IdMap;
use crate::layer::xattr::OVERLAY_OPAQUE;
use crate::layer::{LayerIndex, WhiteoutForm, scan};
use crate::lease::Held;
use crate::lock::LockName;
use crate::open::Store;
use crate::tree::Tree;

/// The kernel's own limit is 500 (`OVL_MAX_STACK`); who mounts may put one more below.
const MAX_LOWERS: usize = 499;

/// The upper directory of a mount becomes the next snapshot by being renamed.
#[derive(Clone, Debug)]
pub struct OverlaySnapshotter {
    store: Store,
    max_lowers: usize,
}

impl OverlaySnapshotter {
    pub fn new(store: Store) -> OverlaySnapshotter {
        OverlaySnapshotter::with_limit(store, MAX_LOWERS)
    }

    /// Stacks deeper than `max_lowers` (at least 2) are flattened from below.
    pub fn with_limit(store: Store, max_lowers: usize) -> OverlaySnapshotter {
        OverlaySnapshotter { store, max_lowers: max_lowers.max(2) }
    }

    /// Writes the marks that an unpacked layer may need, to see whether the file system takes them.
    pub fn try_marks(&self, active: &ActiveSnapshot) -> Result<()> {
        let whiteout = NodeKind::CharDevice { major: 0, minor: 0 };
        let marked = active.upper.mknod("gone", whiteout, 0).and_then(|()| {
            active.upper.create_dir("opaque", 0o755)?;
            active.upper.set_xattr("opaque", OVERLAY_OPAQUE, b"y")
        });
        marked.map_err(sys_error("mark for overlayfs what is deleted"))
    }

    /// The directories of a stack, top first.
    fn lowers(&self, stack: &[SnapshotId], least: usize) -> Result<Vec<PathBuf>> {
        let mut stack = stack.to_vec();
        for id in &stack {
            self.hold(id)?;
        }
        // Always the same number from below, so that a stack growing by one reuses what was merged before.
        while stack.len() > self.max_lowers {
            let deepest = (self.max_lowers / 2).max(2);
            let merged = merge::merged(&self.store, &stack[..deepest])?;
            stack.splice(..deepest, [merged]);
        }
        let mut lowers: Vec<_> =
            stack.iter().rev().map(|id| self.store.snapshot_path(id)).collect();
        while lowers.len() < least {
            lowers.push(self.store.sub("snapshots/empty"));
        }
        Ok(lowers)
    }

    fn hold(&self, id: &SnapshotId) -> Result<()> {
        if id.form() == SnapshotForm::Overlay && self.store.hold(Held::Snapshot(id.clone()))? {
            return Ok(());
        }
        Err(StoreError::SnapshotMissing { id: id.clone() })
    }
}

impl OverlaySnapshotter {
    fn above(&self, lowers: Vec<PathBuf>) -> Result<ActiveSnapshot> {
        let base = self.store.temp_path()?;
        let (upper_path, work) = (base.join("upper"), base.join("work"));
        for dir in [&base, &upper_path, &work] {
            let created = DirBuilder::new().mode(0o755).create(dir);
            created.map_err(io_error("create the directory", dir))?;
        }
        let upper = RootDir::open(&upper_path).map_err(sys_error("open the new snapshot"))?;
        let below = RootDir::open(&lowers[0]).map_err(sys_error("open the snapshot below"))?;
        merge::copy_attributes(&below, Path::new(""), &upper, Path::new(""))?;
        let mount = RootfsMount::Overlay {
            lowers,
            upper: Some(upper_path.clone()),
            work: Some(work),
            volatile: true,
        };
        Ok(ActiveSnapshot { mount, upper, base, upper_path, stamps: None })
    }
}

impl Snapshotter for OverlaySnapshotter {
    fn prepare(&self, parents: &[SnapshotId]) -> Result<ActiveSnapshot> {
        self.above(self.lowers(parents, 1)?)
    }

    fn prepare_above(&self, below: &ActiveSnapshot) -> Result<ActiveSnapshot> {
        self.above(vec![below.upper_path.clone()])
    }

    /// Nobody looks through it: the topmost parent alone gives the root its attributes.
    fn stage(&self, parents: &[SnapshotId]) -> Result<ActiveSnapshot> {
        self.prepare(parents.last().map_or(&[], std::slice::from_ref))
    }

    fn stage_above(&self, below: &ActiveSnapshot) -> Result<ActiveSnapshot> {
        self.prepare_above(below)
    }

    fn whiteouts(&self) -> WhiteoutForm {
        WhiteoutForm::Overlay
    }

    fn commit(&self, active: ActiveSnapshot) -> Result<SnapshotId> {
        let id = SnapshotId::random(SnapshotForm::Overlay);
        publish(&self.store, &active.upper_path, &id)?;
        Ok(id)
    }

    fn discard(&self, active: ActiveSnapshot) -> Result<()> {
        self.store.remove_aside(&active.base).map(drop)
    }

    fn changes(&self, id: &SnapshotId, parents: &Tree) -> Result<LayerIndex> {
        let found = scan(&self.dir(id)?, parents, IdMap::Identity);
        let path = self.store.snapshot_path(id);
        found.map_err(|source| StoreError::Compare { path, source })
    }

    fn view(&self, stack: &[SnapshotId]) -> Result<RootfsMount> {
        // Without an upper directory the kernel wants two lower ones.
        let lowers = self.lowers(stack, 2)?;
        Ok(RootfsMount::Overlay { lowers, upper: None, work: None, volatile: false })
    }

    fn dir(&self, id: &SnapshotId) -> Result<RootDir> {
        self.hold(id)?;
        RootDir::open(self.store.snapshot_path(id)).map_err(sys_error("open the snapshot"))
    }

    fn remove(&self, id: &SnapshotId) -> Result<()> {
        self.store.remove_snapshot(id)
    }
}

/// Makes a finished directory visible as the snapshot `id`.
pub(super) fn publish(store: &Store, dir: &Path, id: &SnapshotId) -> Result<()> {
    let held = Held::Snapshot(id.clone());
    let session = store.session()?;
    session.hold(held.clone())?;
    let _sweep = store.lock_shared(LockName::Sweep)?;
    store.mark_unsynced(&held)?;
    fs::rename(dir, store.snapshot_path(id)).map_err(io_error("store the snapshot", dir))?;
    session.confirm(held);
    Ok(())
}
