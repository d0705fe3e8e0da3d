//! New images, from a configuration and layers that are stored already.
use std::collections::BTreeMap;

use super::{Image, check_plain_layer, names};
use crate::archive::{FormOptions, LayerForm};
use crate::config::ImageConfig;
use crate::descriptor::Descriptor;
use crate::error::{Result, StoreError};
use crate::lease::Held;
use crate::manifest::{Index, Manifest};
use crate::media_type;
use crate::open::Store;
use crate::reference::Reference;

/// What [`Store::put_image`] makes an image of.
#[derive(Clone, Debug)]
pub struct NewImage<'a> {
    pub config: &'a ImageConfig,
    /// Bottom first, as many as `config.rootfs.diff_ids`; each a blob of the store.
    pub layers: &'a [Descriptor],
    /// Annotations of the manifest.
    pub annotations: &'a BTreeMap<String, String>,
    pub names: &'a [Reference],
}

impl Store {
    /// Writes configuration and manifest, makes everything durable and then gives the image its names, all
    /// at once. An image without names is listed as such until it is removed.
    pub fn put_image(&self, new: &NewImage<'_>) -> Result<Image> {
        let image = self.write_image(new)?;
        self.add_names(&image.descriptor, new.names)?;
        Ok(Image { reference: new.names.first().cloned(), ..image })
    }

    /// As [`Store::put_image`], for one image that exists for several platforms: `names` lead to the index of
    /// them, whose descriptor is returned. The names of each are not used.
    pub fn put_images(
        &self,
        images: &[NewImage<'_>],
        names: &[Reference],
    ) -> Result<(Descriptor, Vec<Image>)> {
        let images: Vec<Image> =
            images.iter().map(|new| self.write_image(new)).collect::<Result<_>>()?;
        let descriptor = self.put_index(&images)?;
        self.add_names(&descriptor, names)?;
        let reference = names.first().cloned();
        let named = |image| Image { reference: reference.clone(), ..image };
        Ok((descriptor, images.into_iter().map(named).collect()))
    }

    /// Writes the index of images for several platforms; nothing leads to it yet.
    pub fn put_index(&self, images: &[Image]) -> Result<Descriptor> {
        let index = Index::new(images.iter().map(|image| image.descriptor.clone()).collect());
        let bytes = index.to_bytes();
        self.put_bytes(&bytes)?;
        Ok(Descriptor::of(media_type::IMAGE_INDEX, &bytes))
    }

    /// Writes an image that nothing leads to yet.
    pub fn write_image(&self, new: &NewImage<'_>) -> Result<Image> {
        let config_bytes = new.config.to_bytes();
        let config = Descriptor::of(media_type::IMAGE_CONFIG, &config_bytes);
        let mut manifest = Manifest::new(config, new.layers.to_vec());
        manifest.annotations = new.annotations.clone();
        let manifest_bytes = manifest.to_bytes();
        let mut descriptor = Descriptor::of(media_type::IMAGE_MANIFEST, &manifest_bytes);
        descriptor.platform = Some(new.config.platform());
        let (layers, diff_ids) = (new.layers.len(), new.config.rootfs.diff_ids.len());
        if layers != diff_ids {
            let manifest = descriptor.digest;
            return Err(StoreError::LayerCount { manifest, layers, diff_ids });
        }
        for (layer, diff_id) in new.layers.iter().zip(&new.config.rootfs.diff_ids) {
            check_plain_layer(layer, *diff_id)?;
            if !self.hold(Held::Blob(layer.digest))? {
                return Err(StoreError::BlobMissing { digest: layer.digest });
            }
        }
        self.put_bytes(&config_bytes)?;
        self.put_bytes(&manifest_bytes)?;
        Ok(Image { reference: None, descriptor, manifest, config: new.config.clone() })
    }

    /// One more name for the image that `source` (a name or an ID) means, with all its platforms.
    pub fn tag(&self, source: &str, name: &Reference) -> Result<()> {
        let (_, target) = self.listed(source)?;
        // Reads and holds everything; no layer changes.
        let as_it_is = FormOptions { form: LayerForm::Plain, force: false };
        let target = self.with_form(&target, as_it_is)?;
        self.add_names(&target, std::slice::from_ref(name))
    }

    /// Makes what is stored durable and lets `names` lead to the manifest or index. Its blobs must be held.
    pub fn add_names(&self, manifest: &Descriptor, names: &[Reference]) -> Result<()> {
        if let Some(name) = names.iter().find(|name| name.digest().is_some()) {
            return Err(StoreError::NameWithDigest { name: name.familiar() });
        }
        self.sync_for_names()?;
        let manifest = Descriptor { annotations: BTreeMap::new(), ..manifest.clone() };
        self.update_index(|index| {
            names::assign(index, &[(&manifest, names)]);
            Ok(())
        })?;
        self.mark_listed(&manifest);
        Ok(())
    }
}
