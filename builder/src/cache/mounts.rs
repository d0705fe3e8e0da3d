//! Cache mounts as things of their own: listed, pruned, exported and imported, by the ID that a Dockerfile gives them.
//!
//! A mount is a directory `cache/mounts/KEY/NUMBER`; `KEY/about.json` says which ID it has (see `execute::run`). An ID
//! may mean several directories: with other owners or beginnings, or because private mounts were used at once.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use store::id_map::IdMap;
use store::layer::{LayerError, LayerWriter, apply_archive, decompressor, scan, write_layer};
use store::tree::Tree;
use store::usage::measure;
use store::{Store, StoreError};
use sys::{RootDir, SysError};

use super::prune::{Mount, PrunedCache, cache_mounts, failed, modified, paths_in, remove};

/// Of a directory that a mount uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheMountInfo {
    /// `KEY/NUMBER`
    pub name: String,
    /// Unknown for one that was made before IDs were written down.
    pub id: Option<String>,
    pub bytes: u64,
    pub used: SystemTime,
    pub in_use: bool,
}

/// Why something could not be done with a cache mount.
#[derive(Debug, thiserror::Error)]
pub enum CacheMountError {
    #[error("there is no cache mount `{name}`")]
    Unknown { name: String },
    #[error("`{name}` means several cache mounts: {}", .names.join(", "))]
    Several { name: String, names: Vec<String> },
    #[error("the cache mount `{name}` is in use")]
    InUse { name: String },
    #[error("cannot read the archive")]
    Archive { source: io::Error },
    #[error("cannot write the archive")]
    Write { source: io::Error },
    #[error("cannot {act} the files of the cache mount `{name}`")]
    Files { act: &'static str, name: String, source: LayerError },
    #[error("cannot open the cache mount `{name}`")]
    Open { name: String, source: SysError },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CacheMountError {
    pub fn hint(&self) -> Option<String> {
        match self {
            CacheMountError::Unknown { .. } => Some("`rbuild cache ls` lists them".to_owned()),
            CacheMountError::Several { .. } => Some("name one of them instead".to_owned()),
            CacheMountError::InUse { .. } => {
                Some("wait until the build that uses it ends".to_owned())
            }
            CacheMountError::Store(error) => error.hint(),
            _ => None,
        }
    }
}

type Result<T> = std::result::Result<T, CacheMountError>;

/// What is written beside the directories of a mount.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) id: String,
}

const ABOUT: &str = "about.json";

impl About {
    pub(crate) fn write(
        &self,
        store: &Store,
        parent: &Path,
    ) -> std::result::Result<(), StoreError> {
        let path = parent.join(ABOUT);
        if path.exists() {
            return Ok(());
        }
        let temp = store.temp_path()?;
        let bytes = serde_json::json!(self).to_string();
        let written = fs::write(&temp, bytes).and_then(|()| fs::rename(&temp, &path));
        written.map_err(|error| {
            // What cannot be removed goes when the store is next opened.
            let _ = fs::remove_file(&temp);
            failed("write", &path)(error)
        })
    }

    fn read(parent: &Path) -> Option<About> {
        serde_json::from_slice(&fs::read(parent.join(ABOUT)).ok()?).ok()
    }
}

/// Removes the names of mounts of which there is no directory. Who makes one in this very moment goes without.
pub(super) fn forget_names(store: &Store) -> std::result::Result<(), StoreError> {
    for parent in paths_in(&store.directory("cache/mounts")?)? {
        if paths_in(&parent)?.iter().all(|path| !path.is_dir()) {
            remove(&parent.join(ABOUT))?;
        }
    }
    Ok(())
}

fn id_of(mount: &Mount) -> Option<String> {
    About::read(mount.path.parent()?).map(|about| about.id)
}

/// All there are.
pub fn list_mounts(store: &Store) -> Result<Vec<CacheMountInfo>> {
    let mut list = Vec::new();
    for mount in cache_mounts(store)? {
        list.push(CacheMountInfo {
            name: mount.name(),
            id: id_of(&mount),
            bytes: measure(&mount.path)?.bytes,
            used: modified(&mount.lock_path()),
            in_use: mount.lock()?.is_none(),
        });
    }
    Ok(list)
}

/// Those that `name` means: a directory by its own name, or all of an ID.
fn named(store: &Store, name: &str) -> Result<Vec<Mount>> {
    let mut found = cache_mounts(store)?;
    found.retain(|mount| mount.name() == name || id_of(mount).as_deref() == Some(name));
    Ok(found)
}

fn single(store: &Store, name: &str) -> Result<Option<Mount>> {
    let mut found = named(store, name)?;
    if found.len() > 1 {
        let names = found.iter().map(Mount::name).collect();
        return Err(CacheMountError::Several { name: name.to_owned(), names });
    }
    Ok(found.pop())
}

fn lock(mount: &Mount) -> Result<File> {
    mount.lock()?.ok_or_else(|| CacheMountError::InUse { name: mount.name() })
}

/// Removes the mounts that `names` mean, all of them or, if one is unknown or in use, none.
pub fn prune_mounts(store: &Store, names: &[String]) -> Result<PrunedCache> {
    let mut chosen: Vec<Mount> = Vec::new();
    for name in names {
        let found = named(store, name)?;
        if found.is_empty() {
            return Err(CacheMountError::Unknown { name: name.clone() });
        }
        chosen.extend(found);
    }
    chosen.sort_by(|a, b| a.path.cmp(&b.path));
    chosen.dedup_by(|a, b| a.path == b.path);
    let locks = chosen.iter().map(lock).collect::<Result<Vec<_>>>()?;
    let mut pruned = PrunedCache::default();
    let mut aside = Vec::new();
    // Somebody else may have removed one until it was locked.
    for mount in chosen.iter().filter(|mount| mount.path.exists()) {
        aside.push(store.set_aside(&mount.path)?);
        pruned.entries.push(mount.name());
    }
    drop(locks);
    forget_names(store)?;
    for path in aside {
        pruned.bytes += store.remove_aside(&path)?;
    }
    Ok(pruned)
}

/// Writes the files of a mount as a tar archive. Builds that use it wait or get another.
pub fn export_mount(store: &Store, name: &str, writer: &mut dyn Write) -> Result<()> {
    let mount = single(store, name)?;
    let mount = mount.ok_or_else(|| CacheMountError::Unknown { name: name.to_owned() })?;
    let _lock = lock(&mount)?;
    let failed = |source| CacheMountError::Files { act: "read", name: mount.name(), source };
    let dir = open(&mount.path, &mount)?;
    let index = scan(&dir, &Tree::default(), IdMap::Identity).map_err(failed)?;
    let mut archive = LayerWriter::new(writer);
    write_layer(&index, &dir, &mut archive).map_err(failed)?;
    let (writer, _) = archive.finish().map_err(failed)?;
    writer.flush().map_err(|source| CacheMountError::Write { source })
}

/// Owner and mode of a mount that is made, where a Dockerfile gives them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheMountOwner {
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub mode: Option<u32>,
}

/// Makes what is in an archive the content of a mount: of the one that is called so, or of a new one that
/// `RUN --mount=type=cache,id=NAME` with this owner finds. What was there before is gone.
pub fn import_mount(
    store: &Store,
    name: &str,
    owner: CacheMountOwner,
    reader: impl Read + Send,
) -> Result<String> {
    let found = single(store, name)?;
    let is_new = found.is_none();
    let mount = found.map_or_else(|| new_mount(store, name, owner), Ok)?;
    let temp = store.temp_path()?;
    fs::create_dir(&temp).map_err(failed("create", &temp))?;
    let filled = fill(&temp, &mount, owner, reader);
    if filled.is_err() {
        // What cannot be removed goes when the store is next opened.
        let _ = fs::remove_dir_all(&temp);
        filled?;
    }
    let locked = lock(&mount)?;
    let old = match mount.path.exists() {
        true => Some(store.set_aside(&mount.path)?),
        false => None,
    };
    fs::rename(&temp, &mount.path).map_err(failed("create", &mount.path))?;
    locked.set_modified(SystemTime::now()).map_err(failed("touch", &mount.lock_path()))?;
    if is_new {
        About { id: name.to_owned() }.write(store, mount.path.parent().unwrap_or(&mount.path))?;
    }
    drop(locked);
    if let Some(old) = old {
        store.remove_aside(&old)?;
    }
    Ok(mount.name())
}

fn new_mount(store: &Store, id: &str, owner: CacheMountOwner) -> Result<Mount> {
    let key = crate::execute::run::cache_mount::key_of_new(id, owner.mode, owner.uid, owner.gid);
    let parent = store.directory("cache/mounts")?.join(key);
    fs::create_dir_all(&parent).map_err(failed("create", &parent))?;
    Ok(Mount { path: parent.join("0") })
}

fn fill(
    dir: &PathBuf,
    mount: &Mount,
    owner: CacheMountOwner,
    reader: impl Read + Send,
) -> Result<()> {
    let set_mode = |mode| {
        fs::set_permissions(dir, Permissions::from_mode(mode))
            .map_err(failed("change the mode of", dir))
    };
    set_mode(owner.mode.unwrap_or(0o755))?;
    chown(dir, owner.uid, owner.gid).map_err(failed("change the owner of", dir))?;
    let plain = decompressor(reader).map_err(|source| CacheMountError::Archive { source })?;
    let applied = apply_archive(plain, &open(dir, mount)?, &Tree::default(), IdMap::Identity);
    let failed = |source| CacheMountError::Files { act: "write", name: mount.name(), source };
    applied.map(drop).map_err(failed)
}

fn open(path: &Path, mount: &Mount) -> Result<RootDir> {
    RootDir::open(path).map_err(|source| CacheMountError::Open { name: mount.name(), source })
}
