//! [`Arranged`]: what a step writes, in the order of a layer, each entry made when it is asked for.
//!
//! A COPY may place a million files. Directories that are copied as a whole stay what they are, a selection and where it goes
//! ([`PlacedTree`]); everything else is listed one by one. Going through an arrangement merges all these.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::iter::from_fn;
use std::sync::Arc;

use store::layer::{Entry, EntryKind, compare_paths};

use super::source::{Folder, Item, Node, NodeKind, Order, Selection, Source, join};
use super::target::{Content, Ownership, Placed};

/// Later ones come over earlier ones of the same path.
#[derive(Debug)]
pub(crate) struct Arranged {
    /// Sorted, each with the number of trees that were placed before it.
    pub(super) single: Vec<(usize, Placed)>,
    pub(super) trees: Vec<PlacedTree>,
    pub(super) ownership: Ownership,
}

/// What was selected in a directory, and where it goes.
#[derive(Debug)]
pub(crate) struct PlacedTree {
    pub(super) source: Arc<dyn Source>,
    pub(super) selection: Arc<Selection>,
    /// Of what is in the directory.
    pub(super) dest: Vec<u8>,
    /// Whether its directories are not listed one by one.
    pub(super) directories: bool,
}

/// An entry, and which of several with one path counts: the one with the highest number.
type Ranked = (usize, Placed);

impl Arranged {
    /// All entries. Further names of a file are hard links.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Placed> + '_ {
        let mut first_names = HashMap::new();
        self.merged().map(move |(_, mut placed)| {
            let Some(group) = placed.link_group.take() else { return placed };
            let Entry { mode, uid, gid, .. } = placed.entry;
            let path = placed.entry.path.clone();
            let first = first_names.entry((group, mode, uid, gid)).or_insert_with(|| path.clone());
            if *first != path {
                placed.entry.kind = EntryKind::Hardlink { target: first.clone() };
                placed.content = Content::None;
            }
            placed
        })
    }

    /// The same, with every name of a file as that file.
    pub(super) fn merged(&self) -> impl Iterator<Item = Ranked> + '_ {
        let single = self.single.iter().map(|(trees, placed)| (2 * trees, placed.clone()));
        let mut all: Stream<'_> = Box::new(single);
        for (number, tree) in self.trees.iter().enumerate() {
            let placed = tree.iter(&self.ownership).map(move |placed| (2 * number + 1, placed));
            all = merge(all, Box::new(placed));
        }
        all
    }
}

/// Sorted by path.
type Stream<'a> = Box<dyn Iterator<Item = Ranked> + 'a>;

fn merge<'a>(one: Stream<'a>, other: Stream<'a>) -> Stream<'a> {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    Box::new(from_fn(move || {
        let order = match (one.peek(), other.peek()) {
            (Some((_, one)), Some((_, other))) => compare_paths(&one.entry.path, &other.entry.path),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        match order {
            Ordering::Less => one.next(),
            Ordering::Greater => other.next(),
            Ordering::Equal => {
                one.next().into_iter().chain(other.next()).max_by_key(|(rank, _)| *rank)
            }
        }
    }))
}

impl PlacedTree {
    /// What it has at a path of the layer.
    pub(super) fn get(&self, path: &[u8]) -> Option<EntryKind> {
        let relative = match self.dest.as_slice() {
            b"" => path,
            dest => path.strip_prefix(dest)?.strip_prefix(b"/")?,
        };
        let item = self.inside()?.get(relative)?;
        self.has(&item).then(|| entry_kind(&item.node().kind, &item))
    }

    fn inside(&self) -> Option<&Folder> {
        self.selection.inside.as_ref()
    }

    fn has(&self, item: &Item<'_>) -> bool {
        self.directories || !item.is_dir()
    }

    fn iter<'a>(&'a self, ownership: &'a Ownership) -> impl Iterator<Item = Placed> + 'a {
        let items = self.inside().into_iter().flat_map(|inside| inside.items(Order::Layer));
        items.filter(|item| self.has(item)).map(move |item| self.placed(&item, ownership))
    }

    /// Only names of a file within one directory that is copied stay names of one file.
    fn placed(&self, item: &Item<'_>, ownership: &Ownership) -> Placed {
        let (path, mut node) = (item.path(), item.node());
        let root = &self.selection.path;
        let relative = if root.is_empty() { &path } else { &path[root.len() + 1..] };
        let together = |group: Vec<u8>| [root, &b"/"[..], &group].concat();
        let link_group = node.link_group.take().map(together);
        let mut entry = entry(join(&self.dest, relative), entry_kind(&node.kind, item), node);
        ownership.prescribe(&mut entry);
        let content = match item.is_file() {
            true => Content::Source(self.source.clone(), path),
            false => Content::None,
        };
        Placed { entry, content, link_group }
    }
}

fn entry_kind(kind: &NodeKind, item: &Item<'_>) -> EntryKind {
    match kind {
        // Known if the key was made of it.
        NodeKind::File { size } => {
            EntryKind::File { size: *size, digest: item.digest(), offset: None }
        }
        other => other.clone().into(),
    }
}

pub(super) fn entry(path: Vec<u8>, kind: EntryKind, node: Node) -> Entry {
    let Node { mode, uid, gid, mtime, xattrs, .. } = node;
    Entry { path, kind, mode, uid, gid, mtime, xattrs }
}

impl From<NodeKind> for EntryKind {
    fn from(kind: NodeKind) -> EntryKind {
        match kind {
            NodeKind::File { size } => EntryKind::File { size, digest: None, offset: None },
            NodeKind::Dir => EntryKind::Dir { opaque: false },
            NodeKind::Symlink { target } => EntryKind::Symlink { target },
            NodeKind::CharDevice { major, minor } => EntryKind::CharDevice { major, minor },
            NodeKind::BlockDevice { major, minor } => EntryKind::BlockDevice { major, minor },
            NodeKind::Fifo => EntryKind::Fifo,
        }
    }
}
