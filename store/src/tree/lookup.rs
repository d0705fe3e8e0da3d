//! One path or one directory, merged through all layers from the top down.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path};

use super::{Tree, TreeEntry, TreeError};
use crate::layer::entry::join;
use crate::layer::{Child, Entry, EntryKind, LayerIndex};

/// What one layer says about a path, given that all layers above said nothing final.
enum Verdict {
    /// This entry; `hidden`: the layers below have nothing in common with it.
    Here { entry: Entry, hidden: bool },
    /// A directory, described further down if anywhere.
    Implied { opaque: bool },
    /// Nothing; `opaque`: and nothing below this layer counts.
    Silent { opaque: bool },
    /// Not there, whatever is below.
    Gone,
}

impl Tree {
    /// What is at `path`, not following symbolic links.
    pub fn lookup(&self, path: impl AsRef<Path>) -> Option<TreeEntry> {
        self.lookup_bytes(&literal(path.as_ref())?)
    }

    /// The names in a directory, in the order of their bytes.
    pub fn read_dir(
        &self,
        path: impl AsRef<Path>,
    ) -> Result<Vec<(OsString, TreeEntry)>, TreeError> {
        let asked = path.as_ref();
        let not_found = || TreeError::NotFound { path: asked.to_owned() };
        let path = literal(asked).ok_or_else(not_found)?;
        if !self.lookup_bytes(&path).ok_or_else(not_found)?.entry.is_dir() {
            return Err(TreeError::NotADirectory { path: asked.to_owned() });
        }
        let names = self.merge_children(&self.full(&path));
        let entry = |(name, entry): (Vec<u8>, TreeEntry)| {
            let entry = self.renamed(entry, &join(&path, &name));
            (OsString::from_vec(name), entry)
        };
        Ok(names.into_iter().map(entry).collect())
    }

    pub(crate) fn lookup_bytes(&self, path: &[u8]) -> Option<TreeEntry> {
        let mut found = self.lookup_full(&self.full(path));
        if path.is_empty() && found.as_ref().is_none_or(|found| !found.entry.is_dir()) {
            found = Some(implied_dir(b"")); // whatever is asked of, its root is a directory
        }
        found.map(|found| self.renamed(found, path))
    }

    /// Under the path it has in this tree.
    fn renamed(&self, mut found: TreeEntry, path: &[u8]) -> TreeEntry {
        found.entry.path = path.to_vec();
        found
    }

    fn lookup_full(&self, path: &[u8]) -> Option<TreeEntry> {
        let mut implied = path.is_empty();
        for (number, layer) in self.layers.iter().enumerate().rev() {
            let opaque = match verdict(&layer.index, path) {
                Verdict::Here { entry, .. } if implied && !entry.is_dir() => break,
                Verdict::Here { entry, .. } => {
                    return Some(found(&layer.index, number, entry, path));
                }
                Verdict::Gone => break,
                Verdict::Silent { opaque } => opaque,
                Verdict::Implied { opaque } => {
                    implied = true;
                    opaque
                }
            };
            if opaque {
                break;
            }
        }
        implied.then(|| implied_dir(path))
    }

    fn merge_children(&self, directory: &[u8]) -> BTreeMap<Vec<u8>, TreeEntry> {
        // `None`: hidden by a whiteout above.
        let mut names: BTreeMap<Vec<u8>, Option<TreeEntry>> = BTreeMap::new();
        for (number, layer) in self.layers.iter().enumerate().rev() {
            let (readable, last) = match verdict(&layer.index, directory) {
                Verdict::Here { entry, hidden } => match entry.kind {
                    EntryKind::Dir { opaque } => (true, opaque || hidden),
                    _ => (false, true),
                },
                Verdict::Implied { opaque } => (true, opaque),
                Verdict::Silent { opaque } => (false, opaque),
                Verdict::Gone => (false, true),
            };
            if readable {
                self.merge_layer(&layer.index, number, directory, &mut names);
            }
            if last {
                break;
            }
        }
        names.into_iter().filter_map(|(name, entry)| Some((name, entry?))).collect()
    }

    fn merge_layer(
        &self,
        index: &LayerIndex,
        number: usize,
        directory: &[u8],
        names: &mut BTreeMap<Vec<u8>, Option<TreeEntry>>,
    ) {
        for Child { name, entry } in index.children(directory) {
            let path = join(directory, &name);
            let Slot::Vacant(slot) = names.entry(name) else { continue };
            match entry {
                Some(Entry { kind: EntryKind::Whiteout, .. }) => drop(slot.insert(None)),
                Some(entry) => drop(slot.insert(Some(found(index, number, entry, &path)))),
                // Its attributes are in a lower layer, if anywhere.
                None => drop(slot.insert(self.lookup_full(&path))),
            }
        }
    }
}

fn verdict(index: &LayerIndex, path: &[u8]) -> Verdict {
    let mut hidden = false;
    let ends = path.iter().enumerate().filter(|&(_, &byte)| byte == b'/').map(|(end, _)| end);
    let root = (!path.is_empty()).then_some(0);
    for end in root.into_iter().chain(ends) {
        match index.get(&path[..end]).map(|entry| entry.kind) {
            None => {}
            Some(EntryKind::Dir { opaque }) => hidden |= opaque,
            Some(_) => return Verdict::Gone,
        }
    }
    match index.get(path) {
        Some(Entry { kind: EntryKind::Whiteout, .. }) => Verdict::Gone,
        Some(entry) => Verdict::Here { entry, hidden },
        None if index.has_below(path) => Verdict::Implied { opaque: hidden },
        None => Verdict::Silent { opaque: hidden },
    }
}

fn found(index: &LayerIndex, number: usize, entry: Entry, path: &[u8]) -> TreeEntry {
    // A hard link is shown as the file it is a name of.
    let first = match &entry.kind {
        EntryKind::Hardlink { target } => index.get(target),
        _ => None,
    };
    let mut entry = first.unwrap_or(entry);
    let source = std::mem::replace(&mut entry.path, path.to_vec());
    TreeEntry { entry, layer: Some(number), source }
}

fn implied_dir(path: &[u8]) -> TreeEntry {
    TreeEntry { entry: Entry::default_dir(path), layer: None, source: path.to_vec() }
}

/// `/a//b/./c` → `a/b/c`; `None` when there is a `..`, which only `resolve` understands.
pub(super) fn literal(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(path.as_os_str().len());
    for component in path.components() {
        match component {
            Component::Normal(name) => {
                if !bytes.is_empty() {
                    bytes.push(b'/');
                }
                bytes.extend_from_slice(name.as_bytes());
            }
            Component::ParentDir => return None,
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Some(bytes)
}
