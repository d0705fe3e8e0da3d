//! The tree as files on disk.

use std::collections::HashMap;

use sys::RootDir;

use super::{Tree, TreeEntry};
use crate::id_map::IdMap;
use crate::layer::disk::{Disk, unpack};
use crate::layer::{Entry, EntryKind, LayerError, WhiteoutForm};

impl Tree {
    /// Writes all files into the empty directory `target`, which becomes the tree's root: owners, modes, attributes,
    /// times, and what is linked to what.
    pub fn write_to(&self, target: &RootDir, id_map: IdMap) -> Result<(), LayerError> {
        let mut disk = Disk::new(target, id_map);
        let mut names = Names::default();
        let mut directories = Vec::new();
        let mut open: Vec<TreeEntry> = self.lookup("/").into_iter().collect();
        while let Some(mut found) = open.pop() {
            if found.entry.is_dir() {
                let children = self.read_dir(found.entry.as_path())?;
                open.extend(children.into_iter().rev().map(|(_, child)| child));
                disk.create_dir(&found.entry.path)
                    .map_err(|source| unpack(&found.entry.path, source))?;
                directories.push(found.entry);
                continue;
            }
            if let Some(target) = names.earlier(&found) {
                found.entry.kind = EntryKind::Hardlink { target };
            }
            match found.entry.kind {
                EntryKind::File { .. } => {
                    let mut content = self.open_entry(&found)?;
                    disk.create(&mut found.entry, &mut content)?;
                }
                _ => disk.create(&mut found.entry, &mut std::io::empty())?,
            }
        }
        // Deepest first, because adding to a directory changes its time.
        let finish = |entry: &Entry| disk.finish_dir(entry, WhiteoutForm::Overlay);
        directories.iter().rev().try_for_each(finish)
    }
}

/// Names of the same file.
#[derive(Default)]
struct Names {
    first: HashMap<(Option<usize>, Vec<u8>), Vec<u8>>,
}

impl Names {
    fn earlier(&mut self, found: &TreeEntry) -> Option<Vec<u8>> {
        let file = (found.layer, found.source.clone());
        if let Some(first) = self.first.get(&file) {
            return Some(first.clone());
        }
        self.first.insert(file, found.entry.path.clone());
        None
    }
}
