//! From an archive's members to a [`LayerIndex`]: where each really lands, what replaces what.
//!
//! - A parent that is a symbolic link, in this layer or below, is followed inside the tree, so
//!   every path of the index leads through real directories only.
//! - Nothing is kept for each member but its entry in the index (`gathered.rs`).
//! - Of several members with one path the last stays.
//! - A whiteout deletes from the layers below and never from its own, wherever it stands in the
//!   archive. A directory that is both deleted and made again is opaque. What deletes nothing is dropped.

use std::collections::{BTreeSet, HashMap};
use std::io::Read;
use std::os::unix::ffi::OsStringExt;

use super::content::ContentDigest;
use super::entry::{Entry, EntryKind, join, split_parent};
use super::error::show;
use super::gathered::{Gathered, Key};
use super::index::is_below;
use super::read::{Member, Whiteouts, read_layer};
use super::{LayerError, LayerIndex};
use crate::tree::{Tree, TreeEntry, resolve_with};

/// The index of an uncompressed layer archive on top of `parents`, unpacking nothing.
pub fn index_layer(reader: impl Read, parents: &Tree) -> Result<LayerIndex, LayerError> {
    let mut collector = Collector::new(parents);
    read_layer(reader, Whiteouts::Interpret, &mut |member, content| match member {
        Member::Whiteout { path } => collector.whiteout(&path),
        Member::Opaque { path } => collector.opaque(&path),
        Member::Entry(entry) => {
            let Some(mut placed) = collector.place(entry)? else { return Ok(()) };
            if let EntryKind::File { digest, .. } = &mut placed.entry.kind
                && placed.copy_of.is_none()
            {
                let read_error =
                    |source| LayerError::ReadFile { path: show(&placed.entry.path), source };
                *digest = Some(ContentDigest::of_reader(content).map_err(read_error)?);
            }
            collector.add(placed.entry);
            Ok(())
        }
    })?;
    Ok(collector.finish())
}

pub(crate) struct Collector<'a> {
    parents: &'a Tree,
    entries: Gathered,
    /// The other names of a file, by its first.
    links: HashMap<Vec<u8>, Vec<Vec<u8>>>,
    whiteouts: BTreeSet<Key>,
    opaques: BTreeSet<Key>,
    /// The parent resolved last: members of a directory come together.
    resolved: Option<(Vec<u8>, Vec<u8>)>,
}

/// An entry under the path it really has.
pub(crate) struct Placed {
    pub(crate) entry: Entry,
    /// For a hard link to a file of a lower layer: that file, whose copy this entry becomes.
    pub(crate) copy_of: Option<TreeEntry>,
}

impl<'a> Collector<'a> {
    pub(crate) fn new(parents: &'a Tree) -> Collector<'a> {
        Collector {
            parents,
            entries: Gathered::default(),
            links: HashMap::new(),
            whiteouts: BTreeSet::new(),
            opaques: BTreeSet::new(),
            resolved: None,
        }
    }

    /// Finds out where an entry lands. `None`: it changes nothing (a link to itself).
    pub(crate) fn place(&mut self, mut entry: Entry) -> Result<Option<Placed>, LayerError> {
        entry.path = self.canonical(&entry.path)?;
        let EntryKind::Hardlink { target } = &entry.kind else {
            return Ok(Some(Placed { entry, copy_of: None }));
        };
        let problem = |problem: &str| LayerError::Entry {
            path: show(&entry.path),
            problem: format!("links to `{}`, {problem}", show(target)),
        };
        let target = self.canonical(target)?;
        if target == entry.path {
            return Ok(None);
        }
        if let Some(own) = self.own(&target) {
            let first = match &own.kind {
                EntryKind::Hardlink { target } => target.clone(),
                EntryKind::Dir { .. } => return Err(problem("which is a directory")),
                _ => target,
            };
            if first == entry.path {
                return Ok(None);
            }
            if is_below(&first, &entry.path) {
                return Err(problem("which is inside of what it replaces"));
            }
            // All names of a file have one set of attributes: those of the first.
            let mut linked = self.own(&first).unwrap_or(own);
            linked.path = entry.path;
            linked.kind = EntryKind::Hardlink { target: first };
            return Ok(Some(Placed { entry: linked, copy_of: None }));
        }
        let found = if self.hidden(&target) { None } else { self.parents.lookup_bytes(&target) };
        let found = found.ok_or_else(|| problem("which does not exist"))?;
        if found.entry.is_dir() {
            return Err(problem("which is a directory"));
        }
        let mut copy = found.entry.clone();
        copy.path = entry.path;
        if let EntryKind::File { digest, offset, .. } = &mut copy.kind {
            *digest = self.parents.content_digest_of(&found).ok();
            *offset = None;
        }
        Ok(Some(Placed { entry: copy, copy_of: Some(found) }))
    }

    /// Takes an entry that was placed.
    pub(crate) fn add(&mut self, entry: Entry) {
        let both_dirs = entry.is_dir() && self.own(&entry.path).is_none_or(|own| own.is_dir());
        if !both_dirs {
            self.remove_below(&entry.path);
            self.remove(&entry.path);
            if entry.is_dir() {
                // What it replaces had replaced the lower directory.
                self.opaques.insert(Key(entry.path.clone()));
            }
        }
        if !entry.is_file() {
            self.resolved = None;
        }
        if let EntryKind::Hardlink { target } = &entry.kind {
            self.links.entry(target.clone()).or_default().push(entry.path.clone());
        }
        self.entries.insert(entry);
    }

    pub(crate) fn whiteout(&mut self, path: &[u8]) -> Result<(), LayerError> {
        let path = self.canonical(path)?;
        self.whiteouts.insert(Key(path));
        self.resolved = None;
        Ok(())
    }

    pub(crate) fn opaque(&mut self, path: &[u8]) -> Result<(), LayerError> {
        let path = self.canonical_dir(path)?;
        self.opaques.insert(Key(path));
        self.resolved = None;
        Ok(())
    }

    /// What this layer says so far about a path.
    pub(crate) fn own(&self, path: &[u8]) -> Option<Entry> {
        self.entries.get(path)
    }

    /// The attributes of a directory that the layer does not list: those it has below.
    pub(crate) fn inherited_dir(&self, path: &[u8]) -> Option<Entry> {
        if self.hidden(path) {
            return None;
        }
        let mut entry = self.parents.lookup_bytes(path).map(|found| found.entry)?;
        if let EntryKind::Dir { opaque } = &mut entry.kind {
            *opaque = false;
            return Some(entry);
        }
        None
    }

    pub(crate) fn finish(mut self) -> LayerIndex {
        // The kernel does not ask whether the root of a layer is opaque.
        if self.opaques.remove(&Key(Vec::new())) {
            let names = self.parents.read_dir("/").unwrap_or_default();
            self.whiteouts = names.into_iter().map(|(name, _)| Key(name.into_vec())).collect();
        }
        for Key(path) in self.opaques.clone() {
            let own = |dir| self.own(dir);
            if ancestors(&path).filter_map(own).any(|entry| !entry.is_dir()) {
                continue; // the directory went again
            }
            if self.own(&path).is_none() {
                let dir = self.inherited_dir(&path);
                let dir = dir.unwrap_or_else(|| Entry::default_dir(path.clone()));
                self.entries.insert(dir);
            }
            self.make_opaque(&path);
        }
        let mut of_nothing = Vec::new();
        // Parents first, so that what lies below a deleted path is dropped.
        for Key(path) in std::mem::take(&mut self.whiteouts) {
            if self.lower_is_gone(&path) {
                continue;
            }
            if self.own(&path).is_some() {
                self.make_opaque(&path);
            } else if self.is_implied(&path) {
                self.entries.insert(Entry::default_dir(path.clone()));
                self.make_opaque(&path);
            } else {
                if self.parents.lookup_bytes(&path).is_none() {
                    of_nothing.push(path.clone());
                }
                self.entries.insert(Entry::whiteout(path));
            }
        }
        // Overlayfs would list the marks of deletions that delete nothing.
        for path in &of_nothing {
            self.entries.remove(path);
        }
        self.entries.settle();
        for path in of_nothing {
            self.keep_dir(split_parent(&path).unwrap_or_default().0);
        }
        self.entries.into_index()
    }

    fn make_opaque(&mut self, path: &[u8]) {
        if let Some(mut entry) = self.own(path)
            && let EntryKind::Dir { opaque } = &mut entry.kind
        {
            *opaque = true;
            self.entries.insert(entry);
        }
    }

    /// A directory that was only named by what it does not contain is there nevertheless.
    fn keep_dir(&mut self, path: &[u8]) {
        let there = path.is_empty() || self.own(path).is_some() || self.is_implied(path);
        if !there && self.inherited_dir(path).is_none() {
            self.entries.insert(Entry::default_dir(path));
        }
    }

    /// Whether an entry above `path` hides what the layers below have there.
    fn lower_is_gone(&self, path: &[u8]) -> bool {
        ancestors(path).any(|ancestor| match self.own(ancestor).map(|entry| entry.kind) {
            None | Some(EntryKind::Dir { opaque: false }) => false,
            Some(_) => true,
        })
    }

    fn is_implied(&self, path: &[u8]) -> bool {
        self.entries.first_below(path).is_some()
    }

    /// Whether this layer deletes what the layers below have at `path`.
    fn hidden(&self, path: &[u8]) -> bool {
        if self.whiteouts.is_empty() && self.opaques.is_empty() {
            return false;
        }
        let deleted = |path: &[u8]| self.whiteouts.contains(&Key(path.to_vec()));
        deleted(path)
            || ancestors(path)
                .any(|path| deleted(path) || self.opaques.contains(&Key(path.to_vec())))
    }

    fn canonical(&mut self, path: &[u8]) -> Result<Vec<u8>, LayerError> {
        match split_parent(path) {
            None => Ok(Vec::new()),
            Some((parent, name)) => Ok(join(&self.canonical_dir(parent)?, name)),
        }
    }

    fn canonical_dir(&mut self, path: &[u8]) -> Result<Vec<u8>, LayerError> {
        if path.is_empty() {
            return Ok(Vec::new());
        }
        if let Some((asked, answer)) = &self.resolved
            && asked == path
        {
            return Ok(answer.clone());
        }
        let refuse = |problem: String| LayerError::Entry { path: show(path), problem };
        let answer = resolve_with(path, true, |path| self.read_link(path))
            .ok_or_else(|| refuse("leads through too many symbolic links".to_owned()))?;
        for dir in ancestors(&answer).chain([answer.as_slice()]) {
            if self.own(dir).is_some_and(|entry| !entry.is_dir()) {
                return Err(refuse(format!("lies in `{}`, which is not a directory", show(dir))));
            }
        }
        self.resolved = Some((path.to_vec(), answer.clone()));
        Ok(answer)
    }

    fn read_link(&self, path: &[u8]) -> Option<Vec<u8>> {
        let kind = match self.own(path) {
            Some(entry) => match entry.kind {
                EntryKind::Hardlink { target } => self.own(&target)?.kind,
                kind => kind,
            },
            None if self.is_implied(path) || self.hidden(path) => return None,
            None => self.parents.lookup_bytes(path)?.entry.kind,
        };
        match kind {
            EntryKind::Symlink { target } => Some(target),
            _ => None,
        }
    }

    fn remove_below(&mut self, path: &[u8]) {
        for path in self.entries.below(path) {
            self.remove(&path);
        }
        self.entries.settle();
    }

    /// Removes one name. When it was the first of several, the next becomes the first.
    fn remove(&mut self, path: &[u8]) {
        let Some(old) = self.entries.remove(path) else { return };
        if let EntryKind::Hardlink { target } = &old.kind
            && let Some(names) = self.links.get_mut(target)
        {
            names.retain(|name| name != path);
        }
        let mut names = self.links.remove(path).unwrap_or_default().into_iter();
        let Some(first) = names.next() else { return };
        let rest: Vec<Vec<u8>> = names.collect();
        for name in &rest {
            if let Some(mut entry) = self.own(name) {
                entry.kind = EntryKind::Hardlink { target: first.clone() };
                self.entries.insert(entry);
            }
        }
        self.entries.insert(Entry { path: first.clone(), ..old });
        self.links.insert(first, rest);
    }
}

/// The directories above a path, the root first.
pub(crate) fn ancestors(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let root = (!path.is_empty()).then_some(0);
    let slashes = path.iter().enumerate().filter(|&(_, &byte)| byte == b'/');
    root.into_iter().chain(slashes.map(|(position, _)| position)).map(|end| &path[..end])
}
