//! Images of a `docker save` archive: `manifest.json` names a configuration and layer files.
use std::io::Read;

use serde::Deserialize;

use super::ArchiveError;
use super::load::{Candidate, FoundImage, LoadOptions, digest_of, open, read_bytes, size_of};
use super::load_oci::{check_count, parse};
use super::source::{Found, Source, read_error};
use crate::config::ImageConfig;
use crate::descriptor::Descriptor;
use crate::digest::{DiffId, Digest};
use crate::error::{Result, StoreError};
use crate::image::check_plain_layer;
use crate::layer::compress::Detected;
use crate::manifest::Manifest;
use crate::media_type;
use crate::open::Store;
use crate::reference::Reference;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ArchivedImage {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Vec<String>,
}

pub(super) fn candidates(
    store: &Store,
    source: &mut dyn Source,
    manifest_json: &[u8],
    options: &LoadOptions,
) -> Result<Vec<Candidate>> {
    let mut images: Vec<ArchivedImage> = parse("manifest.json", manifest_json)?;
    if let Some(name) = &options.name {
        let offered = images.iter().flat_map(|image| image.repo_tags.iter().flatten()).cloned();
        let offered = offered.collect();
        images.retain(|image| image.is_called(name));
        if images.is_empty() {
            let (archive, name) = ("the archive".to_owned(), name.clone());
            return Err(ArchiveError::NoSuchName { archive, name, offered }.into());
        }
    }
    check_count(images.iter().map(ArchivedImage::entries).sum())?;
    images.iter().map(|image| candidate(store, source, image)).collect()
}

impl ArchivedImage {
    /// How many entries of a layout's index it would be.
    fn entries(&self) -> usize {
        self.repo_tags.iter().flatten().count().max(1)
    }

    fn is_called(&self, name: &str) -> bool {
        let wanted = name.parse::<Reference>().ok();
        let is = |tag: &String| tag == name || (wanted.is_some() && tag.parse().ok() == wanted);
        self.repo_tags.iter().flatten().any(is)
    }
}

fn candidate(store: &Store, source: &mut dyn Source, image: &ArchivedImage) -> Result<Candidate> {
    let config = find(source, &image.config)?;
    let config_bytes = read_bytes(store, source, &config, "image configuration")?;
    let id = Digest::of(&config_bytes);
    check_config_name(&image.config, id)?;
    let parsed: ImageConfig = serde_json::from_slice(&config_bytes).map_err(|source| {
        StoreError::BlobDocument { what: "image configuration", digest: id, source }
    })?;
    let diff_ids = &parsed.rootfs.diff_ids;
    if image.layers.len() != diff_ids.len() {
        let (layers, diff_ids) = (image.layers.len(), diff_ids.len());
        return Err(StoreError::LayerCount { manifest: id, layers, diff_ids });
    }
    let mut layers = Vec::new();
    for (name, diff_id) in image.layers.iter().zip(diff_ids) {
        let found = find(source, name)?;
        layers.push(layer(store, source, &found, *diff_id)?);
    }
    // The archive has no manifest; its configuration keeps its bytes and so its ID.
    let manifest = Manifest::new(Descriptor::of(media_type::IMAGE_CONFIG, &config_bytes), layers);
    let bytes = manifest.to_bytes();
    let mut descriptor = Descriptor::of(media_type::IMAGE_MANIFEST, &bytes);
    descriptor.platform = Some(parsed.platform());
    let tags = image.repo_tags.iter().flatten().filter(|tag| *tag != "<none>:<none>");
    Ok(Candidate {
        target: descriptor,
        made_manifest: Some(bytes),
        images: [FoundImage { id, platform: parsed.platform() }].into(),
        names: tags.map(|tag| name(tag)).collect::<Result<_>>()?,
        label: None,
    })
}

fn name(tag: &str) -> Result<Reference> {
    let name: Reference = tag.parse()?;
    match name.digest() {
        None => Ok(name),
        Some(_) => Err(StoreError::NameWithDigest { name: name.familiar() }),
    }
}

fn find(source: &mut dyn Source, name: &str) -> Result<Found> {
    let missing = || ArchiveError::Missing { name: name.to_owned() };
    Ok(source.file(name)?.ok_or_else(missing)?)
}

/// `<id>.json` promises what it contains.
fn check_config_name(name: &str, id: Digest) -> Result<()> {
    let promised = name.strip_suffix(".json").and_then(|hex| Digest::from_hex(hex).ok());
    match promised {
        Some(digest) if digest != id => {
            Err(ArchiveError::Corrupt { name: name.to_owned(), actual: id }.into())
        }
        _ => Ok(()),
    }
}

/// Docker accepts layers plain or compressed, and says nothing about it in the archive.
fn layer(store: &Store, source: &dyn Source, found: &Found, diff_id: DiffId) -> Result<Descriptor> {
    let mut start = Vec::new();
    open(store, source, found)?.take(6).read_to_end(&mut start).map_err(read_error)?;
    let (digest, size) = (digest_of(source, found), size_of(source, found));
    let media_type = match Detected::of(&start) {
        Detected::Plain => media_type::LAYER_TAR,
        Detected::Gzip => media_type::LAYER_TAR_GZIP,
        Detected::Zstd => media_type::LAYER_TAR_ZSTD,
        Detected::Xz | Detected::Bzip2 => {
            return Err(StoreError::MediaType {
                media_type: "xz or bzip2".to_owned(),
                digest,
                expected: "a compression that images can have (gzip, zstd)",
            });
        }
    };
    let layer = Descriptor::new(media_type, digest, size);
    check_plain_layer(&layer, diff_id)?;
    Ok(layer)
}
