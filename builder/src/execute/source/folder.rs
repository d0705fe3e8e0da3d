//! [`Folder`]: what was selected of a directory, with all that was selected below it.
//!
//! As in a [`Listing`], there is no object for each file: a folder has the listing and says which of it counts. The
//! files are gone through as [`Item`]s, in the order of a layer or in that of their names.

use std::sync::Arc;

use store::layer::ContentDigest;

use super::{Listing, Node, join, shown};

#[derive(Debug)]
pub(crate) struct Folder {
    /// In the source.
    path: Vec<u8>,
    listing: Arc<Listing>,
    /// The positions in the listing that were selected; all of them, if there are none.
    chosen: Option<Vec<u32>>,
    /// Those of the chosen directories in which something was selected, with their positions.
    below: Vec<(u32, Folder)>,
}

/// A file, directory or other object in a [`Folder`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item<'a> {
    folder: &'a Folder,
    position: usize,
}

/// How a folder is gone through.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    /// A directory, all that is in it, and then what comes after it.
    Layer,
    /// By the bytes of paths as they are shown: `a-b` comes between `a` and `a/b`.
    Shown,
}

/// A step on the way through a folder.
#[derive(Clone, Copy, Debug)]
enum Visit {
    Item(u32),
    /// What is in one of the folders below.
    Inside(u32),
}

impl Folder {
    /// `below` are sorted by their positions.
    pub(super) fn new(
        path: Vec<u8>,
        listing: Arc<Listing>,
        chosen: Vec<u32>,
        below: Vec<(u32, Folder)>,
    ) -> Folder {
        let chosen = (chosen.len() < listing.len()).then_some(chosen);
        Folder { path, listing, chosen, below }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chosen.as_ref().map_or(self.listing.is_empty(), Vec::is_empty)
    }

    /// How much there is, whatever it is.
    pub(crate) fn count(&self) -> usize {
        let own = self.chosen.as_ref().map_or(self.listing.len(), Vec::len);
        own + self.below.iter().map(|(_, folder)| folder.count()).sum::<usize>()
    }

    /// What is directly in it.
    pub(crate) fn own(&self) -> impl Iterator<Item = Item<'_>> {
        self.positions().map(|position| Item { folder: self, position: position as usize })
    }

    /// All there is.
    pub(crate) fn items(&self, order: Order) -> Items<'_> {
        Items { order, open: vec![(self, self.visits(order).into_iter())] }
    }

    /// What is at a path, from this folder on.
    pub(crate) fn get(&self, path: &[u8]) -> Option<Item<'_>> {
        let (name, rest) = match path.iter().position(|&byte| byte == b'/') {
            Some(slash) => (&path[..slash], Some(&path[slash + 1..])),
            None => (path, None),
        };
        let position = self.listing.find(name)?;
        let number = u32::try_from(position).ok()?;
        let chosen = |chosen: &Vec<u32>| chosen.binary_search(&number).is_ok();
        if !self.chosen.as_ref().is_none_or(chosen) {
            return None;
        }
        let item = Item { folder: self, position };
        match rest {
            None => Some(item),
            Some(rest) => item.inside()?.get(rest),
        }
    }

    fn positions(&self) -> impl Iterator<Item = u32> {
        let all = match self.chosen {
            Some(_) => 0..0,
            None => 0..self.listing.len() as u32,
        };
        self.chosen.iter().flatten().copied().chain(all)
    }

    fn visits(&self, order: Order) -> Vec<Visit> {
        let mut visits = Vec::with_capacity(self.listing.len() + self.below.len());
        let mut below = (0..).zip(&self.below).peekable();
        for position in self.positions() {
            visits.push(Visit::Item(position));
            if let Some((number, _)) = below.next_if(|(_, (at, _))| *at == position) {
                visits.push(Visit::Inside(number));
            }
        }
        let is_sorted = self.below.is_empty() && self.listing.is_ascii();
        if matches!(order, Order::Shown) && !is_sorted {
            visits.sort_by_cached_key(|visit| self.shown(*visit));
        }
        visits
    }

    /// With what the shown paths begin.
    fn shown(&self, visit: Visit) -> String {
        let name = |position: u32| shown(self.listing.name(position as usize));
        match visit {
            Visit::Item(position) => name(position).into_owned(),
            Visit::Inside(number) => name(self.below[number as usize].0).into_owned() + "/",
        }
    }
}

impl<'a> Item<'a> {
    /// In the source.
    pub(crate) fn path(&self) -> Vec<u8> {
        join(&self.folder.path, self.name())
    }

    /// Adds the same behind `prefix`, as it is shown.
    pub(crate) fn show(&self, prefix: &str, path: &mut String) {
        let (folder, name) = (self.folder.path.as_slice(), self.name());
        path.reserve(prefix.len() + folder.len() + 1 + name.len());
        path.push_str(prefix);
        if !folder.is_empty() {
            path.push_str(&shown(folder));
            path.push('/');
        }
        path.push_str(&shown(name));
    }

    pub(crate) fn name(&self) -> &'a [u8] {
        self.folder.listing.name(self.position)
    }

    pub(crate) fn node(&self) -> Node {
        self.folder.listing.node(self.position)
    }

    pub(crate) fn is_dir(&self) -> bool {
        self.folder.listing.is_dir(self.position)
    }

    pub(crate) fn is_file(&self) -> bool {
        self.folder.listing.is_file(self.position)
    }

    pub(crate) fn mtime(&self) -> i64 {
        self.folder.listing.mtime(self.position)
    }

    /// Of a file's bytes, if it is known.
    pub(crate) fn digest(&self) -> Option<ContentDigest> {
        self.folder.listing.digest(self.position)
    }

    pub(crate) fn set_digest(&self, digest: ContentDigest) {
        self.folder.listing.set_digest(self.position, digest);
    }

    /// What was selected in it, if it is a directory.
    pub(crate) fn inside(&self) -> Option<&'a Folder> {
        let found = self.folder.below.binary_search_by_key(&self.position, |(at, _)| *at as usize);
        found.ok().map(|number| &self.folder.below[number].1)
    }
}

/// Iterator of [`Folder::items`].
#[derive(Debug)]
pub(crate) struct Items<'a> {
    order: Order,
    /// Folders not gone through to their ends.
    open: Vec<(&'a Folder, std::vec::IntoIter<Visit>)>,
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        loop {
            let (folder, visits) = self.open.last_mut()?;
            let folder = *folder;
            match visits.next() {
                Some(Visit::Item(position)) => {
                    return Some(Item { folder, position: position as usize });
                }
                Some(Visit::Inside(number)) => {
                    let inside = &folder.below[number as usize].1;
                    self.open.push((inside, inside.visits(self.order).into_iter()));
                }
                None => drop(self.open.pop()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::NodeKind;
    use super::*;

    /// Of paths; those that end in a slash are directories. What is marked with `!` is not chosen.
    fn folder(path: &[u8], paths: &[&[u8]]) -> Folder {
        let mut names: Vec<&[u8]> =
            paths.iter().filter_map(|path| path.split(|b| *b == b'/').next()).collect();
        names.sort();
        names.dedup();
        let (mut listing, mut chosen, mut below) = (Listing::default(), Vec::new(), Vec::new());
        for (position, name) in names.into_iter().enumerate() {
            let inside: Vec<&[u8]> = paths
                .iter()
                .filter_map(|path| path.strip_prefix(name)?.strip_prefix(b"/"))
                .collect();
            let kind = if inside.is_empty() { NodeKind::Fifo } else { NodeKind::Dir };
            let (xattrs, link_group) = (BTreeMap::new(), None);
            let node = Node { kind, mode: 0, uid: 0, gid: 0, mtime: 0, xattrs, link_group };
            listing.push(name, node, None);
            if name.starts_with(b"!") {
                continue;
            }
            chosen.push(position as u32);
            let inside: Vec<&[u8]> = inside.into_iter().filter(|path| !path.is_empty()).collect();
            if !inside.is_empty() {
                below.push((position as u32, folder(&join(path, name), &inside)));
            }
        }
        Folder::new(path.to_vec(), Arc::new(listing), chosen, below)
    }

    const PATHS: [&[u8]; 11] = [
        b"a/", b"a/b", b"a/c/d", b"a-b", b"a.c/x", b"!no/y", b"a/!z", b"e/", b"\xff", b"\xfe/q",
        b"f",
    ];

    fn paths(order: Order) -> Vec<Vec<u8>> {
        folder(b"", &PATHS).items(order).map(|item| item.path()).collect()
    }

    #[test]
    fn layers_have_directories_before_what_is_in_them() {
        let mut sorted = paths(Order::Layer);
        sorted.sort_by(|a, b| store::layer::compare_paths(a, b));
        assert_eq!(paths(Order::Layer), sorted);
        assert_eq!(folder(b"", &PATHS).count(), sorted.len());
    }

    #[test]
    fn by_name_is_by_the_bytes_that_are_shown() {
        let shown = |path: &Vec<u8>| shown(path).into_owned();
        let mut sorted = paths(Order::Layer);
        sorted.sort_by_key(shown);
        assert_eq!(paths(Order::Shown), sorted);
        assert_eq!(sorted.len(), 12, "{sorted:?}");
    }

    #[test]
    fn only_what_was_chosen_is_found() {
        let folder = folder(b"", &PATHS);
        for path in paths(Order::Layer) {
            assert_eq!(folder.get(&path).unwrap().path(), path);
        }
        for absent in [&b"!no"[..], b"!no/y", b"a/!z", b"a/b/c", b"e/x", b"", b"z"] {
            assert!(folder.get(absent).is_none(), "{absent:?}");
        }
    }
}
