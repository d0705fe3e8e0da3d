//! Removing images that nobody uses, those among them that the caller chooses.
use std::collections::HashSet;

use super::{Image, names};
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::Result;
use crate::image::Removed;
use crate::image::select::MAX_NESTING;
use crate::lease::Held;
use crate::manifest::Index;
use crate::open::Store;
use crate::reference::Reference;

/// An entry of the image list, as [`Store::forget_images`] shows it.
#[derive(Clone, Copy, Debug)]
pub struct ListedImage<'a> {
    pub name: Option<&'a Reference>,
    /// None if it cannot be read.
    pub image: Option<&'a Image>,
}

impl Store {
    /// Removes, in one step, the names and images that `choose` accepts and that no container and no other process
    /// uses. What only they used is collected by `gc`.
    pub fn forget_images(&self, choose: &dyn Fn(ListedImage<'_>) -> bool) -> Result<Vec<Removed>> {
        self.update_index(|index| {
            // Only now: who lists an image holds it first.
            let in_use = self.held_by_others()?;
            let mut removed = Vec::new();
            let entries = std::mem::take(&mut index.manifests);
            let (gone, kept): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| {
                let (name, image) = (names::name_of(entry), self.load_listed(entry).ok());
                choose(ListedImage { name: name.as_ref(), image: image.as_ref() })
                    && self.manifests_of(entry).is_disjoint(&in_use)
            });
            index.manifests = kept;
            removed.extend(gone.iter().filter_map(names::name_of).map(Removed::Untagged));
            removed.extend(self.unlisted(&gone, index).into_iter().map(Removed::Deleted));
            Ok(removed)
        })
    }

    /// The images of `gone` that are not in the list under any name any more.
    fn unlisted(&self, gone: &[Descriptor], index: &Index) -> Vec<Digest> {
        let mut known: HashSet<Digest> = HashSet::new();
        if !gone.is_empty() {
            known.extend(index.manifests.iter().map(|entry| self.id_for_report(entry)));
        }
        let ids = gone.iter().map(|entry| self.id_for_report(entry));
        ids.filter(|id| known.insert(*id)).collect()
    }

    /// The entry itself and, if it is an index, the manifests of its platforms: whoever uses an image holds one of them.
    pub(crate) fn manifests_of(&self, entry: &Descriptor) -> HashSet<Held> {
        let mut found = HashSet::from([Held::Blob(entry.digest)]);
        let mut pending = vec![(entry.digest, MAX_NESTING)];
        while let Some((digest, depth)) = pending.pop() {
            // What is no index, or cannot be read, leads to no more manifests.
            let Ok(index) = self.read_json::<Index>("image index", &digest) else { continue };
            for nested in index.manifests.iter().map(|nested| nested.digest) {
                if found.insert(Held::Blob(nested)) && depth > 1 {
                    pending.push((nested, depth - 1));
                }
            }
        }
        found
    }
}
