//! Several snapshots as one: what the kernel's limit on lower directories asks for.
//!
//! The merged snapshot is the bottom of its stack, so it has no whiteouts and no opaque directories. Files
//! are hard links to those of the snapshots (which never change), directories take their attributes from the
//! topmost snapshot that has them.
use std::fs;
use std::path::{Path, PathBuf};

use sys::RootDir;
use sys::root_dir::{FileKind, Metadata};

use super::duplicate::{cannot_link, copy_node};
use super::{SnapshotForm, SnapshotId, overlay};
use crate::digest::Digest;
use crate::error::{Result, io_error, sys_error};
use crate::layer::xattr;
use crate::lease::Held;
use crate::open::{Store, remove_any};

const OVERLAY_PREFIXES: [&[u8]; 2] = [b"trusted.overlay.", b"user.overlay."];

/// The snapshot that stands for `stack` (bottom first), made now or found.
pub(super) fn merged(store: &Store, stack: &[SnapshotId]) -> Result<SnapshotId> {
    let names: Vec<&str> = stack.iter().map(SnapshotId::as_str).collect();
    let key = Digest::of(names.join(" ").as_bytes()).hex();
    let record = store.sub("snapshots/merged").join(key);
    if let Some(id) = store.read_id(&record)?
        && store.hold(Held::Snapshot(id.clone()))?
    {
        return Ok(id);
    }
    let target = store.temp_path()?;
    let result = merge_into(store, stack, &target).and_then(|()| {
        let id = SnapshotId::random(SnapshotForm::Overlay);
        overlay::publish(store, &target, &id)?;
        // The parts too, so that garbage collection knows whom it serves.
        store.replace_file(&record, format!("{id} {}", names.join(" ")).as_bytes())?;
        Ok(id)
    });
    if result.is_err() {
        // The error being reported matters more than what is left for the next to open the store.
        let _ = remove_any(&target);
    }
    result
}

fn merge_into(store: &Store, stack: &[SnapshotId], target: &Path) -> Result<()> {
    fs::create_dir(target).map_err(io_error("create the directory", target))?;
    let merged = RootDir::open(target).map_err(sys_error("open the merged snapshot"))?;
    for id in stack {
        let dir = RootDir::open(store.snapshot_path(id));
        let dir = dir.map_err(sys_error("open the snapshot to merge"))?;
        Layer { dir, merged: &merged }.merge()?;
    }
    Ok(())
}

/// One snapshot on its way into the merged directory.
struct Layer<'a> {
    dir: RootDir,
    merged: &'a RootDir,
}

impl Layer<'_> {
    /// One directory after the other, so that the depth of a tree costs neither stack nor descriptors.
    fn merge(&self) -> Result<()> {
        let act = "merge snapshots";
        let mut pending = vec![PathBuf::new()];
        let mut directories = Vec::new();
        while let Some(path) = pending.pop() {
            for child in self.dir.read_dir(&path).map_err(sys_error(act))? {
                let child_path = path.join(&child.name);
                let metadata = self.dir.metadata(&child_path).map_err(sys_error(act))?;
                if metadata.kind == FileKind::Dir {
                    self.enter_directory(&child_path)?;
                    pending.push(child_path);
                } else {
                    self.replace_node(&child_path, &metadata)?;
                }
            }
            directories.push(path);
        }
        // Last, because adding to a directory changes its time.
        let attributes = |path: &PathBuf| copy_attributes(&self.dir, path, self.merged, path);
        directories.iter().rev().try_for_each(attributes)
    }

    /// Makes sure that the merged directory has this one, emptied if it is opaque here.
    fn enter_directory(&self, path: &Path) -> Result<()> {
        let act = "merge snapshots";
        let existing = self.merged.metadata(path).ok();
        let xattrs = self.dir.xattrs(path).map_err(sys_error(act))?;
        let opaque = xattr::is_overlay_opaque(&xattrs);
        let stays = existing.is_some_and(|m| m.kind == FileKind::Dir) && !opaque;
        if !stays {
            self.clear(path)?;
            self.merged.create_dir(path, 0o755).map_err(sys_error(act))?;
        }
        Ok(())
    }

    fn replace_node(&self, path: &Path, metadata: &Metadata) -> Result<()> {
        self.clear(path)?;
        if metadata.is_overlay_whiteout() {
            return Ok(());
        }
        match self.merged.hard_link_from(&self.dir, path, path) {
            Ok(()) => Ok(()),
            // Too many links, or a file system that has none.
            Err(error) if cannot_link(&error) => {
                copy_node(&self.dir, self.merged, path, metadata, &mut false)
            }
            Err(error) => Err(sys_error("merge snapshots")(error)),
        }
    }

    fn clear(&self, path: &Path) -> Result<()> {
        match self.merged.remove_tree(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(sys_error("merge snapshots")(error))
            }
            _ => Ok(()),
        }
    }
}

/// Owner, mode, extended attributes (without overlayfs' own) and time; attributes that only the target has go.
pub(super) fn copy_attributes(
    from: &RootDir,
    source: &Path,
    to: &RootDir,
    target: &Path,
) -> Result<()> {
    let act = "copy attributes between snapshots";
    let metadata = from.metadata(source).map_err(sys_error(act))?;
    to.set_owner(target, metadata.uid, metadata.gid).map_err(sys_error(act))?;
    if metadata.kind != FileKind::Symlink {
        to.set_mode(target, metadata.mode).map_err(sys_error(act))?;
    }
    let xattrs = from.xattrs(source).map_err(sys_error(act))?;
    for name in to.xattrs(target).map_err(sys_error(act))?.keys() {
        if !xattrs.contains_key(name) && xattr::belongs_to_image(name) {
            to.remove_xattr(target, name).map_err(sys_error(act))?;
        }
    }
    for (name, value) in &xattrs {
        if !is_overlay_mark(name) {
            to.set_xattr(target, name, value).map_err(sys_error(act))?;
        }
    }
    to.set_mtime(target, metadata.mtime).map_err(sys_error(act))
}

/// Attributes by which overlayfs keeps its books.
pub(super) fn is_overlay_mark(name: &[u8]) -> bool {
    OVERLAY_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}
