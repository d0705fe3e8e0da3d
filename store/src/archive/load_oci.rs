//! Images of an OCI layout.
use std::collections::HashMap;
use std::io::Read;
use std::rc::Rc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::ArchiveError;
use super::load::{Candidate, FoundImage, LoadOptions, find_blob, open, read_bytes};
use super::source::{Found, Source, blob_name, read_error};
use crate::config::ImageConfig;
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::{Result, StoreError};
use crate::image::names::{IMAGE_NAME, REF_NAME};
use crate::image::{check_plain_layer, describes_image, select};
use crate::layer::compress::Detected;
use crate::manifest::{Index, Manifest};
use crate::media_type;
use crate::open::Store;
use crate::platform::Platform;
use crate::reference::Reference;

/// More names or platforms than any archive has; each is a line in the list of images, which every command reads.
const MAX_IMAGES: usize = 1 << 12;

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

/// The images of the index that are asked for, all or those of a name, with all blobs checked.
pub(super) fn candidates(
    store: &Store,
    source: &mut dyn Source,
    index: &Index,
    options: &LoadOptions,
) -> Result<Vec<Candidate>> {
    let entries = select(index, options.name.as_deref(), "the archive")?;
    check_count(entries.len())?;
    let mut images = Images::new(store, source, options.platform.clone());
    entries.into_iter().map(|entry| images.candidate(entry)).collect()
}

pub(super) fn check_count(count: usize) -> Result<()> {
    let limit = MAX_IMAGES;
    match count > limit {
        true => Err(ArchiveError::TooManyImages { count, limit }.into()),
        false => Ok(()),
    }
}

/// Entries of that name, tag or digest; without one, all but provenance.
pub(super) fn select<'a>(
    index: &'a Index,
    name: Option<&str>,
    archive: &str,
) -> Result<Vec<&'a Descriptor>> {
    let images = index.manifests.iter().filter(|entry| !select::is_attestation(entry));
    let Some(name) = name else { return Ok(images.collect()) };
    let called: Vec<_> = images.clone().filter(|entry| is_called(entry, name)).collect();
    if called.is_empty() {
        let (archive, name) = (archive.to_owned(), name.to_owned());
        let offered = images.map(label).collect();
        return Err(ArchiveError::NoSuchName { archive, name, offered }.into());
    }
    Ok(called)
}

/// Follows the entries of an archive's index, each document once however often it is listed.
pub(super) struct Images<'a> {
    store: &'a Store,
    source: &'a mut dyn Source,
    platform: Option<Platform>,
    followed: HashMap<Said, Rc<[FoundImage]>>,
    others: HashMap<(Said, bool), bool>,
}

/// What an entry says of a document, besides its size: what was found good for one entry may be a lie of another.
type Said = (Digest, String);

fn said(entry: &Descriptor) -> Said {
    (entry.digest, entry.media_type.clone())
}

impl<'a> Images<'a> {
    /// With a platform, of each index only the image for that.
    pub(super) fn new(
        store: &'a Store,
        source: &'a mut dyn Source,
        platform: Option<Platform>,
    ) -> Images<'a> {
        Images { store, source, platform, followed: HashMap::new(), others: HashMap::new() }
    }

    pub(super) fn candidate(&mut self, entry: &Descriptor) -> Result<Candidate> {
        let images = self.follow(entry, select::MAX_NESTING)?;
        if images.is_empty() {
            return Err(ArchiveError::NoneOfIndex { digest: entry.digest }.into());
        }
        let mut target = entry.clone();
        let document: Value = self.read(entry, "manifest")?;
        let is_index = document.get("manifests").is_some();
        if target.media_type.is_empty() {
            let own = document.get("mediaType").and_then(Value::as_str);
            let usual = if is_index { media_type::IMAGE_INDEX } else { media_type::IMAGE_MANIFEST };
            target.media_type = own.unwrap_or(usual).to_owned();
        }
        target.platform = if is_index { None } else { Some(images[0].platform.clone()) };
        target.annotations.clear();
        let names: Vec<_> = name_of(entry)?.into_iter().collect();
        let only = !entry.annotations.contains_key(IMAGE_NAME);
        let label = entry.annotations.get(REF_NAME).filter(|_| only).cloned();
        Ok(Candidate { target, made_manifest: None, images, names, label })
    }

    fn follow(&mut self, entry: &Descriptor, depth: usize) -> Result<Rc<[FoundImage]>> {
        // Sizes are part of what an entry says.
        find_blob(self.store, self.source, entry)?;
        if let Some(known) = self.followed.get(&said(entry)) {
            return Ok(known.clone());
        }
        let document: Value = self.read(entry, "manifest")?;
        let found = match check_kind(entry, &document)? {
            Kind::Manifest => [self.image(entry)?].into(),
            Kind::Index => {
                let depth = depth.checked_sub(1).ok_or_else(|| select::nested_too_deep(entry))?;
                let index: Index = self.read(entry, "image index")?;
                match &self.platform {
                    Some(platform) => {
                        let chosen = select::choose(&index, platform, entry.digest)?;
                        self.follow(&chosen, depth)?
                    }
                    None => self.all_of(&index, depth)?.into(),
                }
            }
        };
        self.followed.insert(said(entry), found.clone());
        Ok(found)
    }

    /// An archive need not have all platforms of an image; what it has must be complete.
    fn all_of(&mut self, index: &Index, depth: usize) -> Result<Vec<FoundImage>> {
        let mut images = Vec::new();
        for nested in &index.manifests {
            if self.source.file(&blob_name(&nested.digest))?.is_none() {
                continue;
            }
            if !self.other(nested)? {
                images.extend(self.follow(nested, depth)?.iter().cloned());
            }
            check_count(images.len())?;
        }
        Ok(images)
    }

    fn other(&mut self, entry: &Descriptor) -> Result<bool> {
        find_blob(self.store, self.source, entry)?;
        let key = (said(entry), select::is_attestation(entry));
        if let Some(known) = self.others.get(&key) {
            return Ok(*known);
        }
        let other = self.is_other(entry)?;
        self.others.insert(key, other);
        Ok(other)
    }

    /// Whether this is no image but listed beside images (provenance, signatures); then its blobs are checked.
    fn is_other(&mut self, entry: &Descriptor) -> Result<bool> {
        let document: Value = self.read(entry, "manifest")?;
        if check_kind(entry, &document)? == Kind::Index {
            return Ok(false);
        }
        let manifest: Manifest = self.read(entry, "manifest")?;
        if !select::is_attestation(entry) && describes_image(&manifest) {
            return Ok(false);
        }
        for blob in manifest.layers.iter().chain([&manifest.config]) {
            find_blob(self.store, self.source, blob)?;
        }
        Ok(true)
    }

    fn image(&mut self, entry: &Descriptor) -> Result<FoundImage> {
        let manifest: Manifest = self.read(entry, "manifest")?;
        check_manifest(entry, &manifest)?;
        let config: ImageConfig = self.read(&manifest.config, "image configuration")?;
        let (layers, diff_ids) = (manifest.layers.len(), config.rootfs.diff_ids.len());
        if layers != diff_ids {
            let manifest = entry.digest;
            return Err(StoreError::LayerCount { manifest, layers, diff_ids });
        }
        for (layer, diff_id) in manifest.layers.iter().zip(&config.rootfs.diff_ids) {
            check_layer(layer, *diff_id)?;
            let found = find_blob(self.store, self.source, layer)?;
            check_plain(self.store, self.source, layer, &found)?;
        }
        Ok(FoundImage { id: manifest.config.digest, platform: config.platform() })
    }

    fn read<T: DeserializeOwned>(&mut self, entry: &Descriptor, what: &'static str) -> Result<T> {
        let found = find_blob(self.store, self.source, entry)?;
        let bytes = read_bytes(self.store, self.source, &found, what)?;
        let digest = entry.digest;
        serde_json::from_slice(&bytes).map_err(|source| StoreError::BlobDocument {
            what,
            digest,
            source,
        })
    }
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Manifest,
    Index,
}

/// What a document is, if everything that is said of it agrees: readers go by different of these signs, and must not
/// see different images.
fn check_kind(entry: &Descriptor, document: &Value) -> Result<Kind> {
    let digest = entry.digest;
    let has = |key: &str| document.get(key).is_some();
    if has("manifests") && (has("config") || has("layers") || has("fsLayers")) {
        return Err(ArchiveError::Ambiguous { digest }.into());
    }
    let (kind, is) = match has("manifests") {
        true => (Kind::Index, "an index"),
        false => (Kind::Manifest, "no index"),
    };
    let own = document.get("mediaType").and_then(Value::as_str).unwrap_or_default();
    for media_type in [entry.media_type.as_str(), own] {
        // A manifest of something unknown has a type that is unknown too; an index is read as what it is said to be.
        if !media_type.is_empty() && media_type::is_index(media_type) != (kind == Kind::Index) {
            let media_type = media_type.to_owned();
            return Err(ArchiveError::Lie { digest, is, media_type }.into());
        }
    }
    let listed = &entry.media_type;
    if !listed.is_empty() && !own.is_empty() && listed != own {
        let (listed, own) = (listed.clone(), own.to_owned());
        return Err(ArchiveError::OtherMediaType { digest, listed, own }.into());
    }
    let version = document.get("schemaVersion").and_then(Value::as_u64);
    match version {
        Some(version) if version != 2 => {
            Err(StoreError::DocumentVersion { what: "manifest", digest, version })
        }
        _ => Ok(kind),
    }
}

/// A layer that is said to be a plain tar is read at the offsets of its files, never decompressed.
fn check_plain(
    store: &Store,
    source: &dyn Source,
    layer: &Descriptor,
    found: &Found,
) -> Result<()> {
    if !media_type::is_plain_layer(&layer.media_type) {
        return Ok(());
    }
    let mut start = Vec::new();
    open(store, source, found)?.take(6).read_to_end(&mut start).map_err(read_error)?;
    let is = match Detected::of(&start) {
        Detected::Gzip => "compressed with gzip",
        Detected::Zstd => "compressed with zstd",
        Detected::Xz => "compressed with xz",
        // `BZh1` may be the name of the first file.
        Detected::Plain | Detected::Bzip2 => return Ok(()),
    };
    let (digest, media_type) = (layer.digest, layer.media_type.clone());
    Err(ArchiveError::Lie { digest, is, media_type }.into())
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

pub(super) fn parse<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|source| ArchiveError::Document { name: name.to_owned(), source }.into())
}
