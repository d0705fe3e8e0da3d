//! [`LayerIndex`]: what a layer contains, sorted, answering without unpacking.
//!
//! A layer may have a million entries, so an index keeps no object for each but the stored form of `codec.rs`, about 60
//! bytes an entry: a path is what differs from the path before. Every sixteenth entry has a mark with its whole path; a
//! lookup searches the marks and decodes a few entries from there. What is asked for becomes an [`Entry`] then.

use std::cmp::Ordering;
use std::fmt;

use super::codec::{Input, put_entry};
use super::{Entry, EntryKind};

/// The entries of one layer, each path once, in the order of [`compare_paths`].
///
/// A directory that only appears as the parent of something is *not* listed: what a layer does not
/// say, it does not change.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct LayerIndex {
    /// One entry after the other.
    encoded: Vec<u8>,
    marks: Vec<Mark>,
    len: usize,
    /// The path of the last entry.
    last: Vec<u8>,
    /// Whether some entry is another name of a file.
    hard_links: bool,
}

/// Where an entry starts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    path: Box<[u8]>,
    at: usize,
}

/// Entries from one mark to the next.
const MARKED: usize = 16;

/// A name directly below a directory. `entry` is `None` for a directory the layer does not list
/// but has entries in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    pub name: Vec<u8>,
    pub entry: Option<Entry>,
}

impl LayerIndex {
    /// Sorts the entries; of several with the same path the last stays.
    pub fn new(mut entries: Vec<Entry>) -> LayerIndex {
        entries.sort_by(|a, b| compare_paths(&a.path, &b.path));
        entries.reverse();
        entries.dedup_by(|later, first| later.path == first.path);
        entries.reverse();
        LayerIndex::sorted(entries)
    }

    /// Of entries that are sorted, each path once.
    pub(super) fn sorted(entries: impl IntoIterator<Item = Entry>) -> LayerIndex {
        let mut index = LayerIndex::default();
        entries.into_iter().for_each(|entry| index.push(&entry));
        index
    }

    /// Adds an entry behind all others.
    pub(super) fn push(&mut self, entry: &Entry) {
        self.mark(&entry.path, self.encoded.len());
        put_entry(&mut self.encoded, &self.last, entry);
        self.hard_links |= matches!(entry.kind, EntryKind::Hardlink { .. });
        self.last.clone_from(&entry.path);
    }

    /// Of `len` entries as they are stored; `None` if they make no sense.
    pub(super) fn of_encoded(encoded: Vec<u8>, len: usize) -> Option<LayerIndex> {
        let mut index = LayerIndex::default();
        let (mut input, mut path) = (Input(&encoded), Vec::new());
        for _ in 0..len {
            let at = encoded.len() - input.0.len();
            input.path(&mut path)?;
            index.hard_links |= input.described()?.is_hard_link();
            if index.len > 0 && compare_paths(&index.last, &path) != Ordering::Less {
                return None;
            }
            index.mark(&path, at);
            index.last.clone_from(&path);
        }
        let whole = input.0.is_empty();
        whole.then_some(LayerIndex { encoded, ..index })
    }

    /// Counts the entry that starts there.
    fn mark(&mut self, path: &[u8], at: usize) {
        if self.len.is_multiple_of(MARKED) {
            self.marks.push(Mark { path: path.into(), at });
        }
        self.len += 1;
    }

    pub fn get(&self, path: &[u8]) -> Option<Entry> {
        let mut found = self.seek(|other| compare_paths(other, path) == Ordering::Less);
        if found.path()? == path { found.next() } else { None }
    }

    pub fn iter(&self) -> Entries<'_> {
        let mut entries = Entries { input: Input(&self.encoded), path: Vec::new(), ahead: false };
        entries.advance();
        entries
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether any file has several names.
    pub fn has_hard_links(&self) -> bool {
        self.hard_links
    }

    pub fn into_entries(self) -> Vec<Entry> {
        self.iter().collect()
    }

    /// Everything strictly below `path`.
    pub fn below<'a>(&'a self, path: &'a [u8]) -> impl Iterator<Item = Entry> + 'a {
        let mut entries = self.after(path);
        std::iter::from_fn(
            move || {
                if is_below(entries.path()?, path) { entries.next() } else { None }
            },
        )
    }

    /// Whether there is anything strictly below `path`.
    pub fn has_below(&self, path: &[u8]) -> bool {
        self.after(path).path().is_some_and(|first| is_below(first, path))
    }

    /// The names directly in the directory `path`.
    pub fn children(&self, path: &[u8]) -> Children<'_> {
        Children { index: self, rest: self.after(path), directory: path.to_vec() }
    }

    /// The path of the last entry.
    pub(super) fn last_path(&self) -> Option<&[u8]> {
        (self.len > 0).then_some(self.last.as_slice())
    }

    pub(super) fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// What comes after `path`: first of all what is below it.
    fn after(&self, path: &[u8]) -> Entries<'_> {
        self.seek(|other| compare_paths(other, path) != Ordering::Greater)
    }

    /// The entries from the first one on that is not `before`; those that are come first.
    fn seek(&self, before: impl Fn(&[u8]) -> bool) -> Entries<'_> {
        let passed = self.marks.partition_point(|mark| before(&mark.path));
        // Behind the last mark that is before there may be more that are.
        let (path, at) = match self.marks.get(passed.saturating_sub(1)) {
            Some(mark) => (mark.path.to_vec(), mark.at),
            None => (Vec::new(), self.encoded.len()),
        };
        let mut entries = Entries { input: Input(&self.encoded[at..]), path, ahead: false };
        entries.advance();
        while entries.path().is_some_and(&before) {
            entries.pass();
        }
        entries
    }
}

impl FromIterator<Entry> for LayerIndex {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> LayerIndex {
        LayerIndex::new(entries.into_iter().collect())
    }
}

impl<'a> IntoIterator for &'a LayerIndex {
    type Item = Entry;
    type IntoIter = Entries<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for LayerIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// Iterator of [`LayerIndex::iter`].
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    /// What is known of the next entry besides its path, and those behind it.
    input: Input<'a>,
    /// Of the next entry; of the last one if there is no next.
    path: Vec<u8>,
    /// Whether there is a next one.
    ahead: bool,
}

/// An index decodes everything once before it takes it, see [`LayerIndex::of_encoded`].
const CHECKED: &str = "the entries of an index make sense";

impl Entries<'_> {
    /// The path of the next entry.
    fn path(&self) -> Option<&[u8]> {
        self.ahead.then_some(self.path.as_slice())
    }

    fn pass(&mut self) {
        self.input.described().expect(CHECKED);
        self.advance();
    }

    fn advance(&mut self) {
        self.ahead = !self.input.0.is_empty();
        if self.ahead {
            self.input.path(&mut self.path).expect(CHECKED);
        }
    }
}

impl Iterator for Entries<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        let path = self.path()?.to_vec();
        let entry = self.input.described().expect(CHECKED).named(path);
        self.advance();
        Some(entry)
    }
}

/// Iterator of [`LayerIndex::children`].
#[derive(Clone, Debug)]
pub struct Children<'a> {
    index: &'a LayerIndex,
    rest: Entries<'a>,
    directory: Vec<u8>,
}

impl Iterator for Children<'_> {
    type Item = Child;

    fn next(&mut self) -> Option<Child> {
        let first = self.rest.path().filter(|path| is_below(path, &self.directory))?;
        let prefix = if self.directory.is_empty() { 0 } else { self.directory.len() + 1 };
        let tail = &first[prefix..];
        let length = tail.iter().position(|&byte| byte == b'/').unwrap_or(tail.len());
        let path = first[..prefix + length].to_vec();
        let entry = if length == tail.len() { self.rest.next() } else { None };
        let inside = |other: &[u8]| is_below(other, &path);
        if self.rest.path().is_some_and(inside) {
            let not_after =
                |other: &[u8]| compare_paths(other, &path) != Ordering::Greater || inside(other);
            self.rest = self.index.seek(not_after);
        }
        Some(Child { name: path[prefix..].to_vec(), entry })
    }
}

/// Orders paths by their components, so that a directory is followed by all it contains:
/// `a`, `a/b`, `a-b` (in plain byte order `a-b` would come second).
pub fn compare_paths(a: &[u8], b: &[u8]) -> Ordering {
    let common = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let rank = |path: &[u8]| match path.get(common) {
        None => 0,
        Some(b'/') => 1,
        Some(&byte) => u16::from(byte) + 2,
    };
    rank(a).cmp(&rank(b))
}

pub(crate) fn is_below(path: &[u8], directory: &[u8]) -> bool {
    if directory.is_empty() {
        return !path.is_empty();
    }
    path.len() > directory.len() && path[directory.len()] == b'/' && path.starts_with(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(paths: &[&str]) -> LayerIndex {
        paths.iter().map(|path| Entry::new(*path, EntryKind::Fifo, 0)).collect()
    }

    fn names(index: &LayerIndex, path: &str) -> Vec<(String, bool)> {
        let text = |name: &[u8]| String::from_utf8(name.to_vec()).unwrap();
        index.children(path.as_bytes()).map(|c| (text(&c.name), c.entry.is_some())).collect()
    }

    #[test]
    fn parents_come_before_children_and_subtrees_stay_together() {
        let index = index(&["a-b", "b", "a/c/d", "", "a", "a.x", "a/b"]);
        let order: Vec<_> = index.iter().map(|e| String::from_utf8(e.path).unwrap()).collect();
        assert_eq!(order, ["", "a", "a/b", "a/c/d", "a-b", "a.x", "b"]);
    }

    #[test]
    fn lists_children_with_and_without_entry() {
        let index = index(&["a/b", "a/c/d", "a/c/e", "a/d", "ab", "x/y"]);
        let expected = [("b".to_owned(), true), ("c".to_owned(), false), ("d".to_owned(), true)];
        assert_eq!(names(&index, "a"), expected);
        let top = [("a".to_owned(), false), ("ab".to_owned(), true), ("x".to_owned(), false)];
        assert_eq!(names(&index, ""), top);
        assert_eq!(names(&index, "a/b"), []);
        assert_eq!(index.below(b"a/c").count(), 2);
        assert_eq!(index.below(b"nothing").count(), 0);
    }

    #[test]
    fn last_of_equal_paths_wins() {
        let index = LayerIndex::new(vec![
            Entry::new("a", EntryKind::Fifo, 1),
            Entry::new("b", EntryKind::Fifo, 2),
            Entry::new("a", EntryKind::Fifo, 3),
        ]);
        assert_eq!(index.len(), 2);
        assert_eq!(index.get(b"a").map(|entry| entry.mode), Some(3));
    }

    /// Between marks and at them, and with directories of many marks.
    #[test]
    fn answers_are_those_of_a_plain_list() {
        for count in [0, 1, 15, 16, 17, 400] {
            let path = |number: usize| format!("d{}/e{}/f{number}", number % 3, number % 7);
            let mut paths: Vec<String> = (0..count).map(path).collect();
            paths.extend((0..count.min(2)).map(|number| format!("d{number}")));
            let index = index(&paths.iter().map(String::as_str).collect::<Vec<_>>());
            paths.sort_by(|a, b| compare_paths(a.as_bytes(), b.as_bytes()));
            let all: Vec<_> = index.iter().map(|e| String::from_utf8(e.path).unwrap()).collect();
            assert_eq!(all, paths);
            assert_eq!((index.len(), index.is_empty()), (paths.len(), paths.is_empty()));
            for path in &paths {
                assert_eq!(index.get(path.as_bytes()).unwrap().path, path.as_bytes());
                assert_eq!(index.get(format!("{path}x").as_bytes()), None);
            }
            for directory in ["", "d0", "d1", "d2", "d1/e3", "d2/e", "x"] {
                let bytes = directory.as_bytes();
                let below = paths.iter().filter(|path| is_below(path.as_bytes(), bytes));
                let below: Vec<_> = below.map(|path| path.as_bytes().to_vec()).collect();
                let found: Vec<_> = index.below(bytes).map(|entry| entry.path).collect();
                assert_eq!(found, below);
                assert_eq!(index.has_below(bytes), !below.is_empty());
                let prefix = if directory.is_empty() { 0 } else { directory.len() + 1 };
                let name =
                    |path: &Vec<u8>| path[prefix..].split(|b| *b == b'/').next().unwrap().to_vec();
                let mut names: Vec<_> = below.iter().map(name).collect();
                names.dedup();
                let children: Vec<_> = index.children(bytes).map(|child| child.name).collect();
                assert_eq!(children, names);
            }
        }
    }
}
