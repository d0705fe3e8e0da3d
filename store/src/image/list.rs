//! Summaries of all images, and the history of one.
use std::collections::BTreeMap;

use super::{Image, names};
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::Result;
use crate::open::Store;
use crate::platform::Platform;
use crate::reference::Reference;

/// A line of `images`: an image with all its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSummary {
    pub id: Digest,
    /// Digest of the manifest; of the first one, if there are several with other forms of the layers.
    pub manifest: Digest,
    /// Empty for an image that lost its names.
    pub names: Vec<Reference>,
    pub platform: Platform,
    /// RFC 3339, as the image says.
    pub created: Option<String>,
    /// Bytes of all its blobs.
    pub size: u64,
    pub layers: usize,
    pub labels: BTreeMap<String, String>,
}

/// A line of `history`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    pub created: Option<String>,
    pub created_by: String,
    pub comment: String,
    /// Bytes of the layer's files; none where the step made no layer.
    pub size: Option<u64>,
}

impl Store {
    /// Every image, the newest first. One that cannot be read is left out; `validate` tells why.
    pub fn images(&self) -> Result<Vec<ImageSummary>> {
        let index = self.read_index()?;
        let mut images: Vec<ImageSummary> = Vec::new();
        for entry in &index.manifests {
            let Ok(image) = self.load_listed(entry) else { continue };
            let summary = summary(&image, entry.digest, names::name_of(entry));
            match images.iter_mut().find(|known| known.id == summary.id) {
                Some(known) => known.names.extend(summary.names),
                None => images.push(summary),
            }
        }
        images.iter_mut().for_each(|image| image.names.sort());
        images.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.names.cmp(&b.names)));
        Ok(images)
    }

    /// All names that lead to the image.
    pub fn names_of(&self, image: &Image) -> Result<Vec<Reference>> {
        let index = self.read_index()?;
        let of_image = |entry: &&Descriptor| self.id_of(entry).is_ok_and(|id| id == image.id());
        let named = index.manifests.iter().filter(|entry| names::name_of(entry).is_some());
        let mut names: Vec<_> = named.filter(of_image).filter_map(names::name_of).collect();
        names.sort();
        Ok(names)
    }

    /// Bytes of the files in all layers: what the image takes where it is unpacked. Layers that came in by an
    /// archive are read through for it, once.
    pub fn unpacked_size(&self, image: &Image) -> Result<u64> {
        Ok(self.layer_sizes(image)?.into_iter().sum())
    }

    /// How the image came about, the newest step first.
    pub fn history(&self, image: &Image) -> Result<Vec<HistoryEntry>> {
        let mut layers = self.layer_sizes(image)?.into_iter();
        let mut entries = Vec::new();
        for line in &image.config.history {
            let size = if line.empty_layer { None } else { layers.next() };
            entries.push(HistoryEntry {
                created: line.created.clone(),
                created_by: line.created_by.clone(),
                comment: line.comment.clone(),
                size,
            });
        }
        // Layers that the history does not mention.
        for size in layers.map(Some) {
            let (created_by, comment) = ("<missing>".to_owned(), String::new());
            entries.push(HistoryEntry { created: None, created_by, comment, size });
        }
        entries.reverse();
        Ok(entries)
    }
}

fn summary(image: &Image, manifest: Digest, name: Option<Reference>) -> ImageSummary {
    let layers: u64 = image.manifest.layers.iter().map(|layer| layer.size).sum();
    ImageSummary {
        id: image.id(),
        manifest,
        names: name.into_iter().collect(),
        platform: image.platform(),
        created: image.config.created.clone(),
        size: layers + image.manifest.config.size + image.descriptor.size,
        layers: image.manifest.layers.len(),
        labels: image.config.config.labels.clone(),
    }
}
