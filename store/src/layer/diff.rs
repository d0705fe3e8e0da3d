//! From the upper directory of an overlay mount to a layer.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;

use sys::RootDir;
use sys::root_dir::{FileKind, Metadata};

use super::entry::{Entry, EntryKind, Xattrs, join};
use super::error::show;
use super::{LayerError, LayerIndex, LayerWriter, xattr};
use crate::id_map::{IdMap, Owner};
use crate::tree::Tree;

/// What the upper directory of an overlay mount (`redirect_dir` and `metacopy` off) changes.
///
/// Directories that were only touched are kept. The root is listed only when its owner, mode or
/// attributes differ from the parents'. Sockets are left out: no layer can hold them. Deletions
/// of what the parents do not have are dropped: overlayfs marks every new directory opaque.
/// Content digests are still unknown; [`write_layer`] computes them.
pub fn scan(upper: &RootDir, parents: &Tree, id_map: IdMap) -> Result<LayerIndex, LayerError> {
    let mut scan = Scan { parents, id_map, entries: Vec::new(), inodes: HashMap::new() };
    scan.root(upper)?;
    scan.directory(upper, b"")?;
    Ok(LayerIndex::new(scan.entries))
}

/// Writes the entries of an index with the files' bytes from the directory they were found in.
pub fn write_layer<W: Write>(
    index: &LayerIndex,
    dir: &RootDir,
    writer: &mut LayerWriter<W>,
) -> Result<(), LayerError> {
    let mut open: Option<(&[u8], RootDir)> = None;
    for entry in index {
        if !entry.is_file() {
            writer.append(entry, None)?;
            continue;
        }
        let (parent, _) = super::entry::split_parent(&entry.path).unwrap_or_default();
        let scan_error = |source| LayerError::Scan { path: show(&entry.path), source };
        let handle = match open.take() {
            Some((path, handle)) if path == parent => handle,
            _ => dir.subdir_nofollow(as_path(parent)).map_err(scan_error)?,
        };
        let mut file = handle.open_file_nofollow(as_path(entry.name())).map_err(scan_error)?;
        writer.append(entry, Some(&mut file as &mut dyn Read))?;
        open = Some((parent, handle));
    }
    Ok(())
}

struct Scan<'a> {
    parents: &'a Tree,
    id_map: IdMap,
    entries: Vec<Entry>,
    /// The first name of each file that has several.
    inodes: HashMap<(u64, u64), Vec<u8>>,
}

impl Scan<'_> {
    fn root(&mut self, upper: &RootDir) -> Result<(), LayerError> {
        let failed = |source| LayerError::Scan { path: "/".to_owned(), source };
        let metadata = upper.metadata("").map_err(failed)?;
        let xattrs = upper.xattrs("").map_err(failed)?;
        let entry = self.entry(Vec::new(), EntryKind::Dir { opaque: false }, &metadata, xattrs);
        let known = self.parents.lookup_bytes(b"").map(|found| found.entry);
        let known = known.unwrap_or_else(|| Entry::default_dir(""));
        let same = (known.mode, known.uid, known.gid) == (entry.mode, entry.uid, entry.gid)
            && known.xattrs == entry.xattrs;
        if !same {
            self.entries.push(entry);
        }
        Ok(())
    }

    /// Goes through a directory in the order of the index, so that the first name of a file is
    /// always the same one.
    fn directory(&mut self, dir: &RootDir, path: &[u8]) -> Result<(), LayerError> {
        let listed = dir.read_dir("");
        for child in listed.map_err(|source| LayerError::Scan { path: show(path), source })? {
            let child_path = join(path, child.name.as_bytes());
            let failed = |source| LayerError::Scan { path: show(&child_path), source };
            let metadata = dir.metadata(&child.name).map_err(failed)?;
            if metadata.kind == FileKind::Socket {
                continue;
            }
            let xattrs = dir.xattrs(&child.name).map_err(failed)?;
            refuse_redirects(&child_path, &xattrs)?;
            let Some(kind) = self.kind(dir, &child_path, &metadata, &xattrs)? else { continue };
            let entry = self.entry(child_path.clone(), kind, &metadata, xattrs);
            self.entries.push(entry);
            if metadata.kind == FileKind::Dir {
                let subdir = dir.subdir_nofollow(&child.name).map_err(failed)?;
                self.directory(&subdir, &child_path)?;
            }
        }
        Ok(())
    }

    fn kind(
        &mut self,
        dir: &RootDir,
        path: &[u8],
        metadata: &Metadata,
        xattrs: &Xattrs,
    ) -> Result<Option<EntryKind>, LayerError> {
        if metadata.is_overlay_whiteout() {
            let hides = self.parents.lookup_bytes(path).is_some();
            return Ok(hides.then_some(EntryKind::Whiteout));
        }
        if metadata.kind == FileKind::Dir {
            let marked = xattr::is_overlay_opaque(xattrs);
            let opaque =
                marked && self.parents.lookup_bytes(path).is_some_and(|found| found.entry.is_dir());
            return Ok(Some(EntryKind::Dir { opaque }));
        }
        if metadata.nlink > 1 {
            match self.inodes.entry((metadata.dev, metadata.ino)) {
                Slot::Occupied(first) => {
                    return Ok(Some(EntryKind::Hardlink { target: first.get().clone() }));
                }
                Slot::Vacant(slot) => drop(slot.insert(path.to_vec())),
            }
        }
        let (major, minor) = (metadata.rdev_major(), metadata.rdev_minor());
        Ok(match metadata.kind {
            FileKind::File => {
                Some(EntryKind::File { size: metadata.size, digest: None, offset: None })
            }
            FileKind::Symlink => {
                let name = super::entry::split_parent(path).map_or(path, |(_, name)| name);
                let target = dir.read_link(as_path(name));
                let target =
                    target.map_err(|source| LayerError::Scan { path: show(path), source })?;
                Some(EntryKind::Symlink { target: target.as_os_str().as_bytes().to_vec() })
            }
            FileKind::Fifo => Some(EntryKind::Fifo),
            FileKind::CharDevice => Some(EntryKind::CharDevice { major, minor }),
            FileKind::BlockDevice => Some(EntryKind::BlockDevice { major, minor }),
            FileKind::Socket | FileKind::Dir => None,
        })
    }

    fn entry(&self, path: Vec<u8>, kind: EntryKind, metadata: &Metadata, xattrs: Xattrs) -> Entry {
        if kind == EntryKind::Whiteout {
            return Entry::whiteout(path);
        }
        let owner = Owner { uid: metadata.uid, gid: metadata.gid };
        let owner = self.id_map.to_image(owner);
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

fn as_path(path: &[u8]) -> &std::path::Path {
    std::path::Path::new(std::ffi::OsStr::from_bytes(path))
}
