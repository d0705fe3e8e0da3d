//! Images: every entry leads to what it says, in the sizes it says, and the layers unpack to their diff IDs.
use std::collections::{HashMap, HashSet};
use std::io;

use super::{ProblemKind, Report};
use crate::descriptor::Descriptor;
use crate::digest::{DiffId, Digest, HashingReader};
use crate::error::{Result, StoreError};
use crate::image::select::MAX_NESTING;
use crate::image::{describes_image, names, select};
use crate::layer::LayerError;
use crate::manifest::Index;
use crate::media_type;
use crate::open::Store;
use crate::reference::Reference;

impl Store {
    pub(super) fn check_images(&self, report: &mut Report) -> Result<()> {
        let index = match self.read_index() {
            Ok(index) => index,
            Err(error) => {
                report.check::<()>("images/index.json", Err(error));
                return Ok(());
            }
        };
        let mut names_seen = HashSet::new();
        let mut diff_ids = HashMap::new();
        for entry in &index.manifests {
            let name = names::name_of(entry);
            let object = match &name {
                Some(name) => format!("image {}", name.familiar()),
                None => format!("image {}", entry.digest),
            };
            if name.is_some_and(|name| !names_seen.insert(name)) {
                report.add(&object, ProblemKind::DuplicateName);
            }
            check_name(&object, entry, report);
            self.check_manifest(&object, entry, report, &mut diff_ids, MAX_NESTING);
        }
        Ok(())
    }

    fn check_manifest(
        &self,
        object: &str,
        entry: &Descriptor,
        report: &mut Report,
        diff_ids: &mut HashMap<Digest, DiffId>,
        depth: usize,
    ) {
        if report.check(object, self.check_size(entry)).is_none() {
            return;
        }
        let read = self.read_json::<serde_json::Value>("manifest", &entry.digest);
        let Some(document) = report.check(object, read) else { return };
        let actual = document.get("mediaType").and_then(|text| text.as_str()).unwrap_or_default();
        if !entry.media_type.is_empty() && !actual.is_empty() && entry.media_type != actual {
            let (listed, actual) = (entry.media_type.clone(), actual.to_owned());
            report.add(object, ProblemKind::MediaType { listed, actual });
        }
        if document.get("manifests").is_some() && depth > 0 {
            let index = self.read_json::<Index>("image index", &entry.digest);
            let mut seen = HashSet::new();
            for nested in report.check(object, index).iter().flat_map(|index| &index.manifests) {
                // An index may have come with some of its platforms only.
                if seen.insert(nested.digest) && self.has_blob(&nested.digest) {
                    self.check_manifest(object, nested, report, diff_ids, depth - 1);
                }
            }
            return;
        }
        let Some(manifest) = report.check(object, self.read_manifest(entry)) else { return };
        report.check(object, self.check_size(&manifest.config));
        for layer in &manifest.layers {
            report.check(object, self.check_size(layer));
        }
        // What is listed beside images has blobs, but no layers with diff IDs.
        if select::is_attestation(entry) || !describes_image(&manifest) {
            return;
        }
        let Some(config) = report.check(object, self.read_config(&manifest)) else { return };
        for (layer, expected) in manifest.layers.iter().zip(config.rootfs.diff_ids) {
            if self.has_blob(&layer.digest) {
                report.check(object, self.check_diff_id(layer, expected, diff_ids));
            }
        }
    }

    pub(super) fn check_forms(&self, report: &mut Report) -> Result<()> {
        const DIR: &str = "cache/forms";
        let mut diff_ids = HashMap::new();
        for name in self.file_names(DIR)? {
            let object = format!("{DIR}/{name}");
            let diff_id = name.split('.').next().and_then(|hex| Digest::from_hex(hex).ok());
            let Some(diff_id) = diff_id.map(DiffId) else {
                report.add(object, ProblemKind::StrayName);
                continue;
            };
            let bytes = std::fs::read(self.sub(&object)).unwrap_or_default();
            let form = serde_json::from_slice::<Descriptor>(&bytes).ok().filter(|form| {
                let as_written = serde_json::to_vec(form).is_ok_and(|written| written == bytes);
                as_written && media_type::is_layer(&form.media_type)
            });
            let Some(form) = form else {
                report.add(object, ProblemKind::Record);
                continue;
            };
            // A form that was collected or distrusted is made again.
            if self.has_blob(&form.digest) {
                report.check(&object, self.check_size(&form));
                report.check(&object, self.check_diff_id(&form, diff_id, &mut diff_ids));
            }
        }
        Ok(())
    }

    fn check_size(&self, descriptor: &Descriptor) -> Result<()> {
        let actual = self.blob_size(&descriptor.digest)?;
        let (digest, expected) = (descriptor.digest, descriptor.size);
        if actual == expected {
            return Ok(());
        }
        Err(StoreError::BlobSize { digest, expected, actual })
    }

    /// Layers that images share are read once.
    fn check_diff_id(
        &self,
        layer: &Descriptor,
        expected: DiffId,
        known: &mut HashMap<Digest, DiffId>,
    ) -> Result<()> {
        let digest = layer.digest;
        let actual = match known.get(&digest) {
            Some(actual) => *actual,
            None => {
                let mut reader = HashingReader::new(self.open_layer(layer)?);
                io::copy(&mut reader, &mut io::sink()).map_err(|source| StoreError::Layer {
                    digest,
                    source: LayerError::Read { source },
                })?;
                DiffId(reader.finish().1)
            }
        };
        known.insert(digest, actual);
        if actual == expected {
            return Ok(());
        }
        Err(StoreError::DiffId { digest, expected, actual })
    }
}

/// The canonical name is ours alone: one that cannot be read was one once.
fn check_name(object: &str, entry: &Descriptor, report: &mut Report) {
    if let Some(text) = entry.annotations.get(names::IMAGE_NAME)
        && text.parse::<Reference>().is_err()
    {
        report.add(object, ProblemKind::Name { text: text.clone() });
    }
    if names::contradiction(entry).is_some() {
        let familiar = entry.annotations.get(names::REF_NAME).cloned().unwrap_or_default();
        report.add(object, ProblemKind::TwoNames { familiar });
    }
}
