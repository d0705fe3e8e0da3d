//! Cache mounts: directories of this machine, below `cache/mounts`, that outlive builds.
//!
//! Which one a mount means is decided by its ID and by what a new one would be like: what it is
//! filled with, its owner and mode (as BuildKit has it). Each has numbered directories, each with
//! a lock: `shared` uses the first with a shared lock, `locked` the first with an exclusive one,
//! `private` the first that nobody uses.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use store::Store;

use crate::cache::{About, KeyBuilder, StepKey};
use crate::cancel::Cancel;
use crate::execute::{StepError, io_error};
use crate::step::{CacheMount, Sharing};

/// How often a build that waits for a locked cache looks whether it was cancelled.
const PATIENCE: Duration = Duration::from_millis(20);

/// A cache directory in use; others can have it when the last clone is dropped.
#[derive(Clone, Debug)]
pub(crate) struct CacheDir {
    path: PathBuf,
    _lock: Arc<File>,
}

/// The mounts of one RUN that mean the same directory.
struct Wanted<'a> {
    first: &'a CacheMount,
    sharing: Sharing,
    numbers: Vec<usize>,
}

/// Opens the directories of `mounts`, each given with its number and the key of what a new one is
/// filled with; `seed` fills it.
///
/// A directory that several of them mean is opened once, and all are opened in the same order
/// everywhere: steps never wait for each other in a circle.
pub(crate) fn open_all<'a>(
    mounts: impl IntoIterator<Item = (usize, &'a CacheMount, StepKey)>,
    store: &Store,
    cancel: &Cancel,
    seed: impl Fn(&CacheMount, &Path) -> Result<(), StepError>,
) -> Result<BTreeMap<usize, CacheDir>, StepError> {
    let mut wanted = BTreeMap::<String, Wanted<'_>>::new();
    for (number, mount, from) in mounts {
        let all = wanted.entry(name(mount, from)).or_insert_with(|| Wanted {
            first: mount,
            sharing: mount.sharing,
            numbers: Vec::new(),
        });
        if all.sharing == Sharing::Shared {
            all.sharing = mount.sharing;
        }
        all.numbers.push(number);
    }
    let mut opened = BTreeMap::new();
    for (name, Wanted { first, sharing, numbers }) in wanted {
        let parent = store.directory("cache/mounts")?.join(name);
        let dir = CacheDir::open(&parent, sharing, cancel)?;
        if !dir.path.exists() {
            make(&dir.path, first, store, |path| seed(first, path))?;
        }
        // Now that there is a directory, nobody takes the name away.
        About { id: first.id.clone() }.write(store, &parent)?;
        opened.extend(numbers.into_iter().map(|number| (number, dir.clone())));
    }
    Ok(opened)
}

fn name(mount: &CacheMount, from: StepKey) -> String {
    name_of(&mount.id, from, described(mount))
}

fn name_of(id: &str, from: StepKey, described: Option<(u32, u32, u32)>) -> String {
    let mut key = KeyBuilder::new("cache mount").part(id.as_bytes()).key(from);
    if let Some((mode, uid, gid)) = described {
        key = key.part(format!("{mode:o} {uid}:{gid}").as_bytes());
    }
    key.finish().to_string()[..32].to_owned()
}

/// What a mount of this ID is called that begins empty.
pub(crate) fn key_of_new(
    id: &str,
    mode: Option<u32>,
    uid: Option<u32>,
    gid: Option<u32>,
) -> String {
    let says = mode.is_some() || uid.is_some() || gid.is_some();
    let owner = says.then(|| (mode.unwrap_or(0o755), uid.unwrap_or(0), gid.unwrap_or(0)));
    name_of(id, crate::solve::filesystem::Filesystem::scratch().key, owner)
}

/// Mode and owner if the mount says something about them. They are those of the root of the cache:
/// a mount of something within it says nothing.
fn described(mount: &CacheMount) -> Option<(u32, u32, u32)> {
    let says = mount.mode.is_some() || mount.uid.is_some() || mount.gid.is_some();
    (says && mount.source == "/")
        .then(|| (mount.mode.unwrap_or(0o755), mount.uid.unwrap_or(0), mount.gid.unwrap_or(0)))
}

impl CacheDir {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Finds a directory that may be used, and waits for it if need be. It may not exist yet.
    fn open(parent: &Path, sharing: Sharing, cancel: &Cancel) -> Result<CacheDir, StepError> {
        fs::create_dir_all(parent).map_err(io_error("create", parent))?;
        let mut number = 0;
        loop {
            let path = parent.join(format!("{number}.lock"));
            let mut options = File::options();
            let file = options.create(true).truncate(false).write(true).open(&path);
            let file = file.map_err(io_error("open", &path))?;
            if lock(&file, &path, sharing, cancel)? {
                // When it was last used: `cache::prune` asks.
                file.set_modified(SystemTime::now()).map_err(io_error("touch", &path))?;
                let path = parent.join(number.to_string());
                return Ok(CacheDir { path, _lock: Arc::new(file) });
            }
            number += 1;
        }
    }
}

/// False if somebody has it and there is no point in waiting.
fn lock(file: &File, path: &Path, sharing: Sharing, cancel: &Cancel) -> Result<bool, StepError> {
    loop {
        let locked = match sharing {
            Sharing::Shared => file.try_lock_shared(),
            Sharing::Private | Sharing::Locked => file.try_lock(),
        };
        match locked {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) if sharing == Sharing::Private => return Ok(false),
            Err(TryLockError::WouldBlock) if cancel.is_cancelled() => {
                return Err(StepError::Cancelled);
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(PATIENCE),
            Err(TryLockError::Error(source)) => return Err(io_error("lock", path)(source)),
        }
    }
}

/// Complete before it is visible: filled under another name, then renamed. Two that share it may
/// both try; the first wins, also with a directory that is empty, which a plain rename would replace.
fn make(
    path: &Path,
    mount: &CacheMount,
    store: &Store,
    seed: impl FnOnce(&Path) -> Result<(), StepError>,
) -> Result<(), StepError> {
    let temp = store.temp_path()?;
    fs::create_dir(&temp).map_err(io_error("create", &temp))?;
    let set_mode = |mode| {
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(&temp, permissions).map_err(io_error("change the mode of", &temp))
    };
    set_mode(0o755)?;
    seed(&temp)?;
    if let Some((mode, uid, gid)) = described(mount) {
        chown(&temp, Some(uid), Some(gid)).map_err(io_error("change the owner of", &temp))?;
        set_mode(mode)?;
    }
    match renameat_with(CWD, &temp, CWD, path, RenameFlags::NOREPLACE) {
        Err(_) if path.exists() => fs::remove_dir_all(&temp).map_err(io_error("remove", &temp)),
        renamed => renamed.map_err(|errno| io_error("create", path)(errno.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::Source;

    fn mount(sharing: Sharing) -> CacheMount {
        CacheMount {
            target: "/c".to_owned(),
            id: "c".to_owned(),
            sharing,
            from: Source::Scratch,
            source: "/".to_owned(),
            read_only: false,
            mode: None,
            uid: None,
            gid: None,
        }
    }

    fn open(store: &Store, mounts: &[CacheMount], cancel: &Cancel) -> Vec<PathBuf> {
        let from = KeyBuilder::new("nothing").finish();
        let numbered = mounts.iter().enumerate().map(|(number, mount)| (number, mount, from));
        let opened = open_all(numbered, store, cancel, |_, _| Ok(())).unwrap();
        let paths = opened.values().map(|dir| dir.path.clone()).collect();
        std::mem::forget(opened);
        paths
    }

    #[test]
    fn private_ones_differ_and_shared_ones_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("s"), &dir.path().join("r")).unwrap();
        let cancel = Cancel::default();
        let shared = open(&store, &[mount(Sharing::Shared), mount(Sharing::Shared)], &cancel);
        assert_eq!(shared[0], shared[1]);
        assert_eq!(open(&store, &[mount(Sharing::Shared)], &cancel), shared[..1]);
        let private = open(&store, &[mount(Sharing::Private)], &cancel);
        assert_ne!(private, shared[..1]);
        assert_ne!(open(&store, &[mount(Sharing::Private)], &cancel), private);
        let owned = CacheMount { uid: Some(7), ..mount(Sharing::Shared) };
        assert_ne!(open(&store, &[owned], &cancel), shared[..1]);
    }

    #[test]
    fn waiting_for_a_locked_one_can_be_cancelled() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("s"), &dir.path().join("r")).unwrap();
        let cancel = Cancel::default();
        let twice = open(&store, &[mount(Sharing::Locked), mount(Sharing::Shared)], &cancel);
        assert_eq!(twice[0], twice[1]);
        cancel.cancel();
        let from = KeyBuilder::new("nothing").finish();
        let again = open_all([(0, &mount(Sharing::Locked), from)], &store, &cancel, |_, _| Ok(()));
        assert!(matches!(again, Err(StepError::Cancelled)));
    }
}
