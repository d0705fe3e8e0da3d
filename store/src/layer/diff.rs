//! From the upper directory of an overlay mount to a layer.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use sys::root_dir::{FileKind, Metadata};
use sys::{RootDir, SysError};

use super::entry::{Entry, EntryKind, Xattrs, join, split_parent};
use super::error::show;
use super::{LayerError, LayerIndex, LayerWriter, compare_paths, holes, xattr};
use crate::id_map::{IdMap, Owner};
use crate::tree::Tree;

/// What the upper directory of an overlay mount (`redirect_dir` and `metacopy` off) changes.
///
/// Directories that were only touched are kept. The root is listed only when its owner, mode or
/// attributes differ from the parents'. Sockets are left out: no layer can hold them. Deletions
/// of what the parents do not have are dropped: overlayfs marks every new directory opaque.
/// Content digests are still unknown; [`write_layer`] computes them.
pub fn scan(upper: &RootDir, parents: &Tree, id_map: IdMap) -> Result<LayerIndex, LayerError> {
    let mut scan = Scan { upper, parents, id_map, found: Vec::new() };
    scan.found.extend(root_entry(upper, parents, id_map)?);
    let mut directories = vec![Vec::new()];
    while let Some(path) = directories.pop() {
        scan.directory(&path, &mut directories)?;
    }
    Ok(LayerIndex::new(link_names(scan.found)))
}

/// Writes the entries of an index with the files' bytes from the directory they were found in.
pub fn write_layer<W: Write>(
    index: &LayerIndex,
    dir: &RootDir,
    writer: &mut LayerWriter<W>,
) -> Result<(), LayerError> {
    let mut open: Option<(Vec<u8>, RootDir)> = None;
    for entry in index {
        if !entry.is_file() {
            writer.append(&entry, None)?;
            continue;
        }
        let (parent, _) = split_parent(&entry.path).unwrap_or_default();
        let scan_error = |source| LayerError::Scan { path: show(&entry.path), source };
        let handle = match open.take() {
            Some((path, handle)) if path == parent => handle,
            _ => dir.subdir_nofollow(as_path(parent)).map_err(scan_error)?,
        };
        let file = handle.open_file_nofollow(as_path(entry.name())).map_err(scan_error)?;
        writer.append(&entry, Some(&mut *holes::reader(file)))?;
        open = Some((parent.to_vec(), handle));
    }
    Ok(())
}

/// What is called `name` in a directory (the directory itself if that is empty), as a layer would have it. None for a
/// socket, which no layer can hold.
pub fn entry_on_disk(dir: &RootDir, name: &Path) -> Result<Option<Entry>, LayerError> {
    let path = name.as_os_str().as_bytes();
    let failed = |source| LayerError::Scan { path: show(path), source };
    let metadata = dir.metadata(name).map_err(failed)?;
    if metadata.kind == FileKind::Socket {
        return Ok(None);
    }
    let kind = kind_on_disk(dir, name, &metadata).map_err(failed)?;
    let xattrs = dir.xattrs(name).map_err(failed)?;
    Ok(Some(entry_of(path.to_vec(), kind, &metadata, xattrs, IdMap::Identity)))
}

struct Scan<'a> {
    upper: &'a RootDir,
    parents: &'a Tree,
    id_map: IdMap,
    found: Vec<Found>,
}

/// Something for a layer.
pub(super) struct Found {
    pub(super) entry: Entry,
    /// Device and inode of what may have several names.
    pub(super) inode: Option<(u64, u64)>,
}

impl Scan<'_> {
    /// One directory; those in it are left to the caller. Each is opened by its path, so that the
    /// depth of a tree costs neither descriptors nor stack.
    fn directory(&mut self, path: &[u8], deeper: &mut Vec<Vec<u8>>) -> Result<(), LayerError> {
        let failed = |source| LayerError::Scan { path: show(path), source };
        let dir = self.upper.subdir_nofollow(as_path(path)).map_err(failed)?;
        for child in dir.read_dir("").map_err(failed)? {
            let child_path = join(path, child.name.as_bytes());
            let failed = |source| LayerError::Scan { path: show(&child_path), source };
            let metadata = dir.metadata(&child.name).map_err(failed)?;
            let xattrs = dir.xattrs(&child.name).map_err(failed)?;
            refuse_redirects(&child_path, &xattrs)?;
            let kind = self.kind(&dir, &child_path, &metadata, &xattrs).map_err(failed)?;
            let Some(kind) = kind else { continue };
            if metadata.kind == FileKind::Dir {
                deeper.push(child_path.clone());
            }
            // Overlayfs makes all its whiteouts names of one device.
            let single = matches!(kind, EntryKind::Dir { .. } | EntryKind::Whiteout);
            let several = !single && metadata.nlink > 1;
            let inode = several.then_some((metadata.dev, metadata.ino));
            let entry = entry_of(child_path.clone(), kind, &metadata, xattrs, self.id_map);
            self.found.push(Found { entry, inode });
        }
        Ok(())
    }

    /// What is on disk, other names of a file not yet recognised. `None`: nothing for a layer.
    fn kind(
        &self,
        dir: &RootDir,
        path: &[u8],
        metadata: &Metadata,
        xattrs: &Xattrs,
    ) -> Result<Option<EntryKind>, SysError> {
        // A socket is in no layer, but what it took the place of is gone all the same.
        if metadata.is_overlay_whiteout() || metadata.kind == FileKind::Socket {
            let hides = self.parents.lookup_bytes(path).is_some();
            return Ok(hides.then_some(EntryKind::Whiteout));
        }
        if metadata.kind == FileKind::Dir {
            let lower = || self.parents.lookup_bytes(path);
            let hides = || lower().is_some_and(|found| found.entry.is_dir());
            let opaque = xattr::is_overlay_opaque(xattrs) && hides();
            return Ok(Some(EntryKind::Dir { opaque }));
        }
        let (_, name) = split_parent(path).unwrap_or_default();
        kind_on_disk(dir, as_path(name), metadata).map(Some)
    }
}

/// The root, if its owner, mode or attributes are not the parents'.
pub(super) fn root_entry(
    dir: &RootDir,
    parents: &Tree,
    id_map: IdMap,
) -> Result<Option<Found>, LayerError> {
    let failed = |source| LayerError::Scan { path: "/".to_owned(), source };
    let metadata = dir.metadata("").map_err(failed)?;
    let xattrs = dir.xattrs("").map_err(failed)?;
    let kind = EntryKind::Dir { opaque: false };
    let entry = entry_of(Vec::new(), kind, &metadata, xattrs, id_map);
    let known = parents.lookup_bytes(b"").map(|found| found.entry);
    let known = known.unwrap_or_else(|| Entry::default_dir(""));
    let same = (known.mode, known.uid, known.gid) == (entry.mode, entry.uid, entry.gid)
        && known.xattrs == entry.xattrs;
    Ok((!same).then_some(Found { entry, inode: None }))
}

/// What is called `name`, a hard link as the file it is a name of. Not for sockets.
pub(super) fn kind_on_disk(
    dir: &RootDir,
    name: &Path,
    metadata: &Metadata,
) -> Result<EntryKind, SysError> {
    let (major, minor) = (metadata.rdev_major(), metadata.rdev_minor());
    Ok(match metadata.kind {
        FileKind::Dir => EntryKind::Dir { opaque: false },
        FileKind::File => EntryKind::File { size: metadata.size, digest: None, offset: None },
        FileKind::Symlink => {
            let target = dir.read_link(name)?;
            EntryKind::Symlink { target: target.into_os_string().into_vec() }
        }
        FileKind::CharDevice => EntryKind::CharDevice { major, minor },
        FileKind::BlockDevice => EntryKind::BlockDevice { major, minor },
        FileKind::Fifo | FileKind::Socket => EntryKind::Fifo,
    })
}

/// With the attributes it has on disk.
pub(super) fn entry_of(
    path: Vec<u8>,
    kind: EntryKind,
    metadata: &Metadata,
    xattrs: Xattrs,
    id_map: IdMap,
) -> Entry {
    if kind == EntryKind::Whiteout {
        return Entry::whiteout(path);
    }
    let owner = id_map.to_image(Owner { uid: metadata.uid, gid: metadata.gid });
    Entry {
        path,
        kind,
        mode: metadata.mode,
        uid: owner.uid,
        gid: owner.gid,
        mtime: metadata.mtime.secs,
        xattrs: xattr::for_image(xattrs),
    }
}

/// Makes all names of a file but the first, in the order of the index, hard links to that one.
pub(super) fn link_names(mut found: Vec<Found>) -> Vec<Entry> {
    found.sort_by(|a, b| compare_paths(&a.entry.path, &b.entry.path));
    let mut first_names = HashMap::new();
    let mut entries = Vec::with_capacity(found.len());
    for Found { mut entry, inode } in found {
        if let Some(inode) = inode {
            match first_names.entry(inode) {
                Slot::Vacant(slot) => drop(slot.insert(entry.path.clone())),
                Slot::Occupied(first) => {
                    entry.kind = EntryKind::Hardlink { target: first.get().clone() };
                }
            }
        }
        entries.push(entry);
    }
    entries
}

/// Our mounts never make these; a layer made from one would silently lack the data.
fn refuse_redirects(path: &[u8], xattrs: &Xattrs) -> Result<(), LayerError> {
    for name in ["redirect", "metacopy"] {
        for class in ["trusted", "user"] {
            if xattrs.contains_key(format!("{class}.overlay.{name}").as_bytes()) {
                let problem = format!("refers to a lower directory by `{class}.overlay.{name}`");
                return Err(LayerError::Entry { path: show(path), problem });
            }
        }
    }
    Ok(())
}

pub(super) fn as_path(path: &[u8]) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(path))
}
