//! `images/index.json`: which names lead to which manifest.
//!
//! Each name is an entry of its own: `io.containerd.image.name` has the canonical name,
//! `org.opencontainers.image.ref.name` the familiar one, by which other tools find it in the layout. A
//! manifest without a name keeps one entry without these annotations. Entries written by other tools are
//! understood by their `ref.name` and kept.
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

/// Makes `names` lead to the manifest `target`. A manifest that loses its last name stays without one.
pub(crate) fn assign(index: &mut Index, target: &Descriptor, names: &[Reference]) {
    for name in names {
        remove(index, name, true);
        index.manifests.push(entry(target, Some(name)));
    }
    let is_target = |entry: &Descriptor| entry.digest == target.digest;
    let named = index.manifests.iter().any(|e| is_target(e) && name_of(e).is_some());
    let present = index.manifests.iter().any(is_target);
    if named {
        index.manifests.retain(|entry| !is_target(entry) || name_of(entry).is_some());
    } else if !present {
        index.manifests.push(entry(target, None));
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

fn entry(target: &Descriptor, name: Option<&Reference>) -> Descriptor {
    let mut entry = target.clone();
    unname(&mut entry);
    if let Some(name) = name {
        entry.annotations.insert(IMAGE_NAME.to_owned(), name.to_string());
        entry.annotations.insert(REF_NAME.to_owned(), name.familiar());
    }
    entry
}
