//! Cache mounts: directories of this machine, below `cache/mounts`, that outlive builds.
//!
//! An ID has numbered directories, each with a lock: `shared` uses the first with a shared lock,
//! `locked` the first with an exclusive one, `private` the first that nobody uses.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use store::Store;

use crate::cache::StepKey;
use crate::cancel::Cancel;
use crate::execute::{StepError, io_error};
use crate::step::{CacheMount, Sharing};

/// How often a build that waits for a locked cache looks whether it was cancelled.
const PATIENCE: Duration = Duration::from_millis(20);

/// A cache directory in use; others can have it when this is dropped.
#[derive(Debug)]
pub(crate) struct CacheDir {
    path: PathBuf,
    _lock: File,
}

impl CacheDir {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Finds or makes the directory; `seed` fills a new one.
    pub(crate) fn open(
        mount: &CacheMount,
        from: StepKey,
        store: &Store,
        cancel: &Cancel,
        seed: impl Fn(&Path) -> Result<(), StepError>,
    ) -> Result<CacheDir, StepError> {
        let name = blake3::hash(format!("{}\0{from}", mount.id).as_bytes()).to_hex();
        let parent = store.directory("cache/mounts")?.join(&name.as_str()[..32]);
        fs::create_dir_all(&parent).map_err(io_error("create", &parent))?;
        let (number, lock) = lock_one(&parent, mount.sharing, cancel)?;
        let path = parent.join(number.to_string());
        if !path.exists() {
            make(&path, mount, store, seed)?;
        }
        Ok(CacheDir { path, _lock: lock })
    }
}

fn lock_one(parent: &Path, sharing: Sharing, cancel: &Cancel) -> Result<(usize, File), StepError> {
    let open = |number: usize| {
        let path = parent.join(format!("{number}.lock"));
        let mut options = File::options();
        let file = options.create(true).truncate(false).write(true).open(&path);
        file.map_err(io_error("open", &path))
    };
    match sharing {
        Sharing::Shared => wait_for(open(0)?, cancel, File::try_lock_shared),
        Sharing::Locked => wait_for(open(0)?, cancel, File::try_lock),
        Sharing::Private => {
            for number in 0.. {
                let file = open(number)?;
                match file.try_lock() {
                    Ok(()) => return Ok((number, file)),
                    Err(TryLockError::WouldBlock) => {}
                    Err(TryLockError::Error(source)) => return Err(lock_error(source)),
                }
            }
            unreachable!("there are always more numbers")
        }
    }
}

fn wait_for(
    file: File,
    cancel: &Cancel,
    try_lock: impl Fn(&File) -> Result<(), TryLockError>,
) -> Result<(usize, File), StepError> {
    loop {
        match try_lock(&file) {
            Ok(()) => return Ok((0, file)),
            Err(TryLockError::WouldBlock) if cancel.is_cancelled() => {
                return Err(StepError::Cancelled);
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(PATIENCE),
            Err(TryLockError::Error(source)) => return Err(lock_error(source)),
        }
    }
}

fn lock_error(source: io::Error) -> StepError {
    StepError::Io { act: "lock", path: PathBuf::from("cache/mounts"), source }
}

/// Complete before it is visible: filled under another name, then renamed. Two that share it may
/// both try; the first wins.
fn make(
    path: &Path,
    mount: &CacheMount,
    store: &Store,
    seed: impl Fn(&Path) -> Result<(), StepError>,
) -> Result<(), StepError> {
    let temp = store.temp_path()?;
    fs::create_dir(&temp).map_err(io_error("create", &temp))?;
    seed(&temp)?;
    let described = mount.mode.is_some() || mount.uid.is_some() || mount.gid.is_some();
    let mode = fs::Permissions::from_mode(mount.mode.unwrap_or(0o755));
    if described {
        let (uid, gid) = (mount.uid.unwrap_or(0), mount.gid.unwrap_or(0));
        chown(&temp, Some(uid), Some(gid)).map_err(io_error("change the owner of", &temp))?;
    }
    fs::set_permissions(&temp, mode).map_err(io_error("change the mode of", &temp))?;
    match fs::rename(&temp, path) {
        Ok(()) => Ok(()),
        Err(_) if path.exists() => {
            let _ = fs::remove_dir_all(&temp);
            Ok(())
        }
        Err(source) => Err(io_error("create", path)(source)),
    }
}
