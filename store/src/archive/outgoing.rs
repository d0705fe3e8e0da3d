//! What an image becomes on its way out: its own documents where nothing has to change, else new ones.
//!
//! A manifest is written anew only when a layer changes its form, an index only when a manifest it lists was. Of an
//! index goes what is here; that it lists images that are not is how it came.
use crate::descriptor::Descriptor;
use crate::error::{Result, StoreError};
use crate::image::select::{MAX_NESTING, is_attestation, nested_too_deep};
use crate::image::{Image, describes_image};
use crate::lease::Held;
use crate::manifest::{Index, Manifest};
use crate::open::Store;
use crate::platform::Platform;

use super::FormOptions;

/// An image, or one for several platforms, ready to be written.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// The manifest or index.
    pub(crate) descriptor: Descriptor,
    /// Everything to be written, what is referred to before what refers to it.
    pub(crate) blobs: Vec<Descriptor>,
    pub(crate) images: Vec<Image>,
}

impl Outgoing {
    /// The image for this machine, else the first: for readers that know one platform only.
    pub(super) fn preferred(&self) -> Option<&Image> {
        let host = Platform::host();
        let runs = |image: &&Image| image.platform().runs_on(&host);
        self.images.iter().find(runs).or(self.images.first())
    }
}

impl Store {
    /// Follows `target` and holds everything it leads to.
    pub(crate) fn outgoing(&self, target: &Descriptor, options: FormOptions) -> Result<Outgoing> {
        let outgoing = self.follow(target, options, MAX_NESTING)?;
        if outgoing.images.is_empty() {
            return Err(StoreError::BlobMissing { digest: target.digest });
        }
        for blob in &outgoing.blobs {
            self.check_held(blob)?;
        }
        Ok(outgoing)
    }

    /// The manifest or index that [`Store::save`] would write of `target`; its blobs are in the store and held.
    pub fn with_form(&self, target: &Descriptor, options: FormOptions) -> Result<Descriptor> {
        Ok(self.outgoing(target, options)?.descriptor)
    }

    /// Of an image for several platforms, the manifest for this one.
    pub fn for_platform(&self, target: &Descriptor, platform: &Platform) -> Result<Descriptor> {
        Ok(self.load_image(None, target, platform)?.descriptor)
    }

    /// Whether every manifest that an index lists is here, at any depth.
    pub(crate) fn has_all_manifests(&self, target: &Descriptor) -> Result<bool> {
        self.has_all(target, MAX_NESTING)
    }

    fn has_all(&self, target: &Descriptor, depth: usize) -> Result<bool> {
        if !self.has_blob(&target.digest) {
            return Ok(false);
        }
        let document: serde_json::Value = self.read_json("manifest", &target.digest)?;
        if document.get("manifests").is_none() {
            return Ok(true);
        }
        let depth = depth.checked_sub(1).ok_or_else(|| nested_too_deep(target))?;
        let index: Index = self.read_json("image index", &target.digest)?;
        for entry in &index.manifests {
            if !self.has_all(entry, depth)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn check_held(&self, blob: &Descriptor) -> Result<()> {
        if !self.hold(Held::Blob(blob.digest))? {
            return Err(StoreError::BlobMissing { digest: blob.digest });
        }
        let (digest, expected, actual) = (blob.digest, blob.size, self.blob_size(&blob.digest)?);
        match actual == expected {
            true => Ok(()),
            false => Err(StoreError::BlobSize { digest, expected, actual }),
        }
    }

    fn follow(&self, target: &Descriptor, options: FormOptions, depth: usize) -> Result<Outgoing> {
        let document: serde_json::Value = self.read_json("manifest", &target.digest)?;
        if document.get("manifests").is_some() {
            let depth = depth.checked_sub(1).ok_or_else(|| nested_too_deep(target))?;
            return self.follow_index(target, options, depth);
        }
        let manifest = self.read_manifest(target)?;
        if is_attestation(target) || !describes_image(&manifest) {
            return Ok(as_it_is(target, &manifest));
        }
        let config = self.read_config(&manifest)?;
        let image = Image { reference: None, descriptor: target.clone(), manifest, config };
        if !self.hold_image(&image)? {
            return Err(self.first_missing(&image));
        }
        let image = self.with_layer_form(&image, options)?;
        let blobs = image.blobs().cloned().collect();
        Ok(Outgoing { descriptor: image.descriptor.clone(), blobs, images: vec![image] })
    }

    fn follow_index(
        &self,
        target: &Descriptor,
        options: FormOptions,
        depth: usize,
    ) -> Result<Outgoing> {
        let mut index: Index = self.read_json("image index", &target.digest)?;
        let (mut blobs, mut images, mut changed) = (Vec::new(), Vec::new(), false);
        for entry in &mut index.manifests {
            if !self.hold(Held::Blob(entry.digest))? {
                continue;
            }
            let nested = self.follow(entry, options, depth)?;
            let Descriptor { digest, size, .. } = nested.descriptor;
            changed |= digest != entry.digest;
            (entry.digest, entry.size) = (digest, size);
            blobs.extend(nested.blobs);
            images.extend(nested.images);
        }
        let mut descriptor = target.clone();
        if changed {
            let info = self.put_bytes(&index.to_bytes())?;
            (descriptor.digest, descriptor.size) = (info.digest, info.size);
        }
        blobs.push(descriptor.clone());
        Ok(Outgoing { descriptor, blobs, images })
    }
}

/// What is listed beside images (provenance, signatures) goes along untouched.
fn as_it_is(target: &Descriptor, manifest: &Manifest) -> Outgoing {
    let blobs = manifest.layers.iter().chain([&manifest.config, target]).cloned().collect();
    Outgoing { descriptor: target.clone(), blobs, images: Vec::new() }
}
