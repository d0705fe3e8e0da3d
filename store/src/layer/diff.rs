//! From the upper directory of an overlay mount to a layer.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use sys::root_dir::{FileKind, Metadata};
use sys::{RootDir, SysError};

use super::entry::{Entry, EntryKind, Xattrs, join, split_parent};
use super::error::show;
use super::{LayerError, LayerIndex, LayerWriter, contents, xattr};
use crate::id_map::{IdMap, Owner};
use crate::tree::Tree;

/// What the upper directory of an overlay mount (`redirect_dir` and `metacopy` off) changes.
///
/// Directories that were only touched are kept. The root is listed only when its owner, mode or
/// attributes differ from the parents'. Sockets are left out: no layer can hold them. Deletions
/// of what the parents do not have are dropped: overlayfs marks every new directory opaque.
/// Content digests are still unknown; [`write_layer`] computes them.
pub fn scan(upper: &RootDir, parents: &Tree, id_map: IdMap) -> Result<LayerIndex, LayerError> {
    let mut scan =
        Scan { upper, parents, id_map, index: LayerIndex::default(), names: Names::default() };
    root_entry(upper, parents, id_map)?.into_iter().for_each(|root| scan.add(root));
    let mut levels = vec![scan.level(Vec::new())?];
    while let Some(level) = levels.last_mut() {
        match scan.next_directory(level)? {
            Some(path) => levels.push(scan.level(path)?),
            None => drop(levels.pop()),
        }
    }
    Ok(scan.index)
}

/// Writes the entries of an index with the files' bytes from the directory they were found in, in which somebody may go on
/// writing.
pub fn write_layer<W: Write>(
    index: &LayerIndex,
    dir: &RootDir,
    writer: &mut LayerWriter<W>,
) -> Result<(), LayerError> {
    let open = |dir: &RootDir, name: &Path| dir.open_file_nofollow(name);
    contents::each(index, dir, open, &mut |entry, content| writer.append(entry, content))
}

/// As [`write_layer`], of a directory that nobody writes to: what was a file when it was looked at is one still.
pub fn write_snapshot<W: Write>(
    index: &LayerIndex,
    dir: &RootDir,
    writer: &mut LayerWriter<W>,
) -> Result<(), LayerError> {
    let open = |dir: &RootDir, name: &Path| dir.open_known_file(name);
    contents::each(index, dir, open, &mut |entry, content| writer.append(entry, content))
}

/// What is called `name` in a directory (the directory itself if that is empty), as a layer would have it. None for a
/// socket, which no layer can hold.
pub fn entry_on_disk(
    dir: &RootDir,
    name: &Path,
    id_map: IdMap,
) -> Result<Option<Entry>, LayerError> {
    let path = name.as_os_str().as_bytes();
    let failed = |source| LayerError::Scan { path: show(path), source };
    let metadata = dir.metadata(name).map_err(failed)?;
    if metadata.kind == FileKind::Socket {
        return Ok(None);
    }
    let kind = kind_on_disk(dir, name, &metadata).map_err(failed)?;
    let xattrs = dir.xattrs(name).map_err(failed)?;
    Ok(Some(entry_of(path.to_vec(), kind, &metadata, xattrs, id_map)))
}

/// Goes through the directories in the order of an index, so that nothing is kept of a file but its entry there.
struct Scan<'a> {
    upper: &'a RootDir,
    parents: &'a Tree,
    id_map: IdMap,
    index: LayerIndex,
    names: Names,
}

/// A directory, and what of it is still to be looked at.
struct Level {
    path: Vec<u8>,
    /// Open while it is the one that is looked through: the depth of a tree costs neither descriptors nor stack.
    dir: Option<RootDir>,
    names: std::vec::IntoIter<OsString>,
}

/// Something for a layer.
pub(super) struct Found {
    pub(super) entry: Entry,
    /// Device and inode of what may have several names.
    pub(super) inode: Option<(u64, u64)>,
}

impl Scan<'_> {
    fn level(&self, path: Vec<u8>) -> Result<Level, LayerError> {
        let dir = self.open(&path)?;
        let listed = dir.read_dir("").map_err(|source| scan_error(&path, source))?;
        let mut names: Vec<OsString> = listed.into_iter().map(|child| child.name).collect();
        names.sort_unstable();
        Ok(Level { path, dir: Some(dir), names: names.into_iter() })
    }

    fn open(&self, path: &[u8]) -> Result<RootDir, LayerError> {
        self.upper.subdir_nofollow(as_path(path)).map_err(|source| scan_error(path, source))
    }

    /// Adds what comes up to the next directory in it, and that.
    fn next_directory(&mut self, level: &mut Level) -> Result<Option<Vec<u8>>, LayerError> {
        let dir = match level.dir.take() {
            Some(dir) => dir,
            None if level.names.as_slice().is_empty() => return Ok(None),
            None => self.open(&level.path)?,
        };
        for name in level.names.by_ref() {
            let path = join(&level.path, name.as_bytes());
            let failed = |source| scan_error(&path, source);
            let metadata = dir.metadata(&name).map_err(failed)?;
            let xattrs = dir.xattrs(&name).map_err(failed)?;
            refuse_redirects(&path, &xattrs)?;
            let kind = self.kind(&dir, &path, &metadata, &xattrs).map_err(failed)?;
            let Some(kind) = kind else { continue };
            // Overlayfs makes all its whiteouts names of one device.
            let single = matches!(kind, EntryKind::Dir { .. } | EntryKind::Whiteout);
            let several = !single && metadata.nlink > 1;
            let inode = several.then_some((metadata.dev, metadata.ino));
            let entry = entry_of(path.clone(), kind, &metadata, xattrs, self.id_map);
            self.add(Found { entry, inode });
            if metadata.kind == FileKind::Dir {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    fn add(&mut self, found: Found) {
        self.index.push(&self.names.link(found));
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

/// The first names of files that have several.
#[derive(Default)]
pub(super) struct Names(HashMap<(u64, u64), Vec<u8>>);

impl Names {
    /// Makes all names of a file but the first, in the order of the index, hard links to that one. To be asked in that order.
    pub(super) fn link(&mut self, found: Found) -> Entry {
        let Found { mut entry, inode } = found;
        if let Some(inode) = inode {
            match self.0.entry(inode) {
                Slot::Vacant(slot) => drop(slot.insert(entry.path.clone())),
                Slot::Occupied(first) => {
                    entry.kind = EntryKind::Hardlink { target: first.get().clone() };
                }
            }
        }
        entry
    }
}

pub(super) fn scan_error(path: &[u8], source: SysError) -> LayerError {
    LayerError::Scan { path: show(path), source }
}

/// Our mounts never make these; a layer made from one would silently lack the data.
fn refuse_redirects(path: &[u8], xattrs: &Xattrs) -> Result<(), LayerError> {
    if xattrs.is_empty() {
        return Ok(());
    }
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
