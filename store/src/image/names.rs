//! `images/index.json`: which names lead to which manifest.
//!
//! Each name is an entry of its own: `io.containerd.image.name` has the canonical name,
//! `org.opencontainers.image.ref.name` the familiar one, by which other tools find it in the layout. A
//! manifest without a name keeps one entry without these annotations. Entries written by other tools are
//! understood by their `ref.name` and kept.
use std::collections::{HashMap, HashSet};
use std::fs;

use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::{Result, StoreError, io_error};
use crate::lock::LockName;
use crate::manifest::Index;
use crate::open::Store;
use crate::reference::Reference;

const FIELD: &[u8] = b"\"manifests\"";
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";
pub(crate) const IMAGE_NAME: &str = "io.containerd.image.name";

impl Store {
    pub(crate) fn read_index(&self) -> Result<Index> {
        let path = self.sub("images/index.json");
        let bytes = fs::read(&path).map_err(io_error("read", &path))?;
        let read = serde_json::from_slice(&bytes).and_then(|index: Index| {
            // A list without the field, and not one that is empty: what is not listed will be collected.
            let field = bytes.windows(FIELD.len()).any(|window| window == FIELD);
            if field { Ok(index) } else { Err(serde::de::Error::missing_field("manifests")) }
        });
        read.map_err(|source| StoreError::Document { what: "image index", path, source })
    }

    /// Changes the index in one step. Nothing else changes it meanwhile; readers see the old or the new one.
    pub(crate) fn update_index<T>(
        &self,
        change: impl FnOnce(&mut Index) -> Result<T>,
    ) -> Result<T> {
        // The lease has to exist before the lock is taken; it names the temporary file.
        self.session()?;
        let _lock = self.lock_exclusive(LockName::Index)?;
        let before = self.read_index()?;
        let mut index = before.clone();
        let result = change(&mut index)?;
        if index != before {
            self.replace_file_durably(&self.sub("images/index.json"), &index.to_bytes())?;
        }
        Ok(result)
    }
}

/// The name of an entry, if it has one that we understand.
pub(crate) fn name_of(entry: &Descriptor) -> Option<Reference> {
    let canonical = entry.annotations.get(IMAGE_NAME).and_then(|name| name.parse().ok());
    canonical.or_else(|| entry.annotations.get(REF_NAME).and_then(|name| name.parse().ok()))
}

/// The entry of that name.
pub(crate) fn find<'a>(index: &'a Index, name: &Reference) -> Option<&'a Descriptor> {
    index.manifests.iter().find(|entry| name_of(entry).as_ref() == Some(name))
}

/// Makes names lead to manifests; of several that are given one name, to the last. A manifest that loses its last name
/// stays without one. Every name of the index is read once, however many are given.
pub(crate) fn assign(index: &mut Index, given: &[(&Descriptor, &[Reference])]) {
    let pairs = given.iter().flat_map(|(target, names)| names.iter().map(|name| (name, *target)));
    let mut owners: HashMap<&Reference, &Descriptor> = pairs.clone().collect();
    let entries = std::mem::take(&mut index.manifests).into_iter();
    let (replaced, mut kept): (Vec<_>, Vec<_>) = entries
        .map(|entry| (name_of(&entry), entry))
        .partition(|(name, _)| name.as_ref().is_some_and(|name| owners.contains_key(name)));
    for (name, target) in pairs {
        if owners.get(name).is_some_and(|owner| owner.digest == target.digest) {
            owners.remove(name);
            kept.push((Some(name.clone()), entry(target, Some(name))));
        }
    }
    let targets = || given.iter().map(|(target, _)| *target);
    let with_name: HashSet<Digest> =
        kept.iter().filter(|(name, _)| name.is_some()).map(|(_, entry)| entry.digest).collect();
    let named_now: HashSet<Digest> =
        targets().map(|target| target.digest).filter(|d| with_name.contains(d)).collect();
    kept.retain(|(name, entry)| name.is_some() || !named_now.contains(&entry.digest));
    index.manifests = kept.into_iter().map(|(_, entry)| entry).collect();
    let mut listed: HashSet<Digest> = index.manifests.iter().map(|entry| entry.digest).collect();
    for unnamed in replaced.iter().map(|(_, entry)| entry).chain(targets()) {
        if listed.insert(unnamed.digest) {
            index.manifests.push(entry(unnamed, None));
        }
    }
}

/// Removes a name. With `keep`, the manifest stays without a name if this was its last.
pub(crate) fn remove(index: &mut Index, name: &Reference, keep: bool) {
    let Some(position) =
        index.manifests.iter().position(|entry| name_of(entry).as_ref() == Some(name))
    else {
        return;
    };
    let removed = index.manifests.remove(position);
    let others = index.manifests.iter().any(|entry| entry.digest == removed.digest);
    if keep && !others {
        index.manifests.push(entry(&removed, None));
    }
}

/// Removes every entry of a manifest.
pub(crate) fn remove_manifest(index: &mut Index, digest: &Digest) {
    index.manifests.retain(|entry| entry.digest != *digest);
}

/// Takes the name from an entry.
pub(crate) fn unname(entry: &mut Descriptor) {
    entry.annotations.remove(REF_NAME);
    entry.annotations.remove(IMAGE_NAME);
}

/// The canonical name of an entry of ours whose familiar name is not that one's, and what that is a name for. Other
/// programs write one of the two only.
pub(crate) fn contradiction(entry: &Descriptor) -> Option<(Reference, Option<Reference>)> {
    let name: Reference = entry.annotations.get(IMAGE_NAME)?.parse().ok()?;
    let familiar = entry.annotations.get(REF_NAME);
    if familiar.is_some_and(|text| *text == name.familiar()) {
        return None;
    }
    let other = familiar.and_then(|text| text.parse().ok()).filter(|other| *other != name);
    Some((name, other))
}

pub(crate) fn entry(target: &Descriptor, name: Option<&Reference>) -> Descriptor {
    let mut entry = target.clone();
    unname(&mut entry);
    if let Some(name) = name {
        entry.annotations.insert(IMAGE_NAME.to_owned(), name.to_string());
        entry.annotations.insert(REF_NAME.to_owned(), name.familiar());
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(content: &str) -> Descriptor {
        Descriptor::of(crate::media_type::IMAGE_MANIFEST, content.as_bytes())
    }

    fn lines(index: &Index) -> Vec<(Digest, Option<String>)> {
        let name = |entry| name_of(entry).map(|name| name.familiar());
        index.manifests.iter().map(|entry| (entry.digest, name(entry))).collect()
    }

    /// As if they were given one after the other.
    #[test]
    fn many_names_are_given_at_once() {
        let references =
            |names: &[&str]| names.iter().map(|n| n.parse().unwrap()).collect::<Vec<Reference>>();
        let (a, b, c) = (manifest("a"), manifest("b"), manifest("c"));
        let given: [&[(&Descriptor, &[&str])]; 4] = [
            &[(&a, &["x:1", "y:1"]), (&b, &[])],
            &[(&b, &["x:1", "x:1"]), (&c, &["z:1"])],
            &[(&a, &["z:1"]), (&b, &["z:1", "w:1"]), (&c, &["y:1"])],
            &[(&a, &["x:1", "w:1", "z:1", "y:1"]), (&c, &[]), (&a, &["x:1"])],
        ];
        let (mut at_once, mut one_by_one) = (Index::new(Vec::new()), Index::new(Vec::new()));
        for step in given {
            let step: Vec<_> = step.iter().map(|(t, names)| (*t, references(names))).collect();
            let given: Vec<_> = step.iter().map(|(t, names)| (*t, names.as_slice())).collect();
            assign(&mut at_once, &given);
            for (target, names) in given {
                assign(&mut one_by_one, &[(target, &[])]);
                for name in names {
                    assign(&mut one_by_one, &[(target, std::slice::from_ref(name))]);
                }
            }
            let (mut left, mut right) = (lines(&at_once), lines(&one_by_one));
            left.sort();
            right.sort();
            assert_eq!(left, right);
        }
        let name = |name: &str| Some(name.to_owned());
        let expected = ["x:1", "w:1", "z:1", "y:1"].map(|text| (a.digest, name(text)));
        let lines = lines(&at_once);
        assert_eq!(lines.len(), 6);
        assert!(expected.iter().all(|line| lines.contains(line)));
        assert!(lines.contains(&(b.digest, None)) && lines.contains(&(c.digest, None)));
    }
}
