//! Snapshots: unpacked layers, and directories that are becoming one.
//!
//! A stack of snapshots, one for each layer, bottom first, is a file system. Snapshots never change once
//! committed. This crate mounts nothing: it says what to mount ([`RootfsMount`]).
//!
//! | file           | what                                                                             |
//! |----------------|----------------------------------------------------------------------------------|
//! | `form.rs`      | which of the two forms a store takes                                             |
//! | `overlay.rs`   | each snapshot is *one* layer as overlayfs takes it: deleted is a 0:0 character device, opaque an attribute |
//! | `merge.rs`     | several of these as one                                                          |
//! | `copy.rs`      | each snapshot is all layers of the stack up to its own                           |
//! | `duplicate.rs` | a whole tree once more                                                           |
//! | `targets.rs`   | the lowest layer of what runs: places to mount files on                          |
mod copy;
mod duplicate;
mod form;
mod merge;
mod overlay;
mod targets;

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sys::RootDir;

pub use copy::CopySnapshotter;
pub(crate) use copy::KnownStamps;
pub use form::{OverlaySupport, SnapshotForm};
pub use overlay::OverlaySnapshotter;
pub use targets::MountTargets;

use crate::digest::ChainId;
use crate::error::{Result, StoreError, io_error};
use crate::layer::{LayerIndex, Stamps, WhiteoutForm};
use crate::lease::{self, Held};
use crate::lock::LockName;
use crate::open::{Store, remove_any};
use crate::tree::Tree;

/// Makes and keeps snapshots. Stacks are given bottom first.
pub trait Snapshotter: Send + Sync + fmt::Debug {
    /// Something above `parents` for processes to write to, then to be committed or discarded.
    fn prepare(&self, parents: &[SnapshotId]) -> Result<ActiveSnapshot>;
    /// The same above something that is not a snapshot and stays as it is.
    fn prepare_above(&self, below: &ActiveSnapshot) -> Result<ActiveSnapshot>;
    /// A directory above `parents` for [`crate::layer::apply()`] alone: its files may be shared.
    fn stage(&self, parents: &[SnapshotId]) -> Result<ActiveSnapshot>;
    /// The same above one that is not a snapshot yet.
    fn stage_above(&self, below: &ActiveSnapshot) -> Result<ActiveSnapshot>;
    /// How a layer is unpacked there.
    fn whiteouts(&self) -> WhiteoutForm;
    /// What was written becomes a snapshot.
    fn commit(&self, active: ActiveSnapshot) -> Result<SnapshotId>;
    /// What was written goes away. Dropping the active snapshot does the same, without reporting errors.
    fn discard(&self, active: ActiveSnapshot) -> Result<()>;
    /// What a snapshot that processes wrote to changes of `parents`, which it was prepared above.
    fn changes(&self, id: &SnapshotId, parents: &Tree) -> Result<LayerIndex>;
    /// The stack as a read-only file system.
    fn view(&self, stack: &[SnapshotId]) -> Result<RootfsMount>;
    /// One snapshot: it has at least the files of its layer, under their paths.
    fn dir(&self, id: &SnapshotId) -> Result<RootDir>;
    /// Removes a snapshot that nothing uses.
    fn remove(&self, id: &SnapshotId) -> Result<()>;
}

/// Name of a snapshot: short and without meaning.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SnapshotId(String);

/// How names of whole copies begin.
const COPY: &str = "copy";

/// What to mount to see a file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootfsMount {
    Overlay {
        /// Top first, at most as many as the kernel takes, at least one.
        lowers: Vec<PathBuf>,
        /// None for a read-only view, which then has at least two lowers.
        upper: Option<PathBuf>,
        work: Option<PathBuf>,
        /// Nothing needs to reach the disk when it is unmounted.
        volatile: bool,
    },
    Directory {
        path: PathBuf,
        read_only: bool,
    },
}

/// A snapshot in the making. Dropped, it leaves nothing.
#[derive(Debug)]
pub struct ActiveSnapshot {
    /// What to mount for a process that writes.
    pub mount: RootfsMount,
    /// Where what is written ends up. Can be written to directly while not mounted.
    pub upper: RootDir,
    /// The directory in `temp/` that holds `upper` and what mounting it needs.
    base: PathBuf,
    upper_path: PathBuf,
    /// What it was like at first, where changes are found by comparing.
    stamps: Option<Arc<Stamps>>,
}

impl ActiveSnapshot {
    pub fn upper_path(&self) -> &std::path::Path {
        &self.upper_path
    }
}

impl ActiveSnapshot {
    /// Gives it up to the caller: the directory with everything that belongs to it, which is to be renamed to where
    /// it stays. It goes with this process otherwise.
    pub fn into_directory(mut self) -> PathBuf {
        std::mem::take(&mut self.base)
    }

    /// What to mount once the directory is at `place`.
    pub fn mount_at(&self, place: &std::path::Path) -> RootfsMount {
        let moved = |path: &std::path::Path| match path.strip_prefix(&self.base) {
            Ok(below) => place.join(below),
            Err(_) => path.to_owned(),
        };
        match &self.mount {
            RootfsMount::Overlay { lowers, upper, work, volatile } => RootfsMount::Overlay {
                lowers: lowers.clone(),
                upper: upper.as_deref().map(moved),
                work: work.as_deref().map(moved),
                volatile: *volatile,
            },
            RootfsMount::Directory { path, read_only } => {
                RootfsMount::Directory { path: moved(path), read_only: *read_only }
            }
        }
    }
}

impl Drop for ActiveSnapshot {
    fn drop(&mut self) {
        if self.base.as_os_str().is_empty() {
            // It was given up.
            return;
        }
        // A failure leaves it to the next to open the store after this process ended.
        let _ = remove_any(&self.base);
    }
}

impl SnapshotId {
    pub(crate) fn random(form: SnapshotForm) -> SnapshotId {
        const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let mut bits = lease::random();
        let letter = |_| {
            let letter = LETTERS[(bits & 31) as usize];
            bits >>= 5;
            char::from(letter)
        };
        let letters: String = (0..10).map(letter).collect();
        SnapshotId(match form {
            SnapshotForm::Overlay => letters,
            // `o` is none of the letters above.
            SnapshotForm::Copy => format!("{COPY}{letters}"),
        })
    }

    pub fn form(&self) -> SnapshotForm {
        if self.0.starts_with(COPY) { SnapshotForm::Copy } else { SnapshotForm::Overlay }
    }

    /// A name that can be one.
    pub fn parse(text: &str) -> Option<SnapshotId> {
        let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        (!text.is_empty() && text.len() <= 32 && text.bytes().all(good))
            .then(|| SnapshotId(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for SnapshotId {
    type Error = StoreError;

    fn try_from(text: String) -> Result<SnapshotId> {
        SnapshotId::parse(&text).ok_or(StoreError::SnapshotName { text })
    }
}

impl From<SnapshotId> for String {
    fn from(id: SnapshotId) -> String {
        id.0
    }
}

impl Store {
    /// The snapshot known for a stack of layers, held by this handle.
    pub fn snapshot_of_chain(&self, chain: ChainId) -> Result<Option<SnapshotId>> {
        let Some(id) = self.read_id(&self.chain_path(chain))? else { return Ok(None) };
        Ok(self.hold_snapshot(&id)?.then_some(id))
    }

    /// Records that `id` is the topmost snapshot of the stack `chain`.
    pub fn set_snapshot_of_chain(&self, chain: ChainId, id: &SnapshotId) -> Result<()> {
        self.replace_file(&self.chain_path(chain), id.as_str().as_bytes())
    }

    /// Whether the snapshot is there now. To rely on it, [`Store::hold`] it.
    pub fn has_snapshot(&self, id: &SnapshotId) -> bool {
        self.snapshot_path(id).exists()
    }

    /// All snapshots there are.
    pub fn snapshots(&self) -> Result<Vec<SnapshotId>> {
        let dir = self.sub("snapshots/fs");
        let mut ids = Vec::new();
        for entry in fs::read_dir(&dir).map_err(io_error("list", &dir))? {
            let entry = entry.map_err(io_error("list", &dir))?;
            ids.extend(SnapshotId::parse(&entry.file_name().to_string_lossy()));
        }
        ids.sort();
        Ok(ids)
    }

    pub(crate) fn snapshot_path(&self, id: &SnapshotId) -> PathBuf {
        self.sub("snapshots/fs").join(id.as_str())
    }

    pub(crate) fn chain_path(&self, chain: ChainId) -> PathBuf {
        self.sub("snapshots/chains").join(chain.digest().hex())
    }

    /// A record that begins with a snapshot's name; none if it is not there or not whole.
    pub(crate) fn read_id(&self, path: &std::path::Path) -> Result<Option<SnapshotId>> {
        Ok(self.read_ids(path)?.into_iter().next())
    }

    /// The snapshots that a record names.
    pub(crate) fn read_ids(&self, path: &std::path::Path) -> Result<Vec<SnapshotId>> {
        match fs::read(path) {
            Ok(bytes) => {
                let text = String::from_utf8(bytes).unwrap_or_default();
                Ok(text.split_whitespace().map_while(SnapshotId::parse).collect())
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(io_error("read", path)(error)),
        }
    }

    /// Forgets the snapshot, takes it out of sight at once and then removes it.
    pub(crate) fn remove_snapshot(&self, id: &SnapshotId) -> Result<()> {
        self.remove_snapshot_if(id, || Ok(true)).map(drop)
    }

    /// As [`Store::remove_snapshot`], unless somebody else holds it. Says whether it was removed.
    pub(crate) fn remove_unused_snapshot(&self, id: &SnapshotId) -> Result<bool> {
        // Under the lock: whoever holds it now has not looked for it yet.
        self.remove_snapshot_if(id, || {
            Ok(!self.held_by_others()?.contains(&Held::Snapshot(id.clone())))
        })
    }

    fn remove_snapshot_if(
        &self,
        id: &SnapshotId,
        may_go: impl FnOnce() -> Result<bool>,
    ) -> Result<bool> {
        self.session()?;
        let aside = {
            let _sweep = self.lock_exclusive(LockName::Sweep)?;
            if !may_go()? {
                return Ok(false);
            }
            self.set_snapshots_aside(std::slice::from_ref(id))?
        };
        aside.iter().try_for_each(|path| self.remove_aside(path).map(drop))?;
        Ok(true)
    }

    /// Forgets snapshots and moves them out of sight. Where they are now is for the caller to remove, after
    /// releasing the `sweep` lock.
    pub(crate) fn set_snapshots_aside(&self, ids: &[SnapshotId]) -> Result<Vec<PathBuf>> {
        self.forget_snapshots(&|other| !ids.contains(other))?;
        let mut aside = Vec::new();
        for path in ids.iter().map(|id| self.snapshot_path(id)) {
            let temp = self.temp_path()?;
            match fs::rename(&path, &temp) {
                Ok(()) => aside.push(temp),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(io_error("remove the snapshot", &path)(error)),
            }
        }
        Ok(aside)
    }
}
