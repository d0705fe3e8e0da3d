//! Where COPY writes: the tree below, and what the step has put over it so far.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::Arc;

use store::layer::{Entry, EntryKind, LayerIndex};
use store::tree::{Tree, TreeContent, TreeLayer};
use sys::RootDir;

use super::StepError;
use super::source::{Link, Source, TooManyLinks, as_path, join, parent_and_name, resolve};
use crate::chmod::Chmod;

/// Owner and mode of everything a step writes, where they are prescribed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ownership {
    pub(crate) owner: Option<(u32, u32)>,
    pub(crate) chmod: Option<Chmod>,
    /// Seconds since 1970.
    pub(crate) time: Option<i64>,
}

/// A layer in the making.
#[derive(Debug)]
pub(crate) struct Target {
    /// What the destination is resolved on; empty for `--link`.
    lower: Tree,
    ownership: Ownership,
    /// Time of directories that nothing describes.
    made_at: i64,
    added: BTreeMap<Vec<u8>, Placed>,
    /// For `--link`: the tree that the layer will lie on. Directories it has need not be listed, so
    /// that they keep their owners and modes.
    beneath: Option<Tree>,
    /// Directories that are there without being listed.
    unlisted: BTreeSet<Vec<u8>>,
}

/// An entry of the layer and where its bytes come from.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) entry: Entry,
    pub(crate) content: Content,
    /// Names of one file have the same, see [`super::source::Node::link_group`].
    pub(crate) link_group: Option<Vec<u8>>,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    None,
    Source(Arc<dyn Source>, Vec<u8>),
    Dir(Arc<RootDir>, Vec<u8>),
}

impl Content {
    pub(crate) fn open(&self) -> Result<Option<Box<dyn Read + Send>>, StepError> {
        Ok(match self {
            Content::None => None,
            Content::Source(source, path) => Some(source.open(path)?),
            Content::Dir(dir, path) => Some(Box::new(dir.open_file_nofollow(as_path(path))?)),
        })
    }
}

impl From<TooManyLinks> for StepError {
    fn from(_: TooManyLinks) -> StepError {
        StepError::LinkLoop { path: String::new() }
    }
}

impl Target {
    pub(crate) fn new(lower: Tree, ownership: Ownership, made_at: i64) -> Target {
        let (added, unlisted) = (BTreeMap::new(), BTreeSet::new());
        Target { lower, ownership, made_at, added, beneath: None, unlisted }
    }

    /// For `--link`: a layer that is resolved on nothing and will lie on `beneath`.
    pub(crate) fn linked(beneath: Tree, ownership: Ownership, made_at: i64) -> Target {
        Target { beneath: Some(beneath), ..Target::new(Tree::default(), ownership, made_at) }
    }

    pub(crate) fn ownership(&self) -> &Ownership {
        &self.ownership
    }

    /// What is at `path`, not following a link there.
    pub(crate) fn lookup(&self, path: &[u8]) -> Option<EntryKind> {
        if let Some(placed) = self.added.get(path) {
            return Some(placed.entry.kind.clone());
        }
        if self.unlisted.contains(path) {
            return Some(EntryKind::Dir { opaque: false });
        }
        let mut above = path;
        while !above.is_empty() {
            above = parent_and_name(above).0;
            match self.added.get(above) {
                Some(placed) if !placed.entry.is_dir() => return None,
                _ => {}
            }
        }
        self.lower.lookup(as_path(path)).map(|found| found.entry.kind)
    }

    pub(crate) fn is_dir(&self, path: &[u8]) -> bool {
        path.is_empty() || matches!(self.lookup(path), Some(EntryKind::Dir { .. }))
    }

    /// Follows all links in `path`, the last one too.
    pub(crate) fn resolve(&self, path: &[u8]) -> Result<Vec<u8>, StepError> {
        let resolved: Result<_, StepError> = resolve(path, true, |at| {
            Ok(match self.lookup(at) {
                None => Link::Absent,
                Some(EntryKind::Symlink { target }) => Link::To(target),
                Some(_) => Link::Object,
            })
        });
        resolved.map_err(|_| StepError::LinkLoop { path: show(path) })
    }

    /// Makes the directories of a resolved path that are missing.
    pub(crate) fn make_dirs(&mut self, path: &[u8]) -> Result<(), StepError> {
        let mut at = Vec::new();
        for name in path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()) {
            at = join(&at, name);
            match self.lookup(&at) {
                Some(EntryKind::Dir { .. }) => {}
                Some(_) => return Err(StepError::NotADirectory { path: show(&at) }),
                None if self.is_beneath(&at) => drop(self.unlisted.insert(at.clone())),
                None => {
                    let mut entry = Entry::default_dir(at.clone());
                    entry.mtime = self.made_at;
                    self.put(entry, Content::None, None);
                }
            }
        }
        Ok(())
    }

    /// The same with the modes directories have anyhow: `--chmod` says nothing about archives.
    pub(crate) fn make_dirs_for_archive(&mut self, path: &[u8]) -> Result<(), StepError> {
        let chmod = self.ownership.chmod.take();
        let made = self.make_dirs(path);
        self.ownership.chmod = chmod;
        made
    }

    /// Gives a directory of the tree below the mode of the one that `--parents` leads through; its owner
    /// stays. False if the directory has to be made.
    pub(crate) fn pass_through(&mut self, path: &[u8], mode: u32, mtime: i64) -> bool {
        if self.added.get(path).is_some_and(|placed| placed.entry.is_dir()) {
            return true;
        }
        let found = self.lower.lookup(as_path(path)).filter(|found| found.entry.is_dir());
        let Some(found) = found.filter(|_| self.lookup(path).is_some()) else { return false };
        let mtime = self.ownership.time.unwrap_or(mtime);
        let entry = Entry { path: path.to_vec(), mode, mtime, ..found.entry };
        self.put_as_is(entry, Content::None, None);
        true
    }

    fn is_beneath(&self, path: &[u8]) -> bool {
        let beneath = self.beneath.as_ref().and_then(|tree| tree.lookup(as_path(path)));
        beneath.is_some_and(|found| found.entry.is_dir())
    }

    /// Adds an entry with the prescribed owner, mode and time.
    pub(crate) fn put(&mut self, mut entry: Entry, content: Content, link_group: Option<Vec<u8>>) {
        if let Some((uid, gid)) = self.ownership.owner {
            (entry.uid, entry.gid) = (uid, gid);
        }
        if let Some(chmod) = &self.ownership.chmod
            && !entry.is_symlink()
        {
            entry.mode = chmod.apply(entry.mode, entry.is_dir());
        }
        if let Some(time) = self.ownership.time {
            entry.mtime = time;
        }
        self.put_as_is(entry, content, link_group);
    }

    pub(crate) fn put_as_is(
        &mut self,
        entry: Entry,
        content: Content,
        link_group: Option<Vec<u8>>,
    ) {
        if !entry.is_dir() {
            // What an archive replaces is gone with all that is in it.
            let below = [entry.path.as_slice(), b"/"].concat();
            let inside = self.added.range(below.clone()..).map(|(path, _)| path);
            let inside: Vec<_> =
                inside.take_while(|path| path.starts_with(&below)).cloned().collect();
            for path in inside {
                self.added.remove(&path);
            }
        }
        self.added.insert(entry.path.clone(), Placed { entry, content, link_group });
    }

    /// The tree with what has been added, for looking things up only.
    pub(crate) fn tree(&self) -> Tree {
        let index: LayerIndex = self.added.values().map(|placed| placed.entry.clone()).collect();
        self.lower.with_layer(TreeLayer::new(Arc::new(index), TreeContent::Unavailable))
    }

    /// The entries in the order of a layer; further names of a file become hard links.
    pub(crate) fn finish(self) -> Vec<Placed> {
        let mut placed: Vec<Placed> = self.added.into_values().collect();
        placed.sort_by(|a, b| store::layer::compare_paths(&a.entry.path, &b.entry.path));
        let mut first_names = BTreeMap::new();
        for item in &mut placed {
            let Some(group) = item.link_group.take() else { continue };
            let alike = (group, item.entry.mode, item.entry.uid, item.entry.gid);
            let path = item.entry.path.clone();
            let first = first_names.entry(alike).or_insert_with(|| path.clone());
            if *first != path {
                item.entry.kind = EntryKind::Hardlink { target: first.clone() };
                item.content = Content::None;
            }
        }
        placed
    }
}

pub(crate) fn show(path: &[u8]) -> String {
    format!("/{}", String::from_utf8_lossy(path))
}
