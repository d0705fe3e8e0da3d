//! [`SnapshotForm`]: overlayfs' or whole copies, as the place of the store allows.
//!
//! This crate mounts nothing, so it only knows what the file system tells: overlayfs cannot keep its layers on
//! overlayfs or NFS; on the usual local ones it can. Of any other the caller finds out and tells
//! ([`Store::use_snapshot_form`], [`Store::remember_snapshot_form`]). What was found out is remembered with
//! the file system and the kernel it was found on: a store may be moved.
//!
//! A snapshot's name says its form. Chain and cache records that name one of the other form are taken for
//! records of nothing; the layer is unpacked again and the record replaced.
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::SnapshotId;
use crate::error::{Result, io_error};
use crate::lease::Held;
use crate::open::{Store, remove_any};

/// What a snapshot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SnapshotForm {
    /// One layer, for overlayfs to stack.
    Overlay,
    /// All layers up to one, for any file system.
    Copy,
}

/// Whether overlayfs can keep its layers where the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OverlaySupport {
    Works,
    /// It cannot on this file system.
    Fails {
        file_system: &'static str,
    },
    /// Only trying to mount one tells.
    Unknown,
}

/// Magic numbers of statfs.
const WORKS: [u64; 6] = [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0xf2f5_2010, 0xca45_1a4e];
const FAILS: [(u64, &str); 2] = [(0x794c_7630, "overlayfs"), (0x6969, "NFS")];
/// tmpfs and ramfs.
const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];

/// What was found out about a place, in `snapshots/form`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    form: SnapshotForm,
    file_system: String,
    kernel: String,
}

const RECORD: &str = "snapshots/form";

impl Store {
    /// The form of the snapshots that this handle makes and takes.
    pub fn snapshot_form(&self) -> SnapshotForm {
        let mut form = self.inner.form.lock().unwrap_or_else(|e| e.into_inner());
        *form.get_or_insert_with(|| self.likely_form())
    }

    /// Decides, for all clones of this handle. To be called before snapshots are made or asked for.
    pub fn use_snapshot_form(&self, form: SnapshotForm) {
        *self.inner.form.lock().unwrap_or_else(|e| e.into_inner()) = Some(form);
    }

    pub fn overlay_support(&self) -> Result<OverlaySupport> {
        let magic = magic_of(self.root())?;
        if let Some((_, file_system)) = FAILS.iter().find(|(known, _)| *known == magic) {
            return Ok(OverlaySupport::Fails { file_system });
        }
        // A kernel may have none, or load it when it is first mounted.
        let loaded = fs::read_to_string("/proc/filesystems").unwrap_or_default();
        let loaded = loaded.lines().any(|line| line.ends_with("\toverlay"));
        let works = WORKS.contains(&magic) && loaded;
        Ok(if works { OverlaySupport::Works } else { OverlaySupport::Unknown })
    }

    /// What was remembered of the place where the store is now.
    pub fn remembered_snapshot_form(&self) -> Option<SnapshotForm> {
        let bytes = fs::read(self.sub(RECORD)).ok()?;
        let remembered: Remembered = serde_json::from_slice(&bytes).ok()?;
        let here = self.describe_place(remembered.form).ok()?;
        (remembered == here).then_some(here.form)
    }

    pub fn remember_snapshot_form(&self, form: SnapshotForm) -> Result<()> {
        let here = serde_json::to_vec(&self.describe_place(form)?).expect("text serialises");
        self.replace_file(&self.sub(RECORD), &here)
    }

    pub fn forget_snapshot_form(&self) -> Result<()> {
        remove_any(&self.sub(RECORD))
    }

    /// Holds a snapshot if there is one of this name that this handle can use.
    pub fn hold_snapshot(&self, id: &SnapshotId) -> Result<bool> {
        Ok(id.form() == self.snapshot_form() && self.hold(Held::Snapshot(id.clone()))?)
    }

    /// Whether a change of a file always shows in its change time: what is only in memory does not note
    /// writes through shared memory maps.
    pub(super) fn notes_changes(&self) -> Result<bool> {
        Ok(!IN_MEMORY.contains(&magic_of(self.root())?))
    }

    /// For handles whose caller has not decided. A wrong guess costs time, or an error that names the call.
    fn likely_form(&self) -> SnapshotForm {
        match (self.remembered_snapshot_form(), self.overlay_support()) {
            (Some(form), _) => form,
            (None, Ok(OverlaySupport::Fails { .. })) => SnapshotForm::Copy,
            (None, _) => SnapshotForm::Overlay,
        }
    }

    fn describe_place(&self, form: SnapshotForm) -> Result<Remembered> {
        let file_system = format!("{:x}", magic_of(self.root())?);
        let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
        Ok(Remembered { form, file_system, kernel })
    }
}

#[expect(clippy::cast_sign_loss, reason = "a pattern of bits, signed by accident")]
fn magic_of(path: &Path) -> Result<u64> {
    let found = rustix::fs::statfs(path);
    let found =
        found.map_err(|errno| io_error("look at the file system of", path)(errno.into()))?;
    Ok(found.f_type as u64 & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_counts_only_where_it_was_found() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Store::open(&dir.path().join("root"), &dir.path().join("state")).unwrap();
        let store = open();
        assert_eq!(store.remembered_snapshot_form(), None);
        store.remember_snapshot_form(SnapshotForm::Copy).unwrap();
        assert_eq!(open().snapshot_form(), SnapshotForm::Copy);
        let elsewhere = Remembered {
            kernel: "2.4".into(),
            ..store.describe_place(SnapshotForm::Copy).unwrap()
        };
        let text = serde_json::to_vec(&elsewhere).unwrap();
        fs::write(store.sub(RECORD), text).unwrap();
        assert_eq!(open().remembered_snapshot_form(), None);
        store.remember_snapshot_form(SnapshotForm::Copy).unwrap();
        store.forget_snapshot_form().unwrap();
        assert_eq!(store.remembered_snapshot_form(), None);
    }
}
