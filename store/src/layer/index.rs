//! [`LayerIndex`]: what a layer contains, sorted, answering without unpacking.

use std::cmp::Ordering;

use super::Entry;

/// The entries of one layer, each path once, in the order of [`compare_paths`].
///
/// A directory that only appears as the parent of something is *not* listed: what a layer does not
/// say, it does not change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerIndex {
    entries: Vec<Entry>,
}

/// A name directly below a directory. `entry` is `None` for a directory the layer does not list
/// but has entries in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Child<'a> {
    pub name: &'a [u8],
    pub entry: Option<&'a Entry>,
}

impl LayerIndex {
    /// Sorts the entries; of several with the same path the last stays.
    pub fn new(mut entries: Vec<Entry>) -> LayerIndex {
        entries.sort_by(|a, b| compare_paths(&a.path, &b.path));
        entries.reverse();
        entries.dedup_by(|later, first| later.path == first.path);
        entries.reverse();
        LayerIndex { entries }
    }

    pub fn get(&self, path: &[u8]) -> Option<&Entry> {
        self.position(path).ok().map(|position| &self.entries[position])
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Entry> {
        self.entries.iter()
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    /// Everything strictly below `path`.
    pub fn below(&self, path: &[u8]) -> &[Entry] {
        let start = match self.position(path) {
            Ok(position) => position + 1,
            Err(position) => position,
        };
        let rest = &self.entries[start..];
        &rest[..rest.partition_point(|entry| is_below(&entry.path, path))]
    }

    /// The names directly in the directory `path`.
    pub fn children<'a>(&'a self, path: &[u8]) -> Children<'a> {
        let prefix = if path.is_empty() { 0 } else { path.len() + 1 };
        Children { rest: self.below(path), prefix }
    }

    fn position(&self, path: &[u8]) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| compare_paths(&entry.path, path))
    }
}

impl FromIterator<Entry> for LayerIndex {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> LayerIndex {
        LayerIndex::new(entries.into_iter().collect())
    }
}

impl<'a> IntoIterator for &'a LayerIndex {
    type Item = &'a Entry;
    type IntoIter = std::slice::Iter<'a, Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Iterator of [`LayerIndex::children`].
#[derive(Clone, Debug)]
pub struct Children<'a> {
    rest: &'a [Entry],
    /// How many bytes of each path name the directory.
    prefix: usize,
}

impl<'a> Iterator for Children<'a> {
    type Item = Child<'a>;

    fn next(&mut self) -> Option<Child<'a>> {
        let first = self.rest.first()?;
        let tail = &first.path[self.prefix..];
        let length = tail.iter().position(|&byte| byte == b'/').unwrap_or(tail.len());
        let path = &first.path[..self.prefix + length];
        let entry = (length == tail.len()).then_some(first);
        let below = self.rest.partition_point(|e| e.path == path || is_below(&e.path, path));
        self.rest = &self.rest[below..];
        Some(Child { name: &tail[..length], entry })
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
    use crate::layer::EntryKind;

    fn index(paths: &[&str]) -> LayerIndex {
        paths.iter().map(|path| Entry::new(*path, EntryKind::Fifo, 0)).collect()
    }

    fn names(index: &LayerIndex, path: &str) -> Vec<(String, bool)> {
        let text = |name: &[u8]| String::from_utf8(name.to_vec()).unwrap();
        index.children(path.as_bytes()).map(|c| (text(c.name), c.entry.is_some())).collect()
    }

    #[test]
    fn parents_come_before_children_and_subtrees_stay_together() {
        let index = index(&["a-b", "b", "a/c/d", "", "a", "a.x", "a/b"]);
        let order: Vec<_> = index.iter().map(|e| String::from_utf8_lossy(&e.path)).collect();
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
        assert_eq!(index.below(b"a/c").len(), 2);
        assert_eq!(index.below(b"nothing").len(), 0);
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
}
