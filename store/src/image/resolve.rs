//! From a name or an ID to an [`Image`].
use super::select::{MAX_NESTING, choose, nested_too_deep};
use super::{Image, check_plain_layer, names};
use crate::config::ImageConfig;
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::{Result, StoreError};
use crate::lease::Held;
use crate::manifest::{Index, Manifest};
use crate::media_type;
use crate::open::Store;
use crate::platform::Platform;
use crate::reference::Reference;

impl Store {
    /// The image that `text` means on this machine: a name, an ID or the beginning of one. It is held.
    pub fn resolve(&self, text: &str) -> Result<Image> {
        self.resolve_for(text, &Platform::host())
    }

    /// As [`Store::resolve`], for another platform.
    pub fn resolve_for(&self, text: &str, platform: &Platform) -> Result<Image> {
        self.look_up(|index| {
            if let Ok(name) = text.parse::<Reference>()
                && let Some(entry) = find_by_name(index, &name)
            {
                return self.load_image(Some(name), entry, platform);
            }
            let entry = self.find_by_id(index, text)?;
            self.load_image(None, &entry, platform)
        })
    }

    /// Finds an image and holds it. Readers take no lock: another process may remove the image between its
    /// being found and its being held. Then it is looked for again, in the list as it is by then.
    fn look_up(&self, look: impl Fn(&Index) -> Result<Image>) -> Result<Image> {
        let mut index = self.read_index()?;
        loop {
            let found = look(&index);
            let complete = match &found {
                Ok(image) => self.hold_image(image)?,
                // Of an image that is going, the platforms go one by one.
                Err(StoreError::BlobMissing { .. } | StoreError::NoPlatform { .. }) => false,
                Err(_) => true,
            };
            let now = if complete { index.clone() } else { self.read_index()? };
            if now == index {
                // An incomplete image is a damaged one: whoever reads what is missing says so.
                return found;
            }
            index = now;
        }
    }

    /// What `text` (as for [`Store::resolve`]) leads to as it is listed: a manifest, or the index of an image for
    /// several platforms. All of it that is here is held.
    pub fn listed(&self, text: &str) -> Result<(Option<Reference>, Descriptor)> {
        let mut index = self.read_index()?;
        loop {
            let found = self.find_listed(&index, text);
            if let Ok((_, entry)) = &found {
                for held in self.led_to(entry, MAX_NESTING)? {
                    self.hold(held)?;
                }
            }
            let now = self.read_index()?;
            if now == index {
                return found;
            }
            index = now;
        }
    }

    fn find_listed(&self, index: &Index, text: &str) -> Result<(Option<Reference>, Descriptor)> {
        if let Ok(name) = text.parse::<Reference>()
            && let Some(entry) = find_by_name(index, &name)
        {
            return Ok((Some(name), entry.clone()));
        }
        Ok((None, self.find_by_id(index, text)?))
    }

    /// The image of that name for this machine, if there is one.
    pub fn image(&self, name: &Reference) -> Result<Option<Image>> {
        let found = self.look_up(|index| match find_by_name(index, name) {
            Some(entry) => self.load_image(Some(name.clone()), entry, &Platform::host()),
            None => Err(StoreError::ImageNotFound { name: name.to_string() }),
        });
        match found {
            Err(StoreError::ImageNotFound { .. }) => Ok(None),
            found => found.map(Some),
        }
    }

    /// Holds all blobs of an image. False if some are missing.
    pub fn hold_image(&self, image: &Image) -> Result<bool> {
        let mut complete = true;
        for blob in image.blobs() {
            complete &= self.hold(Held::Blob(blob.digest))?;
        }
        Ok(complete)
    }

    pub(crate) fn first_missing(&self, image: &Image) -> StoreError {
        let missing = image.blobs().find(|blob| !self.has_blob(&blob.digest));
        let digest = missing.map_or(image.descriptor.digest, |blob| blob.digest);
        StoreError::BlobMissing { digest }
    }

    /// Reads and checks the documents of the image that `descriptor` leads to.
    pub(crate) fn load_image(
        &self,
        reference: Option<Reference>,
        descriptor: &Descriptor,
        platform: &Platform,
    ) -> Result<Image> {
        let descriptor = self.choose_platform(descriptor, platform)?;
        let manifest = self.read_manifest(&descriptor)?;
        let config = self.read_config(&manifest)?;
        Ok(Image { reference, descriptor, manifest, config })
    }

    pub(crate) fn read_manifest(&self, descriptor: &Descriptor) -> Result<Manifest> {
        let digest = descriptor.digest;
        let manifest: Manifest = self.read_json("manifest", &digest)?;
        if manifest.schema_version != 2 {
            let version = manifest.schema_version;
            return Err(StoreError::DocumentVersion { what: "manifest", digest, version });
        }
        Ok(manifest)
    }

    /// The configuration of a manifest, which must describe as many layers and the plain ones among them.
    pub(crate) fn read_config(&self, manifest: &Manifest) -> Result<ImageConfig> {
        let config: ImageConfig = self.read_json("image configuration", &manifest.config.digest)?;
        let (layers, diff_ids) = (manifest.layers.len(), config.rootfs.diff_ids.len());
        if layers != diff_ids {
            let manifest = Digest::of(&manifest.to_bytes());
            return Err(StoreError::LayerCount { manifest, layers, diff_ids });
        }
        let mut pairs = manifest.layers.iter().zip(&config.rootfs.diff_ids);
        pairs.try_for_each(|(layer, diff_id)| check_plain_layer(layer, *diff_id))?;
        Ok(config)
    }

    /// The descriptor of the one manifest for `platform` that `descriptor` is or leads to.
    pub(crate) fn choose_platform(
        &self,
        descriptor: &Descriptor,
        platform: &Platform,
    ) -> Result<Descriptor> {
        let mut current = descriptor.clone();
        for _ in 0..MAX_NESTING {
            if !self.is_index(&current)? {
                return Ok(current);
            }
            let index: Index = self.read_json("image index", &current.digest)?;
            current = choose(&self.present(index), platform, descriptor.digest)?;
        }
        Err(nested_too_deep(&current))
    }

    /// An index came with some of its platforms only: the images that are here. If none is, something is lost.
    fn present(&self, mut index: Index) -> Index {
        if index.manifests.iter().any(|entry| self.has_blob(&entry.digest)) {
            index.manifests.retain(|entry| self.has_blob(&entry.digest));
        }
        index
    }

    fn is_index(&self, descriptor: &Descriptor) -> Result<bool> {
        if !descriptor.media_type.is_empty() {
            return Ok(media_type::is_index(&descriptor.media_type));
        }
        let document: serde_json::Value = self.read_json("manifest", &descriptor.digest)?;
        Ok(document.get("manifests").is_some())
    }

    pub(crate) fn read_json<T: serde::de::DeserializeOwned>(
        &self,
        what: &'static str,
        digest: &Digest,
    ) -> Result<T> {
        let bytes = self.read_document(what, digest)?;
        serde_json::from_slice(&bytes).map_err(|source| StoreError::BlobDocument {
            what,
            digest: *digest,
            source,
        })
    }

    /// The entry whose image ID (or manifest digest) begins with `text`.
    pub(crate) fn find_by_id(&self, index: &Index, text: &str) -> Result<Descriptor> {
        let not_found = || StoreError::ImageNotFound { name: text.to_owned() };
        let prefix = text.strip_prefix("sha256:").unwrap_or(text);
        let is_hex = |b: u8| b.is_ascii_digit() || matches!(b, b'a'..=b'f');
        if prefix.is_empty() || prefix.len() > 64 || !prefix.bytes().all(is_hex) {
            return Err(not_found());
        }
        let mut found: Vec<(Digest, &Descriptor)> = Vec::new();
        for entry in &index.manifests {
            // An image that cannot be read is no reason not to find another.
            let Ok(id) = self.id_of(entry) else { continue };
            let matches = id.hex().starts_with(prefix) || entry.digest.hex().starts_with(prefix);
            if matches && found.iter().all(|(other, _)| *other != id) {
                found.push((id, entry));
            }
        }
        match found.as_slice() {
            [] => Err(not_found()),
            [(_, entry)] => Ok((*entry).clone()),
            several => Err(StoreError::AmbiguousId {
                prefix: text.to_owned(),
                candidates: several.iter().map(|(id, _)| *id).collect(),
            }),
        }
    }

    /// The ID of the image that an entry of the index stands for ([`Store::load_listed`]).
    pub(crate) fn id_of(&self, entry: &Descriptor) -> Result<Digest> {
        let manifest = self.listed_manifest(entry)?;
        Ok(self.read_manifest(&manifest)?.config.digest)
    }

    /// The image that an entry of the index stands for in lists: the one for this machine, or the first if it
    /// has none.
    pub(crate) fn load_listed(&self, entry: &Descriptor) -> Result<Image> {
        let descriptor = self.listed_manifest(entry)?;
        self.load_image(None, &descriptor, &Platform::host())
    }

    fn listed_manifest(&self, entry: &Descriptor) -> Result<Descriptor> {
        match self.choose_platform(entry, &Platform::host()) {
            Err(StoreError::NoPlatform { offered, .. }) if !offered.is_empty() => {
                self.choose_platform(entry, &offered[0])
            }
            chosen => chosen,
        }
    }
}

/// By name and tag; where the name has a digest, by name and manifest digest.
pub(super) fn find_by_name<'a>(index: &'a Index, name: &Reference) -> Option<&'a Descriptor> {
    let Some(digest) = name.digest() else { return names::find(index, name) };
    let same_name = |entry: &Descriptor| {
        names::name_of(entry).is_some_and(|entry_name| {
            entry_name.name() == name.name()
                && name.tag().is_none_or(|tag| entry_name.tag().is_none_or(|own| own == tag))
        })
    };
    let by_digest = |entry: &&Descriptor| entry.digest == digest && same_name(entry);
    names::find(index, name).or_else(|| index.manifests.iter().find(by_digest))
}
