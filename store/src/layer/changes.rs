//! From a whole tree, once a copy of its parents, to the layer that makes it of them.
//!
//! Listed is what differs from the parents in anything a layer records, and the directories that lead there.
//! A file that was only opened for writing, or given the owner it had, is not: the upper directory of an
//! overlay has it, and there it is listed. Everything else comes out as [`super::scan`] has it.
//!
//! Size and modification time prove nothing, a program may set them back. The change time cannot be set: what
//! still has the inode and change time that were noted before anybody could write ([`Stamps`]) is as the
//! parents have it. All else is compared, by content. A directory that is another one than was noted replaces
//! the parents' and is opaque, like one made anew in an overlay.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use sys::RootDir;
use sys::root_dir::{FileKind, Metadata, Timestamp};

use super::collect::ancestors;
use super::diff::{Found, Names, as_path, entry_of, kind_on_disk, root_entry};
use super::entry::{Entry, EntryKind, join, split_parent};
use super::error::show;
use super::{ContentDigest, LayerError, LayerIndex, compare_paths, holes};
use crate::id_map::IdMap;
use crate::tree::{Tree, TreeEntry};

/// What a tree was like when nobody had written to it yet.
#[derive(Debug, Default)]
pub struct Stamps {
    known: HashMap<Vec<u8>, Stamp>,
    since: Timestamp,
}

#[derive(Debug)]
struct Stamp {
    inode: u64,
    changed: Timestamp,
    /// Of a directory: inodes are used again.
    born: Option<Timestamp>,
}

impl Stamps {
    /// Notes all that is in `dir`. None of it is trusted yet.
    pub fn take(dir: &RootDir) -> Result<Stamps, LayerError> {
        let mut stamps = Stamps::default();
        let mut pending = vec![Vec::new()];
        while let Some(path) = pending.pop() {
            let failed = |source| LayerError::Scan { path: show(&path), source };
            let open = dir.subdir_nofollow(as_path(&path)).map_err(failed)?;
            for child in open.read_dir("").map_err(failed)? {
                let metadata = open.metadata(&child.name).map_err(failed)?;
                let is_dir = metadata.kind == FileKind::Dir;
                let born = if is_dir { open.born(&child.name).map_err(failed)? } else { None };
                let child_path = join(&path, child.name.as_encoded_bytes());
                if is_dir {
                    pending.push(child_path.clone());
                }
                let (inode, changed) = (metadata.ino, metadata.ctime);
                stamps.known.insert(child_path, Stamp { inode, changed, born });
            }
        }
        Ok(stamps)
    }

    /// `now` is what the file system's clock said when all was noted: what changed at that very tick may
    /// change in it once more, so it stays suspect.
    pub fn trust_before(&mut self, now: Timestamp) {
        self.since = now;
    }

    /// The latest change noted.
    pub fn latest(&self) -> Option<Timestamp> {
        self.known.values().map(|stamp| stamp.changed).max()
    }

    fn is_untouched(&self, path: &[u8], now: &Metadata) -> bool {
        self.known.get(path).is_some_and(|stamp| {
            (stamp.inode, stamp.changed) == (now.ino, now.ctime) && stamp.changed < self.since
        })
    }

    /// Whether a directory of the parents is another one now.
    fn is_replaced(&self, path: &[u8], now: &Metadata, born: Option<Timestamp>) -> bool {
        match self.known.get(path) {
            Some(stamp) => (stamp.inode, stamp.born) != (now.ino, born),
            // Without any notes nothing is known of it.
            None => !self.known.is_empty(),
        }
    }
}

/// What the tree in `dir` changes of `parents`. Content digests of what is listed are still unknown.
pub fn changes(
    dir: &RootDir,
    parents: &Tree,
    stamps: &Stamps,
    id_map: IdMap,
) -> Result<LayerIndex, LayerError> {
    let mut comparison = Comparison { dir, parents, stamps, id_map, candidates: Vec::new() };
    let mut pending = vec![Directory { path: Vec::new(), below: Below::Shown, listing: true }];
    while let Some(directory) = pending.pop() {
        comparison.directory(&directory, &mut pending)?;
    }
    comparison.list_split_links();
    comparison.list_parents()?;
    let listed = comparison.candidates.into_iter().filter(|candidate| candidate.listed);
    let mut found: Vec<Found> = listed.map(|candidate| candidate.found).collect();
    found.extend(root_entry(dir, parents, id_map)?);
    found.sort_by(|a, b| compare_paths(&a.entry.path, &b.entry.path));
    let mut names = Names::default();
    Ok(LayerIndex::sorted(found.into_iter().map(|found| names.link(found))))
}

struct Comparison<'a> {
    dir: &'a RootDir,
    parents: &'a Tree,
    stamps: &'a Stamps,
    id_map: IdMap,
    candidates: Vec<Candidate>,
}

/// Something that may have changed.
struct Candidate {
    found: Found,
    listed: bool,
    /// The file of the parents that it is equal to; all names of one file have the same.
    equal_to: Option<(Option<usize>, Vec<u8>)>,
}

/// A directory still to be looked into.
struct Directory {
    path: Vec<u8>,
    below: Below,
    /// Whether names may have gone.
    listing: bool,
}

/// What of the parents shows through a directory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Below {
    Shown,
    Hidden,
}

impl Comparison<'_> {
    fn directory(
        &mut self,
        directory: &Directory,
        pending: &mut Vec<Directory>,
    ) -> Result<(), LayerError> {
        let path = &directory.path;
        let failed = |source| LayerError::Scan { path: show(path), source };
        let open = self.dir.subdir_nofollow(as_path(path)).map_err(failed)?;
        let mut names = HashSet::new();
        for child in open.read_dir("").map_err(failed)? {
            let child_path = join(path, child.name.as_encoded_bytes());
            let failed = |source| LayerError::Scan { path: show(&child_path), source };
            let metadata = open.metadata(&child.name).map_err(failed)?;
            let shown = directory.below == Below::Shown;
            let is_dir = metadata.kind == FileKind::Dir;
            if metadata.kind == FileKind::Socket {
                // It is in no layer, but what it took the place of is gone all the same.
                continue;
            }
            if shown && self.stamps.is_untouched(&child_path, &metadata) {
                if is_dir {
                    let below = Below::Shown;
                    pending.push(Directory { path: child_path, below, listing: false });
                }
            } else if is_dir {
                let below = self.touched_directory(&open, &child_path, &metadata, shown)?;
                pending.push(Directory { path: child_path, below, listing: true });
            } else {
                self.touched_file(&open, child_path, &metadata, shown)?;
            }
            names.insert(child.name);
        }
        if directory.below == Below::Shown && directory.listing {
            for (name, _) in self.parents.read_dir(as_path(path))? {
                if !names.contains(&name) {
                    let gone = Entry::whiteout(join(path, name.as_encoded_bytes()));
                    self.push(gone, None, true, None);
                }
            }
        }
        Ok(())
    }

    fn touched_directory(
        &mut self,
        open: &RootDir,
        path: &[u8],
        metadata: &Metadata,
        shown: bool,
    ) -> Result<Below, LayerError> {
        let failed = |source| LayerError::Scan { path: show(path), source };
        let name = name_of(path);
        let lower = if shown { self.parents.lookup_bytes(path) } else { None };
        let lower = lower.map(|found| found.entry).filter(Entry::is_dir);
        let born = open.born(name).map_err(failed)?;
        let opaque = lower.is_some() && self.stamps.is_replaced(path, metadata, born);
        let xattrs = open.xattrs(name).map_err(failed)?;
        let kind = EntryKind::Dir { opaque };
        let entry = entry_of(path.to_vec(), kind, metadata, xattrs, self.id_map);
        let same = lower.as_ref().is_some_and(|lower| same_attributes(&entry, lower));
        self.push(entry, None, opaque || !same, None);
        Ok(if lower.is_some() && !opaque { Below::Shown } else { Below::Hidden })
    }

    fn touched_file(
        &mut self,
        open: &RootDir,
        path: Vec<u8>,
        metadata: &Metadata,
        shown: bool,
    ) -> Result<(), LayerError> {
        let failed = |source| LayerError::Scan { path: show(&path), source };
        let name = name_of(&path);
        let kind = kind_on_disk(open, name, metadata).map_err(failed)?;
        let xattrs = open.xattrs(name).map_err(failed)?;
        let entry = entry_of(path.clone(), kind, metadata, xattrs, self.id_map);
        let lower = if shown { self.parents.lookup_bytes(&path) } else { None };
        let equal_to = match lower {
            Some(lower) if self.is_equal(open, &entry, &lower)? => {
                Some((lower.layer, lower.source))
            }
            _ => None,
        };
        self.push(entry, Some((metadata.dev, metadata.ino)), equal_to.is_none(), equal_to);
        Ok(())
    }

    fn is_equal(
        &self,
        open: &RootDir,
        entry: &Entry,
        lower: &TreeEntry,
    ) -> Result<bool, LayerError> {
        if !same_attributes(entry, &lower.entry) {
            return Ok(false);
        }
        match (&entry.kind, &lower.entry.kind) {
            (EntryKind::File { size, .. }, EntryKind::File { size: before, .. }) => {
                Ok(size == before && self.has_content(open, entry, lower)?)
            }
            (now, before) => Ok(now == before),
        }
    }

    fn has_content(
        &self,
        open: &RootDir,
        entry: &Entry,
        lower: &TreeEntry,
    ) -> Result<bool, LayerError> {
        let failed = |source| LayerError::Scan { path: show(&entry.path), source };
        let file = open.open_file_nofollow(as_path(entry.name())).map_err(failed)?;
        let now = ContentDigest::of_reader(holes::reader(file))
            .map_err(|source| LayerError::ReadFile { path: show(&entry.path), source })?;
        Ok(self.parents.content_digest_of(lower)? == now)
    }

    fn push(
        &mut self,
        entry: Entry,
        inode: Option<(u64, u64)>,
        listed: bool,
        equal_to: Option<(Option<usize>, Vec<u8>)>,
    ) {
        self.candidates.push(Candidate { found: Found { entry, inode }, listed, equal_to });
    }

    /// Names of one file that are not all equal to names of one file of the parents, and equal names that no
    /// longer are of one file: what is linked to what is part of the tree.
    fn list_split_links(&mut self) {
        let mut files: HashMap<(u64, u64), HashSet<_>> = HashMap::new();
        let mut inodes: HashMap<_, HashSet<(u64, u64)>> = HashMap::new();
        for candidate in &self.candidates {
            let Some(inode) = candidate.found.inode else { continue };
            files.entry(inode).or_default().insert(candidate.equal_to.clone());
            if let Some(file) = &candidate.equal_to {
                inodes.entry(file.clone()).or_default().insert(inode);
            }
        }
        for candidate in &mut self.candidates {
            let Some(inode) = candidate.found.inode else { continue };
            let split = |file| inodes.get(file).is_some_and(|inodes| inodes.len() > 1);
            let joined = files.get(&inode).is_some_and(|files| files.len() > 1);
            candidate.listed |= joined || candidate.equal_to.as_ref().is_some_and(split);
        }
    }

    /// The directories above what is listed.
    fn list_parents(&mut self) -> Result<(), LayerError> {
        let listed = self.candidates.iter().filter(|candidate| candidate.listed);
        let above = listed.flat_map(|candidate| ancestors(&candidate.found.entry.path));
        let mut above: HashSet<Vec<u8>> =
            above.filter(|path| !path.is_empty()).map(<[u8]>::to_vec).collect();
        for candidate in &mut self.candidates {
            candidate.listed |= above.remove(&candidate.found.entry.path);
        }
        for path in above {
            let failed = |source| LayerError::Scan { path: show(&path), source };
            let metadata = self.dir.metadata(as_path(&path)).map_err(failed)?;
            let xattrs = self.dir.xattrs(as_path(&path)).map_err(failed)?;
            let kind = EntryKind::Dir { opaque: false };
            let entry = entry_of(path, kind, &metadata, xattrs, self.id_map);
            self.push(entry, None, true, None);
        }
        Ok(())
    }
}

/// Everything but kind and content. The mode of a symbolic link means nothing.
fn same_attributes(now: &Entry, before: &Entry) -> bool {
    (now.is_symlink() || now.mode == before.mode)
        && (now.uid, now.gid, now.mtime) == (before.uid, before.gid, before.mtime)
        && now.xattrs == before.xattrs
}

fn name_of(path: &[u8]) -> &Path {
    as_path(split_parent(path).unwrap_or_default().1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What changed at the tick that the notes were taken at may have changed again in it.
    #[test]
    fn only_what_is_older_than_the_notes_is_trusted() {
        let temp = tempfile::tempdir().unwrap();
        let dir = RootDir::open(temp.path()).unwrap();
        dir.create_file("f", 0o644).unwrap();
        let (mut stamps, now) = (Stamps::take(&dir).unwrap(), dir.metadata("f").unwrap());
        assert!(!stamps.is_untouched(b"f", &now), "nobody said when the notes were taken");
        stamps.trust_before(now.ctime);
        assert!(!stamps.is_untouched(b"f", &now));
        stamps.trust_before(Timestamp { secs: now.ctime.secs + 1, nanos: 0 });
        assert!(stamps.is_untouched(b"f", &now));
        let changed = Metadata { ctime: Timestamp { secs: 1, nanos: 1 }, ..now };
        assert!(!stamps.is_untouched(b"f", &changed), "whichever way the clock went");
        assert!(!stamps.is_untouched(b"other", &changed));
    }
}
