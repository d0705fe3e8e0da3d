//! [`Store`]: opening a store, its layout on disk, and cleaning up after owners that died.
//!
//! ```text
//! schema.json                 {"schema": 1}
//! images/                     an OCI image layout: oci-layout, index.json, blobs/sha256/<hex>
//! snapshots/fs/<id>/          an unpacked layer in overlayfs' form, or (copy…) a whole file system
//! snapshots/form              which of the two suits this place, where that had to be found out
//! snapshots/empty/            a lower directory with nothing in it
//! snapshots/targets/          a lowest layer with the places that every RUN mounts files on
//! snapshots/container-targets/   the same of containers
//! snapshots/chains/<hex>      chain ID → snapshot id
//! snapshots/merged/<hex>      a stack of snapshots → the snapshot that stands for it
//! cache/indexes/<hex>         chain ID → layer index
//! cache/forms/<hex>.<form>    diff ID → descriptor of its compressed form
//! cache/pieces/<hex>.<form>   a compressed blob → the pieces it is made of (`archive/pieces`)
//! cache/midstates/<hex>       a plain blob → where its hash stood on the way (`midstates`)
//! cache/image-sizes/<hex>         an image → bytes of the files in each layer (`image/sizes`)
//! leases/  locks/             see `lease`, `lock`
//! temp/<owner>.<n>            unfinished things, named after their owner's lease; `gone.…`: see `aside`
//! unsynced/<boot>.<thing>     made since the last sync: distrusted after a reboot (`durability`)
//! containers/ networks/ volumes/   made by who needs them
//! ```
//!
//! Nothing in a store is an absolute path or an inode number, so it may be copied or moved as a whole.
use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind::{IsADirectory, PermissionDenied};
use std::io::{self, Write};
use std::num::NonZero;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use serde::{Deserialize, Serialize};
use sys::RootDir;

use crate::aside::Patience;
use crate::durability::Fresh;
use crate::error::{DESCRIPTION, Result, StoreError, io_error};
use crate::layers::KnownLayers;
use crate::lease::{self, Held, Session};
use crate::lock::{Lock, LockName};
use crate::own::OwnBlobs;
use crate::snapshot::{
    CopySnapshotter, KnownStamps, OverlaySnapshotter, SnapshotForm, Snapshotter,
};

const SCHEMA: u64 = 1;
const DIRECTORIES: [&str; 12] = [
    "images/blobs/sha256",
    "snapshots/fs",
    "snapshots/empty",
    "snapshots/chains",
    "snapshots/merged",
    "cache/indexes",
    "cache/forms",
    "leases",
    "locks",
    "temp",
    "unsynced",
    "images",
];
/// Images contain other people's set-user-ID programs and perhaps secrets: nobody else looks inside.
const PRIVATE: u32 = 0o700;
pub(crate) const OCI_LAYOUT: &str = "{\"imageLayoutVersion\":\"1.0.0\"}";

/// A handle on a store. Cheap to clone; all clones share one lease session.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    root: PathBuf,
    state: PathBuf,
    session: Mutex<Option<Arc<Session>>>,
    pub(crate) layers: KnownLayers,
    /// Once it is decided.
    pub(crate) form: Mutex<Option<SnapshotForm>>,
    pub(crate) stamps: KnownStamps,
    pub(crate) patience: Patience,
    /// Threads that compress at a time, if somebody decided.
    workers: OnceLock<NonZero<usize>>,
    pub(crate) own: OwnBlobs,
    pub(crate) fresh: Fresh,
}

#[derive(Debug, Serialize, Deserialize)]
struct Schema {
    schema: u64,
}

impl Store {
    /// Opens the store at `root`, creating it if need be, and removes what dead owners left behind as far as that
    /// is quickly done (`aside`).
    /// `state` is the directory for what does not outlive a reboot.
    pub fn open(root: &Path, state: &Path) -> Result<Store> {
        fs::create_dir_all(root).map_err(io_error("create the store", root))?;
        let root = root.canonicalize().map_err(io_error("find the store", root))?;
        match fs::read(root.join("schema.json")) {
            Ok(bytes) => {
                check_schema(&root, &bytes)?;
                // Programs that copy directories may leave out the empty ones.
                if !DIRECTORIES.iter().all(|name| root.join(name).is_dir()) {
                    create_directories(&root)?;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => create_layout(&root)?,
            Err(error) => return Err(io_error("read", &root.join("schema.json"))(error)),
        }
        let store = Store::at(root, state.to_owned());
        store.remove_small_leftovers()?;
        store.distrust_other_boots()?;
        Ok(store)
    }

    fn at(root: PathBuf, state: PathBuf) -> Store {
        Store {
            inner: Arc::new(Inner {
                root,
                state,
                session: Mutex::default(),
                layers: KnownLayers::default(),
                form: Mutex::default(),
                stamps: KnownStamps::default(),
                patience: Patience::default(),
                workers: OnceLock::new(),
                own: OwnBlobs::default(),
                fresh: Fresh::default(),
            }),
        }
    }

    /// A handle that holds nothing of what this one holds, for a process that was forked when the store was open already.
    #[must_use]
    pub fn again(&self) -> Store {
        Store::at(self.inner.root.clone(), self.inner.state.clone())
    }

    /// Writes a description that cannot be read anew: there is only one format yet, and what is described says itself
    /// whether it is right. Says whether there was need to; before [`Store::open`], which needs it.
    pub fn repair_description(root: &Path) -> Result<bool> {
        let path = root.join("schema.json");
        let Ok(bytes) = fs::read(&path) else { return Ok(false) };
        let is_store = DIRECTORIES.iter().any(|name| root.join(name).is_dir());
        let damaged = matches!(check_schema(root, &bytes), Err(StoreError::Document { .. }));
        if !damaged || !is_store {
            return Ok(false);
        }
        let temp = root.join(format!("schema.{:016x}.tmp", lease::random()));
        let replaced = write_durably(&temp, &Schema { schema: SCHEMA }.to_bytes())
            .and_then(|()| fs::rename(&temp, &path).map_err(io_error("replace", &path)))
            .and_then(|()| sync_parent(&path));
        if replaced.is_err() {
            // What is told is why there is no description.
            let _ = fs::remove_file(&temp);
        }
        replaced.map(|()| true)
    }

    pub fn root(&self) -> &Path {
        &self.inner.root
    }

    /// Compresses, also several layers, on so many threads from now on, instead of on all processors. The bytes stay the same. Only the
    /// first call counts.
    pub fn set_workers(&self, count: NonZero<usize>) {
        let _decided = self.inner.workers.set(count);
    }

    pub(crate) fn workers(&self) -> Option<NonZero<usize>> {
        self.inner.workers.get().copied()
    }

    /// Where what does not outlive a reboot is kept.
    pub fn state(&self) -> &Path {
        &self.inner.state
    }

    /// A directory for definitions or records of the caller: `containers`, `cache/steps`. Made if need be.
    pub fn directory(&self, name: &str) -> Result<PathBuf> {
        let path = self.root().join(name);
        create_private(&path)?;
        Ok(path)
    }

    /// Makes and keeps the unpacked layers.
    pub fn snapshotter(&self) -> Arc<dyn Snapshotter> {
        match self.snapshot_form() {
            SnapshotForm::Overlay => Arc::new(OverlaySnapshotter::new(self.clone())),
            SnapshotForm::Copy => Arc::new(CopySnapshotter::new(self.clone())),
        }
    }

    /// Writes `held` into this handle's lease and says whether it exists. If so, it stays at least as long
    /// as this handle.
    pub fn hold(&self, held: Held) -> Result<bool> {
        let path = match &held {
            Held::Blob(digest) => self.blob_path(digest),
            Held::Snapshot(id) => self.snapshot_path(id),
        };
        let look = || path.try_exists().map_err(io_error("look for", &path));
        let session = self.session()?;
        if session.is_confirmed(&held) {
            // Nothing but damage or the caller's own doing can have removed it.
            return look();
        }
        session.hold(held.clone())?;
        let _sweep = self.lock_shared(LockName::Sweep)?;
        let exists = look()?;
        if exists {
            session.confirm(held);
        }
        Ok(exists)
    }

    /// Creates or replaces a lease that outlives this process, until [`Store::release`], and a loss of power too:
    /// what it holds first.
    pub fn keep(&self, name: &str, held: &[Held]) -> Result<()> {
        self.sync()?;
        let temp = self.temp_path()?;
        // Not during a collection: what passes from the session to the named lease must be in one of them.
        let _sweep = self.lock_shared(LockName::Sweep)?;
        lease::keep(&self.sub("leases"), &temp, name, held)
    }

    /// As [`Store::keep`], but for what need not survive a loss of power: what it holds may be distrusted then.
    pub fn keep_until_reboot(&self, name: &str, held: &[Held]) -> Result<()> {
        let temp = self.temp_path()?;
        let _sweep = self.lock_shared(LockName::Sweep)?;
        lease::keep_until_reboot(&self.sub("leases"), &temp, name, held)
    }

    /// Ends the lease `name`; it is no error if there is none.
    pub fn release(&self, name: &str) -> Result<()> {
        lease::release(&self.sub("leases"), name)
    }

    /// The leases made with [`Store::keep`].
    pub fn kept(&self) -> Result<Vec<(String, Vec<Held>)>> {
        lease::named(&self.sub("leases"))
    }

    pub(crate) fn lease_of(&self, name: &str) -> Result<Vec<Held>> {
        lease::of_name(&self.sub("leases"), name)
    }

    /// A path in the store's file system for the caller's temporary file or directory. Removed by the next
    /// one who opens the store after this process died; the caller removes or renames it otherwise.
    pub fn temp_path(&self) -> Result<PathBuf> {
        Ok(self.sub("temp").join(self.session()?.temp_name()))
    }

    pub(crate) fn session(&self) -> Result<Arc<Session>> {
        let mut slot = self.inner.session.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(session) = &*slot {
            return Ok(session.clone());
        }
        let session = Arc::new(Session::begin(&self.sub("leases"), &self.sub("temp"))?);
        *slot = Some(session.clone());
        Ok(session)
    }

    pub(crate) fn lock_shared(&self, name: LockName) -> Result<Lock> {
        Lock::shared(&self.sub("locks"), name)
    }

    pub(crate) fn lock_exclusive(&self, name: LockName) -> Result<Lock> {
        Lock::exclusive(&self.sub("locks"), name)
    }

    pub(crate) fn sub(&self, path: &str) -> PathBuf {
        self.inner.root.join(path)
    }

    /// Writes `bytes` to `path` so that a reader sees the old or the new content.
    pub(crate) fn replace_file(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.replace_file_by(path, |file| file.write_all(bytes))
    }

    /// As [`Store::replace_file`], with what `write` writes.
    pub fn replace_file_by(
        &self,
        path: &Path,
        write: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<()> {
        let temp = self.temp_path()?;
        let written = File::create(&temp).and_then(|mut file| write(&mut file));
        written.map_err(io_error("write", &temp))?;
        fs::rename(&temp, path).map_err(io_error("replace", path))
    }

    /// As [`Store::replace_file`]; after a loss of power too, a reader sees the old or the new content, and the new
    /// one if this has returned.
    pub(crate) fn replace_file_durably(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let temp = self.temp_path()?;
        write_durably(&temp, bytes)?;
        fs::rename(&temp, path).map_err(io_error("replace", path))?;
        sync_parent(path)
    }
}

/// Removes a file or a whole directory, however deep; it is no error if it is gone.
pub(crate) fn remove_any(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        // A directory; Linux and POSIX differ in how they say so.
        Err(error) if matches!(error.kind(), IsADirectory | PermissionDenied) => {}
        Err(error) => return Err(io_error("remove", path)(error)),
    }
    let (parent, name) = (path.parent().unwrap_or(path), path.file_name().unwrap_or_default());
    match RootDir::open(parent).and_then(|parent| parent.remove_tree(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io_error("remove", path)(error.into()))
        }
        _ => Ok(()),
    }
}

fn check_schema(root: &Path, bytes: &[u8]) -> Result<()> {
    let path = root.join("schema.json");
    let schema: Schema = serde_json::from_slice(bytes).map_err(|source| StoreError::Document {
        what: DESCRIPTION,
        path,
        source,
    })?;
    if schema.schema == SCHEMA {
        return Ok(());
    }
    Err(StoreError::Schema { root: root.to_owned(), found: schema.schema, known: SCHEMA })
}

/// Every step may be repeated and be done by several at once; the schema file comes last.
fn create_layout(root: &Path) -> Result<()> {
    create_directories(root)?;
    let empty_index = crate::manifest::Index::new(Vec::new()).to_bytes();
    create_file(root, "images/oci-layout", OCI_LAYOUT.as_bytes())?;
    create_file(root, "images/index.json", &empty_index)?;
    create_file(root, "schema.json", &Schema { schema: SCHEMA }.to_bytes())
}

fn create_directories(root: &Path) -> Result<()> {
    for name in DIRECTORIES {
        create_private(&root.join(name))?;
    }
    // The one among them that containers see: the root of a file system without layers.
    let empty = root.join("snapshots/empty");
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&empty, mode).map_err(io_error("set the mode of", &empty))
}

impl Schema {
    fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a number serialises")
    }
}

pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = File::create(path).map_err(io_error("create", path))?;
    file.write_all(bytes).map_err(io_error("write", path))?;
    file.sync_data().map_err(io_error("sync", path))
}

/// Makes a name that was given survive.
pub(crate) fn sync_parent(path: &Path) -> Result<()> {
    let parent = path.parent().unwrap_or(path);
    let dir = File::open(parent).map_err(io_error("open", parent))?;
    dir.sync_all().map_err(io_error("sync", parent))
}

fn create_private(path: &Path) -> Result<()> {
    let mut builder = DirBuilder::new();
    let created = builder.recursive(true).mode(PRIVATE).create(path);
    created.map_err(io_error("create the directory", path))
}

/// Creates a complete file, unless there is one already. Durably: an empty one after a loss of power would
/// be taken for that of a damaged store for ever.
fn create_file(root: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let path = root.join(name);
    loop {
        let temp = root.join("temp").join(format!("layout.{:016x}", lease::random()));
        let written = write_durably(&temp, bytes);
        let linked = written.as_ref().map_or(Ok(()), |()| fs::hard_link(&temp, &path));
        let removed = remove_any(&temp);
        written.and(removed)?;
        match linked {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            // Another one who opens the new store took our file for a leftover.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io_error("create", &path)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;
    use crate::digest::Digest;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("root"), &dir.path().join("state")).unwrap();
        (dir, store)
    }

    /// `act` ends soon after `lock` is released and not before.
    #[track_caller]
    fn waits_for(lock: Lock, act: impl FnOnce() + Send + 'static, before: impl Fn() -> bool) {
        let (sender, done) = channel();
        let thread = std::thread::spawn(move || {
            act();
            sender.send(()).unwrap();
        });
        assert!(done.recv_timeout(Duration::from_millis(200)).is_err(), "it did not wait");
        assert!(before());
        drop(lock);
        thread.join().unwrap();
        assert!(!before());
    }

    /// Collection lists the leases and then asks which sessions live: what a session passes to a named lease
    /// between the two would be held by neither.
    #[test]
    fn a_named_lease_does_not_appear_during_a_collection() {
        let (_dir, store) = store();
        let sweep = store.lock_exclusive(LockName::Sweep).unwrap();
        let other = store.clone();
        let act = move || other.keep("c1", &[Held::Blob(Digest::of(b"x"))]).unwrap();
        waits_for(sweep, act, || store.kept().unwrap().is_empty());
    }

    /// Its marker is there already, but what it marks has no name yet that could be synced.
    #[test]
    fn a_sync_waits_for_what_is_becoming_visible() {
        let (_dir, store) = store();
        store.put_bytes(b"x").unwrap();
        let sweep = store.lock_shared(LockName::Sweep).unwrap();
        let other = store.clone();
        let act = move || other.sync().unwrap();
        waits_for(sweep, act, || !store.file_names("unsynced").unwrap().is_empty());
    }

    /// Two that open the store after a reboot both see the old marker; the slower one must not remove what
    /// the faster one has made again.
    #[test]
    fn what_is_distrusted_goes_while_nobody_makes_anything() {
        let (_dir, store) = store();
        let info = store.put_bytes(b"x").unwrap();
        let unsynced = store.sub("unsynced");
        let name = store.file_names("unsynced").unwrap().remove(0);
        let (_boot, thing) = name.split_once('.').unwrap();
        fs::rename(unsynced.join(&name), unsynced.join(format!("0f0f0f0f.{thing}"))).unwrap();
        let sweep = store.lock_shared(LockName::Sweep).unwrap();
        let (root, state) = (store.root().to_owned(), store.state().to_owned());
        let act = move || drop(Store::open(&root, &state).unwrap());
        waits_for(sweep, act, || store.has_blob(&info.digest));
        assert!(store.file_names("unsynced").unwrap().is_empty());
    }

    #[test]
    fn directories_are_private() {
        let (_dir, store) = store();
        for name in ["containers", "cache/steps/more"] {
            let path = store.directory(name).unwrap();
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, PRIVATE, "{name}");
        }
    }

    #[test]
    fn a_record_that_is_not_text_is_none() {
        let (_dir, store) = store();
        let record = store.sub("snapshots/merged").join(Digest::of(b"x").hex());
        fs::write(&record, b"\xff\xff\xff").unwrap();
        assert_eq!(store.read_id(&record).unwrap(), None);
        store.prune(&mut || Ok(Vec::new())).unwrap();
        assert!(!record.exists());
    }
}
