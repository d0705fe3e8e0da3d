//! Removing names and images, with the rules of `docker rmi`.
use std::collections::{BTreeSet, HashSet};

use super::names;
use super::resolve::find_by_name;
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::{Result, StoreError};
use crate::lease::{self, Held};
use crate::manifest::Index;
use crate::open::Store;
use crate::reference::Reference;

/// What a removal did, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    Untagged(Reference),
    /// The image is no longer listed. What only it used is collected by `gc`.
    Deleted(Digest),
}

impl Store {
    /// Removes a name; with its last name goes the image. Given an ID, removes the image with all its names,
    /// which must be tags of one repository unless `force`. An image that a container uses is kept (without
    /// name when `force`).
    pub fn untag(&self, text: &str, force: bool) -> Result<Vec<Removed>> {
        let used = self.manifests_in_use()?;
        self.update_index(|index| {
            let asked = text.parse::<Reference>().ok();
            if let Some(asked) = asked
                && let Some(entry) = find_by_name(index, &asked).cloned()
                && let Some(name) = names::name_of(&entry)
            {
                return self.remove_name(index, &name, &entry, force, &used);
            }
            let entry = self.find_by_id(index, text)?;
            self.remove_image(index, &entry, force, &used)
        })
    }

    fn remove_name(
        &self,
        index: &mut Index,
        name: &Reference,
        entry: &Descriptor,
        force: bool,
        used: &[(String, Digest)],
    ) -> Result<Vec<Removed>> {
        let last = index.manifests.iter().filter(|e| e.digest == entry.digest).count() == 1;
        let users = users_of(used, &self.manifests_of(entry));
        if last && !users.is_empty() && !force {
            return Err(StoreError::InUse { id: self.id_for_report(entry), users });
        }
        let keep = last && !users.is_empty();
        names::remove(index, name, keep);
        let mut removed = vec![Removed::Untagged(name.clone())];
        if last && !keep {
            removed.push(Removed::Deleted(self.id_for_report(entry)));
        }
        Ok(removed)
    }

    /// An image may be listed by several manifests, which differ in the form of the layers only.
    fn remove_image(
        &self,
        index: &mut Index,
        entry: &Descriptor,
        force: bool,
        used: &[(String, Digest)],
    ) -> Result<Vec<Removed>> {
        let id = self.id_for_report(entry);
        let is_of_image = |entry: &&Descriptor| self.id_for_report(entry) == id;
        let entries: Vec<_> = index.manifests.iter().filter(is_of_image).cloned().collect();
        let names: Vec<Reference> = entries.iter().filter_map(names::name_of).collect();
        let repositories: BTreeSet<String> = names.iter().map(Reference::name).collect();
        if repositories.len() > 1 && !force {
            let names = names.iter().map(Reference::familiar).collect();
            return Err(StoreError::SeveralNames { id, names });
        }
        let users: Vec<_> =
            entries.iter().flat_map(|entry| users_of(used, &self.manifests_of(entry))).collect();
        if !users.is_empty() && !force {
            return Err(StoreError::InUse { id, users });
        }
        let mut removed: Vec<_> = names.iter().cloned().map(Removed::Untagged).collect();
        names.iter().for_each(|name| names::remove(index, name, true));
        if users.is_empty() {
            entries.iter().for_each(|entry| names::remove_manifest(index, &entry.digest));
            removed.push(Removed::Deleted(id));
        }
        Ok(removed)
    }

    /// An image that is damaged can be removed too; then its manifest's digest stands for its ID.
    pub(crate) fn id_for_report(&self, entry: &Descriptor) -> Digest {
        self.id_of(entry).unwrap_or(entry.digest)
    }

    /// Lease and blob, for all blobs of named leases: a container's lease holds its image's manifest.
    fn manifests_in_use(&self) -> Result<Vec<(String, Digest)>> {
        let mut used = Vec::new();
        for (name, held) in lease::named(&self.sub("leases"))? {
            used.extend(held.into_iter().filter_map(|held| match held {
                Held::Blob(digest) => Some((name.clone(), digest)),
                Held::Snapshot(_) => None,
            }));
        }
        Ok(used)
    }
}

fn users_of(used: &[(String, Digest)], manifests: &HashSet<Held>) -> Vec<String> {
    let of_image = used.iter().filter(|(_, digest)| manifests.contains(&Held::Blob(*digest)));
    of_image.map(|(name, _)| name.clone()).collect()
}
