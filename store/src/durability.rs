//! What survives a loss of power.
//!
//! Renaming makes everything safe against a killed process, but a file renamed and not synced may be empty
//! after a power failure. Syncing each file would cost a build more than the build; so each blob and snapshot
//! gets a marker in `unsynced/` before it becomes visible, one `syncfs` before an image gets its names covers
//! all of them, and the markers go. Who has made very many files of layers waits for the blobs alone ([`MANY_FILES`]; a pull
//! always does). Markers found after a reboot name what cannot be trusted: it is removed.
use std::fs::{self, File};
use std::io::ErrorKind::NotFound;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use crate::digest::Digest;
use crate::error::{Result, io_error};
use crate::lease::{self, Held};
use crate::lock::LockName;
use crate::open::{Store, remove_any, sync_parent};
use crate::snapshot::SnapshotId;

/// The file that markers are names of.
const SEED: &str = "locks/unsynced";

/// Where records are; the last are the builder's.
const RECORDS: [&str; 6] = [
    "cache/forms",
    "cache/indexes",
    "snapshots/chains",
    "snapshots/merged",
    "cache/steps",
    "cache/places",
];

/// Files in new snapshots that the disk takes at once. It takes 50,000 in most of a second.
const MANY_FILES: usize = 2048;
/// Blobs that are synced one by one, which takes about a millisecond each.
const FEW_BLOBS: usize = 32;

/// What a handle of a store has made since the last sync.
#[derive(Debug, Default)]
pub(crate) struct Fresh {
    /// In snapshots.
    files: AtomicUsize,
}

impl Fresh {
    /// So many are on the disk, as another thread may have found as well.
    fn forget(&self, files: usize) {
        let less = |now: usize| Some(now.saturating_sub(files));
        let _always = self.files.fetch_update(Relaxed, Relaxed, less);
    }
}

impl Store {
    /// So many files have been written into a snapshot.
    pub fn note_files(&self, count: usize) {
        self.inner.fresh.files.fetch_add(count, Relaxed);
    }

    /// Whether there are so many of them that an image got its names before they were on the disk. Somebody should
    /// [`Store::sync`] when there is time: what no sync has seen is made again after a reboot.
    pub fn is_far_from_synced(&self) -> bool {
        self.inner.fresh.files.load(Relaxed) > MANY_FILES
    }

    /// What has to be on the disk before an image gets names.
    pub(crate) fn sync_for_names(&self) -> Result<()> {
        if !self.is_far_from_synced() {
            return self.sync();
        }
        let blobs = self.settled_markers()?.iter().filter(|it| blob_of(it).is_some()).count();
        if blobs > FEW_BLOBS { self.sync() } else { self.sync_blobs() }
    }

    /// Makes everything stored so far survive a loss of power. Costs nothing if nothing is new. To be called without locks.
    pub fn sync(&self) -> Result<()> {
        let files = self.inner.fresh.files.load(Relaxed);
        let markers = self.settled_markers()?;
        if markers.is_empty() {
            self.inner.fresh.forget(files);
            return Ok(());
        }
        let root = File::open(self.root()).map_err(io_error("open", self.root()))?;
        rustix::fs::syncfs(&root).map_err(|errno| io_error("sync", self.root())(errno.into()))?;
        self.inner.fresh.forget(files);
        self.remove_markers(&markers)
    }

    /// As [`Store::sync`] for blobs alone: snapshots can be made of them again, and are several times as large. To be
    /// called without locks.
    pub(crate) fn sync_blobs(&self) -> Result<()> {
        let mut markers = self.settled_markers()?;
        markers.retain(|marker| blob_of(marker).is_some());
        for digest in markers.iter().filter_map(|marker| blob_of(marker)) {
            sync_file(&self.blob_path(&digest))?;
        }
        if !markers.is_empty() {
            // Their names.
            sync_parent(&self.sub("images/blobs/sha256").join("any"))?;
        }
        self.remove_markers(&markers)
    }

    /// The markers of what is visible by now.
    fn settled_markers(&self) -> Result<Vec<String>> {
        let dir = self.sub("unsynced");
        if markers(&dir)?.is_empty() {
            return Ok(Vec::new());
        }
        // Without the lock, some other thing might still be between its marker and its becoming visible: then its name
        // would not be synced, and the marker would go all the same.
        let _sweep = self.lock_exclusive(LockName::Sweep)?;
        markers(&dir)
    }

    fn remove_markers(&self, markers: &[String]) -> Result<()> {
        let dir = self.sub("unsynced");
        markers.iter().try_for_each(|marker| remove_any(&dir.join(marker)))
    }

    /// To be called before `held` becomes visible, with the `sweep` lock that covers both.
    pub(crate) fn mark_unsynced(&self, held: &Held) -> Result<()> {
        let path = self.sub("unsynced").join(marker_name(held));
        let failed = io_error("create the marker", &path);
        // A name is all there is to a marker, so they are names of one file: ext4 looks long for the inode of a new one
        // where many were removed lately.
        let seed = self.sub(SEED);
        match fs::hard_link(&seed, &path) {
            Err(error) if error.kind() == NotFound => {
                File::create(&seed).and_then(|_| fs::hard_link(&seed, &path))
            }
            done => done,
        }
        // A file has so many names and no more, and there are file systems that know no second one.
        .or_else(|_| File::create(&path).map(drop))
        .map_err(failed)
    }

    /// Removes the markers of what is not there any more. Under the exclusive `sweep` lock: nothing is between its
    /// marker and its becoming visible.
    pub(crate) fn forget_markers(&self) -> Result<()> {
        let dir = self.sub("unsynced");
        for marker in markers(&dir)? {
            let there = match parse_marker(&marker) {
                Some(Held::Blob(digest)) => self.has_blob(&digest),
                Some(Held::Snapshot(id)) => self.has_snapshot(&id),
                None => false,
            };
            if !there {
                remove_any(&dir.join(marker))?;
            }
        }
        Ok(())
    }

    /// Removes what was made before the last reboot and never synced. Under the exclusive `sweep` lock: of two
    /// that open the store at once, the slower must not remove what the faster has made again.
    pub(crate) fn distrust_other_boots(&self) -> Result<()> {
        let dir = self.sub("unsynced");
        if other_boots(&dir)?.is_empty() {
            return Ok(());
        }
        // The lease has to exist before the lock is taken; it names what is moved aside.
        self.session()?;
        let aside = {
            let _sweep = self.lock_exclusive(LockName::Sweep)?;
            self.set_unsynced_aside(&dir)?
        };
        aside.iter().try_for_each(|path| self.remove_aside(path).map(drop))
    }

    /// Records have no markers: they are made again. One that was renamed, but not written, is empty now.
    fn remove_torn_records(&self) -> Result<()> {
        for record in RECORDS {
            let dir = self.sub(record);
            for entry in fs::read_dir(&dir).into_iter().flatten() {
                let path = entry.map_err(io_error("list", &dir))?.path();
                let empty =
                    fs::symlink_metadata(&path).is_ok_and(|it| it.is_file() && it.len() == 0);
                match path.extension().and_then(|extension| extension.to_str()) {
                    _ if !empty => {}
                    // The cache's marks of steps that ran, which are empty by nature.
                    Some("gone") => {}
                    // That step ran, whatever it made.
                    Some("json") => {
                        let mark = path.with_extension("gone");
                        fs::rename(&path, &mark).map_err(io_error("create", &mark))?;
                    }
                    _ => remove_any(&path)?,
                }
            }
        }
        Ok(())
    }

    fn set_unsynced_aside(&self, dir: &Path) -> Result<Vec<PathBuf>> {
        let markers = other_boots(dir)?;
        let mut snapshots = Vec::new();
        for marker in &markers {
            match parse_marker(marker) {
                Some(Held::Blob(digest)) => remove_any(&self.blob_path(&digest))?,
                Some(Held::Snapshot(id)) => snapshots.push(id),
                None => {}
            }
        }
        let aside = self.set_snapshots_aside(&snapshots)?;
        self.remove_torn_records()?;
        markers.iter().try_for_each(|marker| remove_any(&dir.join(marker)))?;
        Ok(aside)
    }
}

/// One that is not there any more was collected.
fn sync_file(path: &Path) -> Result<()> {
    match File::open(path) {
        Ok(file) => file.sync_data().map_err(io_error("sync", path)),
        Err(error) if error.kind() == NotFound => Ok(()),
        Err(error) => Err(io_error("open", path)(error)),
    }
}

/// The markers that are not of this boot.
fn other_boots(dir: &Path) -> Result<Vec<String>> {
    let boot = lease::boot_id();
    Ok(markers(dir)?.into_iter().filter(|name| !name.starts_with(boot)).collect())
}

fn markers(dir: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(dir).map_err(io_error("list", dir))?;
    let name = |entry: std::io::Result<fs::DirEntry>| -> Result<String> {
        let entry = entry.map_err(io_error("list", dir))?;
        Ok(entry.file_name().to_string_lossy().into_owned())
    };
    entries.map(name).collect()
}

/// Each is a new one: a sync that is under way removes the markers it has seen, and not that of an equal thing that was
/// collected and made again meanwhile.
fn marker_name(held: &Held) -> String {
    let (boot, number) = (lease::boot_id(), lease::random());
    match held {
        Held::Blob(digest) => format!("{boot}.blob.{}.{number:016x}", digest.hex()),
        Held::Snapshot(id) => format!("{boot}.snapshot.{id}.{number:016x}"),
    }
}

fn blob_of(marker: &str) -> Option<Digest> {
    match parse_marker(marker) {
        Some(Held::Blob(digest)) => Some(digest),
        _ => None,
    }
}

fn parse_marker(name: &str) -> Option<Held> {
    let mut parts = name.split('.').skip(1);
    match (parts.next()?, parts.next()?) {
        ("blob", hex) => Digest::from_hex(hex).ok().map(Held::Blob),
        ("snapshot", id) => SnapshotId::parse(id).map(Held::Snapshot),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_again_has_a_marker_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Store::open(&dir.path().join("root"), &dir.path().join("state")).unwrap();
        let made = || {
            let store = open();
            let held = Held::Blob(store.put_bytes(b"x").unwrap().digest);
            let markers = markers(&store.sub("unsynced")).unwrap();
            assert_eq!(parse_marker(&markers[0]), Some(held));
            markers
        };
        let first = made();
        // Nobody holds it any more.
        assert_eq!(open().prune(&mut || Ok(Vec::new())).unwrap().blobs.len(), 1);
        let second = made();
        assert_eq!((first.len(), second.len()), (1, 1));
        assert_ne!(first, second);
    }

    #[test]
    fn many_files_are_not_waited_for_before_names_and_few_are() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("root"), &dir.path().join("state")).unwrap();
        let markers = || {
            let mut kinds: Vec<_> = markers(&store.sub("unsynced")).unwrap();
            kinds.iter_mut().for_each(|it| *it = it.split('.').nth(1).unwrap_or_default().into());
            kinds
        };
        let make = |files| {
            let active = store.snapshotter().prepare(&[]).unwrap();
            store.snapshotter().commit(active).unwrap();
            store.put_bytes(format!("{files}").as_bytes()).unwrap();
            store.note_files(files);
        };
        make(MANY_FILES);
        store.sync_for_names().unwrap();
        assert!(markers().is_empty() && !store.is_far_from_synced());
        make(MANY_FILES + 1);
        assert!(store.is_far_from_synced());
        store.sync_for_names().unwrap();
        assert_eq!(markers(), ["snapshot"]);
        // Nobody syncs so many blobs one by one.
        for number in 0..=FEW_BLOBS {
            store.put_bytes(format!("b{number}").as_bytes()).unwrap();
        }
        store.sync_for_names().unwrap();
        assert!(markers().is_empty() && !store.is_far_from_synced());
    }

    #[test]
    fn markers_of_older_versions_are_understood() {
        let digest = Digest::of(b"x");
        let marker = format!("0f0f0f0f.blob.{}", digest.hex());
        assert_eq!(parse_marker(&marker), Some(Held::Blob(digest)));
    }
}
