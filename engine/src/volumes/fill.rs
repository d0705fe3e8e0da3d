//! An empty volume takes what the image has where it is mounted: files, owners, modes, links, attributes, times.
//!
//! The files are copied beside the volume's own directory, to `_copying`. Complete, that becomes `_copied`, and then,
//! by one rename, `_data`. Killed before, nothing of it is seen, and the next to fill the volume begins anew.
//!
//! Where another container has the volume, its mount must keep its directory: then what was copied is moved into that
//! one by one. Killed in between, the next to fill it goes on, because `_copied` is still there.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use runtime::containers::Containers;
use store::id_map::IdMap;
use store::tree::Tree;
use sys::{RootDir, SysError};

use super::Volumes;
use super::directory::{Claim, DATA};
use super::error::{Result, VolumeError, file_error};

const COPYING: &str = "_copying";
const COPIED: &str = "_copied";
const LOCK: &str = "filling";

impl Volumes {
    /// Copies what `files` has at `target`, if the volume is empty. `durable`: it has to survive a loss of power.
    pub(super) fn fill(
        &self,
        containers: &Containers,
        claim: &Claim,
        target: &Path,
        durable: bool,
        files: impl FnOnce() -> Result<Tree>,
    ) -> Result<()> {
        let name = claim.volume.name.as_str();
        let place = self.place(name);
        let _filling = lock(&place.join(LOCK))?;
        let sys_error =
            |act| move |source: SysError| VolumeError::Sys { act, name: name.to_owned(), source };
        let dir = RootDir::open(&place).map_err(sys_error("open"))?;
        if dir.metadata(COPIED).is_err() {
            if !dir.read_dir(DATA).map_err(sys_error("list"))?.is_empty() {
                return Ok(());
            }
            let Some(wanted) = directory_at(&files()?, target)? else { return Ok(()) };
            remove(&dir, COPYING).map_err(sys_error("empty"))?;
            dir.create_dir(COPYING, 0o700).map_err(sys_error("fill"))?;
            let copy = dir.subdir_nofollow(COPYING).map_err(sys_error("fill"))?;
            let filled = wanted.write_to(&copy, IdMap::Identity);
            filled.map_err(|source| VolumeError::Fill {
                name: name.to_owned(),
                target: target.to_owned(),
                source: Box::new(source),
            })?;
            if durable {
                sync(&place)?;
            }
            dir.rename(COPYING, COPIED).map_err(sys_error("fill"))?;
        }
        let used = !self.users(containers, name)?.is_empty();
        let moved = if used { move_into(&dir) } else { dir.rename(COPIED, DATA) };
        moved.map_err(sys_error("fill"))
    }
}

/// What the image has there, if it is a directory. Symbolic links on the way are followed inside the image.
fn directory_at(files: &Tree, target: &Path) -> Result<Option<Tree>> {
    let resolved = files.resolve(target, true);
    let path = resolved.map_err(|source| VolumeError::Image {
        target: target.to_owned(),
        source: Box::new(source),
    })?;
    let is_dir = files.lookup(&path).is_some_and(|found| found.entry.is_dir());
    Ok(if is_dir { files.at(&path) } else { None })
}

/// Name by name, then owner, mode and attributes of the directory itself.
fn move_into(dir: &RootDir) -> std::result::Result<(), SysError> {
    for child in dir.read_dir(COPIED)? {
        let (from, to) = (Path::new(COPIED).join(&child.name), Path::new(DATA).join(&child.name));
        // What a container has made there meanwhile is its own.
        if dir.metadata(&to).is_err() {
            dir.rename(from, to)?;
        }
    }
    let found = dir.metadata(COPIED)?;
    dir.set_owner(DATA, found.uid, found.gid)?;
    dir.set_mode(DATA, found.mode)?;
    for (name, value) in dir.xattrs(COPIED)? {
        dir.set_xattr(DATA, &name, &value)?;
    }
    dir.set_mtime(DATA, found.mtime)?;
    remove(dir, COPIED)
}

fn remove(dir: &RootDir, name: &str) -> std::result::Result<(), SysError> {
    match dir.remove_tree(name) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Waits for who fills it already: as long as copying takes.
fn lock(path: &Path) -> Result<File> {
    let file = File::options().create(true).truncate(false).write(true).open(path);
    let file = file.map_err(file_error("open the lock", path))?;
    file.lock().map_err(file_error("lock", path))?;
    Ok(file)
}

fn sync(place: &Path) -> Result<()> {
    let directory = fs::File::open(place).map_err(file_error("open", place))?;
    let synced = rustix::fs::syncfs(&directory);
    synced.map_err(|errno| file_error("sync", place)(errno.into()))
}
