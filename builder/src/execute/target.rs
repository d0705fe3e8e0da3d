//! Where COPY writes: the tree below, and what the step has put over it so far.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::Arc;

use store::layer::{Entry, EntryKind, LayerIndex, compare_paths};
use store::tree::{Tree, TreeContent, TreeLayer};
use sys::RootDir;

use super::StepError;
use super::arranged::{Arranged, PlacedTree};
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

impl Ownership {
    pub(super) fn prescribe(&self, entry: &mut Entry) {
        if let Some((uid, gid)) = self.owner {
            (entry.uid, entry.gid) = (uid, gid);
        }
        if let Some(chmod) = &self.chmod
            && !entry.is_symlink()
        {
            entry.mode = chmod.apply(entry.mode, entry.is_dir());
        }
        if let Some(time) = self.time {
            entry.mtime = time;
        }
    }
}

/// A layer in the making.
#[derive(Debug)]
pub(crate) struct Target {
    /// What the destination is resolved on; empty for `--link`.
    lower: Tree,
    ownership: Ownership,
    /// Time of directories that nothing describes.
    made_at: i64,
    /// What was added one by one, each with the number of trees that were there before.
    added: BTreeMap<Vec<u8>, (usize, Placed)>,
    /// Directories that were added as a whole.
    trees: Vec<PlacedTree>,
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
        Target { lower, ownership, made_at, added, trees: Vec::new(), beneath: None, unlisted }
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
        if let Some(own) = self.own(path) {
            return Some(own);
        }
        if self.unlisted.contains(path) {
            return Some(EntryKind::Dir { opaque: false });
        }
        let mut above = path;
        while !above.is_empty() {
            above = parent_and_name(above).0;
            match self.own(above) {
                None | Some(EntryKind::Dir { .. }) => {}
                Some(_) => return None,
            }
        }
        self.lower.lookup(as_path(path)).map(|found| found.entry.kind)
    }

    /// What the step itself has put at `path`.
    fn own(&self, path: &[u8]) -> Option<EntryKind> {
        let single = self.added.get(path);
        let later = single.map_or(0, |(trees, _)| *trees);
        let tree = self.trees[later..].iter().rev().find_map(|tree| tree.get(path));
        tree.or_else(|| single.map(|(_, placed)| placed.entry.kind.clone()))
    }

    /// Whether nothing that is added below `path` can meet what is there.
    pub(crate) fn is_free_below(&self, path: &[u8]) -> bool {
        let below = match path {
            b"" => Vec::new(),
            path => [path, b"/"].concat(),
        };
        let next = self.added.range(below.clone()..).next();
        let lower = match path {
            b"" => !self.lower.layers().is_empty(),
            path => self.lower.lookup(as_path(path)).is_some(),
        };
        self.trees.is_empty() && !lower && next.is_none_or(|(path, _)| !path.starts_with(&below))
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
        if self.added.get(path).is_some_and(|(_, placed)| placed.entry.is_dir()) {
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
        self.ownership.prescribe(&mut entry);
        self.put_as_is(entry, content, link_group);
    }

    /// Adds a directory that meets nothing but directories, and files where it has files.
    pub(crate) fn put_tree(&mut self, tree: PlacedTree) {
        self.trees.push(tree);
    }

    /// Lists one by one what was added as a whole.
    pub(crate) fn spell_out(&mut self) {
        let arranged = self.arrange();
        let placed = arranged.merged().map(|(_, placed)| placed);
        self.added = placed.map(|placed| (placed.entry.path.clone(), (0, placed))).collect();
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
        let trees = self.trees.len();
        self.added.insert(entry.path.clone(), (trees, Placed { entry, content, link_group }));
    }

    /// The tree with what has been added one by one, for looking things up only.
    pub(crate) fn tree(&self) -> Tree {
        let index: LayerIndex =
            self.added.values().map(|(_, placed)| placed.entry.clone()).collect();
        self.lower.with_layer(TreeLayer::new(Arc::new(index), TreeContent::Unavailable))
    }

    pub(crate) fn finish(mut self) -> Arranged {
        self.arrange()
    }

    fn arrange(&mut self) -> Arranged {
        let mut single: Vec<_> = std::mem::take(&mut self.added).into_values().collect();
        single.sort_by(|(_, a), (_, b)| compare_paths(&a.entry.path, &b.entry.path));
        let trees = std::mem::take(&mut self.trees);
        Arranged { single, trees, ownership: self.ownership.clone() }
    }
}

pub(crate) fn show(path: &[u8]) -> String {
    format!("/{}", String::from_utf8_lossy(path))
}
