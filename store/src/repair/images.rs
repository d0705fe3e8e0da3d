//! The list of images: entries that are wrong are corrected, images that are lost leave it.
use std::collections::HashSet;
use std::io::ErrorKind::NotFound;

use super::aside::Aside;
use super::{LostImage, Remedy, Repairs};
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::{Result, StoreError, is_of_the_disk};
use crate::image::names;
use crate::image::select::MAX_NESTING;
use crate::lock::LockName;
use crate::manifest::{Index, Manifest};
use crate::media_type;
use crate::open::Store;
use crate::reference::Reference;

/// What an entry leads to.
#[derive(Debug, Default)]
struct Parts {
    there: Vec<Digest>,
    missing: Vec<Digest>,
}

impl Store {
    /// A list that cannot be read becomes one of all manifests there are, without their names: in one step, because what
    /// is not listed is collected.
    pub(super) fn repair_index(&self, aside: &mut Aside, repairs: &mut Repairs) -> Result<()> {
        // Another one who repairs must not be overwritten.
        let _lock = self.lock_exclusive(LockName::Index)?;
        let (path, remedy) = match self.read_index() {
            Err(StoreError::Document { path, .. }) => {
                let to = aside.keep_copy(&path)?;
                (path, Remedy::SetAside { to })
            }
            Err(StoreError::Io { path, source, .. }) if source.kind() == NotFound => {
                let from = "the manifests there are".to_owned();
                (path, Remedy::Rebuilt { from })
            }
            read => return read.map(drop),
        };
        repairs.note("images/index.json", remedy);
        let mut index = Index::new(Vec::new());
        // What is incomplete may yet be mended, and is told to be lost otherwise.
        self.list_orphans(&mut index, false, repairs)?;
        self.replace_file_durably(&path, &index.to_bytes())
    }

    pub(super) fn repair_images(&self, aside: &mut Aside, repairs: &mut Repairs) -> Result<()> {
        self.update_index(|index| {
            name_both_ways(index, repairs);
            for entry in &mut index.manifests {
                self.correct(entry, repairs)?;
            }
            let mut seen = HashSet::new();
            for entry in &mut index.manifests {
                if names::name_of(entry).is_some_and(|name| !seen.insert(name)) {
                    repairs.note(&title(entry), Remedy::Unnamed);
                    names::unname(entry);
                }
            }
            let (mut whole, mut strayed) = (Vec::new(), false);
            for entry in std::mem::take(&mut index.manifests) {
                let parts = self.parts(&entry)?;
                if parts.missing.is_empty() {
                    whole.push(entry);
                    continue;
                }
                // Set aside before it leaves the list: killed in between, it is in both.
                let aside = aside.add(std::slice::from_ref(&entry), &parts.there)?;
                strayed |= !self.has_blob(&entry.digest);
                let names = vec![title(&entry)];
                repairs.lost.push(LostImage { names, missing: parts.missing, aside });
            }
            index.manifests = whole;
            // An entry that lost its way left a manifest behind that nothing leads to.
            if strayed {
                self.list_orphans(index, true, repairs)?;
            }
            Ok(())
        })
    }

    /// Size and type as the manifest has them; its digest says that it is the one.
    fn correct(&self, entry: &mut Descriptor, repairs: &mut Repairs) -> Result<()> {
        let Some(bytes) = unless_damaged(self.read_document("manifest", &entry.digest))? else {
            return Ok(());
        };
        let before = entry.clone();
        entry.size = bytes.len() as u64;
        let document: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
        let actual = document.as_ref().and_then(|document| document.get("mediaType")?.as_str());
        if let Some(actual) = actual {
            entry.media_type = actual.to_owned();
        }
        let canonical = entry.annotations.get(names::IMAGE_NAME);
        if canonical.is_some_and(|text| text.parse::<Reference>().is_err()) {
            entry.annotations.remove(names::IMAGE_NAME);
        }
        if let Some(name) = entry.annotations.get(names::IMAGE_NAME).and(names::name_of(entry)) {
            entry.annotations.insert(names::REF_NAME.to_owned(), name.familiar());
        }
        if *entry != before {
            repairs.note(&title(&before), Remedy::Corrected);
        }
        Ok(())
    }

    /// Lists the images whose manifests nothing leads to, all or those of which nothing is missing.
    fn list_orphans(&self, index: &mut Index, whole: bool, repairs: &mut Repairs) -> Result<()> {
        let mut led_to = HashSet::new();
        for entry in &index.manifests {
            led_to.extend(self.parts(entry)?.there);
        }
        let (mut indexes, mut manifests) = (Vec::new(), Vec::new());
        for blob in self.blobs()?.into_iter().filter(|blob| !led_to.contains(blob)) {
            match self.as_entry(&blob)? {
                Some(entry) if media_type::is_index(&entry.media_type) => indexes.push(entry),
                Some(entry) => manifests.push(entry),
                None => {}
            }
        }
        // An index first: what it leads to needs no entry of its own.
        for entry in indexes.into_iter().chain(manifests) {
            let parts = self.parts(&entry)?;
            if led_to.contains(&entry.digest) || (whole && !parts.missing.is_empty()) {
                continue;
            }
            led_to.extend(parts.there);
            repairs.note(&title(&entry), Remedy::Unnamed);
            index.manifests.push(entry);
        }
        Ok(())
    }

    /// A blob that is a manifest, or an index, as an entry of the list.
    fn as_entry(&self, blob: &Digest) -> Result<Option<Descriptor>> {
        let Some(bytes) = unless_damaged(self.read_document("manifest", blob))? else {
            return Ok(None);
        };
        let document = serde_json::from_slice::<serde_json::Value>(&bytes);
        if document.is_ok_and(|document| document.get("manifests").is_some()) {
            let is_index = serde_json::from_slice::<Index>(&bytes).is_ok();
            return Ok(is_index.then(|| Descriptor::of(media_type::IMAGE_INDEX, &bytes)));
        }
        let Ok(manifest) = serde_json::from_slice::<Manifest>(&bytes) else { return Ok(None) };
        let kind = manifest.media_type.unwrap_or_else(|| media_type::IMAGE_MANIFEST.to_owned());
        Ok(Some(Descriptor::of(kind, &bytes)))
    }

    /// Whether `object` is a blob that no image is made of: a form of a layer, or the cache's.
    pub(super) fn is_nobodys(&self, object: &str) -> Result<bool> {
        let blob = object.strip_prefix("images/blobs/sha256/").map(Digest::from_hex);
        let (Some(Ok(blob)), Ok(index)) = (blob, self.read_index()) else { return Ok(false) };
        for entry in &index.manifests {
            let parts = self.parts(entry)?;
            // Whose manifest cannot be read may be made of anything.
            let readable = !parts.missing.contains(&entry.digest);
            if !readable || parts.there.contains(&blob) || parts.missing.contains(&blob) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn parts(&self, entry: &Descriptor) -> Result<Parts> {
        let mut parts = Parts::default();
        self.collect_parts(entry, &mut parts, MAX_NESTING)?;
        Ok(parts)
    }

    fn collect_parts(&self, entry: &Descriptor, parts: &mut Parts, depth: usize) -> Result<()> {
        let index = unless_damaged(self.read_json::<Index>("image index", &entry.digest))?;
        let is_index = media_type::is_index(&entry.media_type);
        let manifest = unless_damaged(self.read_manifest(entry))?.filter(|_| !is_index);
        match (index, manifest) {
            (Some(index), _) if is_index && depth > 0 => {
                parts.there.push(entry.digest);
                // An index may have come with some of its platforms only.
                for nested in index.manifests.iter().filter(|e| self.has_blob(&e.digest)) {
                    self.collect_parts(nested, parts, depth - 1)?;
                }
                if parts.there.len() == 1 && !index.manifests.is_empty() {
                    parts.missing.extend(index.manifests.iter().map(|nested| nested.digest));
                }
            }
            (_, Some(manifest)) => {
                parts.there.push(entry.digest);
                for part in manifest.layers.iter().chain([&manifest.config]) {
                    let size = unless_damaged(self.blob_size(&part.digest))?;
                    let whole = size == Some(part.size);
                    if whole { &mut parts.there } else { &mut parts.missing }.push(part.digest);
                }
            }
            _ => parts.missing.push(entry.digest),
        }
        Ok(())
    }
}

/// None for what is damaged or gone. What could not be looked at, for want of descriptors or memory, say, may be sound: no
/// image is lost for it.
fn unless_damaged<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Err(StoreError::Io { source, .. })
            if source.kind() == NotFound || is_of_the_disk(&source) =>
        {
            Ok(None)
        }
        Err(error @ StoreError::Io { .. }) => Err(error),
        read => Ok(read.ok()),
    }
}

/// Of two names that should be one, which is the damaged one nobody knows: the image gets both.
fn name_both_ways(index: &mut Index, repairs: &mut Repairs) {
    for entry in index.manifests.clone() {
        let Some((_, Some(other))) = names::contradiction(&entry) else { continue };
        if names::find(index, &other).is_none() {
            let also = other.familiar();
            repairs.note(&title(&entry), Remedy::Named { also });
            index.manifests.push(names::entry(&entry, Some(&other)));
        }
    }
}

fn title(entry: &Descriptor) -> String {
    names::name_of(entry).map_or_else(|| entry.digest.to_string(), |name| name.familiar())
}
