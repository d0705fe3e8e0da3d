//! Images of an OCI layout.
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::ArchiveError;
use super::load::{Candidate, find_blob, read_bytes};
use super::source::Source;
use crate::config::ImageConfig;
use crate::descriptor::Descriptor;
use crate::error::{Result, StoreError};
use crate::image::names::{IMAGE_NAME, REF_NAME};
use crate::image::{check_plain_layer, select};
use crate::manifest::{Index, Manifest};
use crate::media_type;
use crate::open::Store;
use crate::platform::Platform;
use crate::reference::Reference;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layout {
    image_layout_version: String,
}

/// The list of images, if this is an OCI layout.
pub(super) fn read_index(source: &mut dyn Source) -> Result<Option<Index>> {
    let Some(bytes) = source.document("index.json")? else { return Ok(None) };
    let Some(layout) = source.document("oci-layout")? else {
        return Err(ArchiveError::Missing { name: "oci-layout".to_owned() }.into());
    };
    let layout: Layout = parse("oci-layout", &layout)?;
    if layout.image_layout_version != "1.0.0" {
        return Err(ArchiveError::LayoutVersion { found: layout.image_layout_version }.into());
    }
    parse("index.json", &bytes).map(Some)
}

pub(super) fn candidates(
    store: &Store,
    source: &mut dyn Source,
    index: &Index,
) -> Result<Vec<Candidate>> {
    let images = index.manifests.iter().filter(|entry| !select::is_attestation(entry));
    images.map(|entry| candidate(store, source, entry)).collect()
}

/// The image that an entry of the index is, or leads to on this machine, with all blobs checked.
pub(super) fn candidate(
    store: &Store,
    source: &mut dyn Source,
    entry: &Descriptor,
) -> Result<Candidate> {
    let mut descriptor = choose(store, source, entry)?;
    let manifest: Manifest = read(store, source, &descriptor, "manifest")?;
    check_manifest(&descriptor, &manifest)?;
    let config: ImageConfig = read(store, source, &manifest.config, "image configuration")?;
    let (layers, diff_ids) = (manifest.layers.len(), config.rootfs.diff_ids.len());
    if layers != diff_ids {
        let manifest = descriptor.digest;
        return Err(StoreError::LayerCount { manifest, layers, diff_ids });
    }
    for (layer, diff_id) in manifest.layers.iter().zip(&config.rootfs.diff_ids) {
        check_layer(layer, *diff_id)?;
        find_blob(store, source, layer)?;
    }
    if descriptor.media_type.is_empty() {
        descriptor.media_type =
            manifest.media_type.unwrap_or_else(|| media_type::IMAGE_MANIFEST.to_owned());
    }
    descriptor.platform = Some(config.platform());
    descriptor.annotations.clear();
    Ok(Candidate {
        manifest: descriptor,
        made_manifest: None,
        id: manifest.config.digest,
        names: name_of(entry)?.into_iter().collect(),
    })
}

/// Whether `name` means this entry: its full name, its tag or its digest.
pub(super) fn is_called(entry: &Descriptor, name: &str) -> bool {
    let by_annotation = [IMAGE_NAME, REF_NAME]
        .iter()
        .any(|key| entry.annotations.get(*key).is_some_and(|n| n == name));
    let (full_name, own) = (name.parse::<Reference>().ok(), name_of(entry).ok().flatten());
    by_annotation
        || entry.digest.to_string() == name
        || (full_name.is_some() && full_name == own)
        || own.is_some_and(|own| own.tag() == Some(name))
}

/// What to call an entry in a message.
pub(super) fn label(entry: &Descriptor) -> String {
    let annotations = &entry.annotations;
    let name = annotations.get(REF_NAME).or_else(|| annotations.get(IMAGE_NAME));
    name.cloned().unwrap_or_else(|| entry.digest.to_string())
}

/// A lone word in `ref.name` is a tag without a name, as BuildKit and umoci write it; that annotation may hold
/// any text at all. A name by digest alone (an image once pulled so) is none that an image has here.
///
/// Where the two annotations disagree about the tag, `ref.name` is right: umoci copies an entry to a new tag and
/// changes only that one.
fn name_of(entry: &Descriptor) -> Result<Option<Reference>> {
    let full = entry.annotations.get(IMAGE_NAME).map(|name| name.parse::<Reference>());
    let text = entry.annotations.get(REF_NAME);
    let name = match (full.transpose()?, text) {
        (Some(full), Some(text)) => Some(retagged(&full, text).unwrap_or(full)),
        (Some(full), None) => Some(full),
        (None, Some(text)) if text.contains([':', '/']) => text.parse().ok(),
        (None, _) => None,
    };
    Ok(name.filter(|name| name.tag().is_some()).map(|name| name.without_digest()))
}

/// The name with the tag that `ref.name` has, if that is a tag or a name of the same repository.
fn retagged(full: &Reference, text: &str) -> Option<Reference> {
    full.tag()?;
    let tagged = match text.contains([':', '/']) {
        true => text.parse::<Reference>().ok()?,
        false => format!("{}:{text}", full.name()).parse().ok()?,
    };
    (tagged.name() == full.name()).then_some(tagged)
}

fn choose(store: &Store, source: &mut dyn Source, entry: &Descriptor) -> Result<Descriptor> {
    let mut current = entry.clone();
    for _ in 0..select::MAX_NESTING {
        let document: serde_json::Value = read(store, source, &current, "manifest")?;
        if document.get("manifests").is_none() {
            return Ok(current);
        }
        let index: Index = read(store, source, &current, "image index")?;
        current = select::choose(&index, &Platform::host(), entry.digest)?;
    }
    Err(select::nested_too_deep(&current))
}

fn check_manifest(descriptor: &Descriptor, manifest: &Manifest) -> Result<()> {
    let digest = descriptor.digest;
    if manifest.schema_version != 2 {
        let version = manifest.schema_version;
        return Err(StoreError::DocumentVersion { what: "manifest", digest, version });
    }
    let config = &manifest.config.media_type;
    if !matches!(config.as_str(), "" | media_type::IMAGE_CONFIG | media_type::DOCKER_CONFIG) {
        return Err(StoreError::MediaType {
            media_type: config.clone(),
            digest: manifest.config.digest,
            expected: "that of an image configuration",
        });
    }
    Ok(())
}

fn check_layer(layer: &Descriptor, diff_id: crate::digest::DiffId) -> Result<()> {
    if !media_type::is_layer(&layer.media_type) {
        return Err(StoreError::MediaType {
            media_type: layer.media_type.clone(),
            digest: layer.digest,
            expected: "that of a layer",
        });
    }
    check_plain_layer(layer, diff_id)
}

fn read<T: DeserializeOwned>(
    store: &Store,
    source: &mut dyn Source,
    descriptor: &Descriptor,
    what: &'static str,
) -> Result<T> {
    let found = find_blob(store, source, descriptor)?;
    let bytes = read_bytes(store, source, &found, what)?;
    let digest = descriptor.digest;
    serde_json::from_slice(&bytes).map_err(|source| StoreError::BlobDocument {
        what,
        digest,
        source,
    })
}

pub(super) fn parse<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|source| ArchiveError::Document { name: name.to_owned(), source }.into())
}
