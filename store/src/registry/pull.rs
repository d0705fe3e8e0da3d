//! An image into the store.
use std::collections::HashSet;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::client::Client;
use super::download::Document;
use super::error::{Failure, RegistryError};
use super::watch::{BlobEvent, UntilFailed, Watch};
use super::{AT_ONCE, Registries};
use crate::archive::Fetched;
use crate::blob::{DOCUMENT_LIMIT, SealedBlob};
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::StoreError;
use crate::image::{describes_image, select};
use crate::lease::Held;
use crate::manifest::{Index, Manifest};
use crate::media_type;
use crate::open::Store;
use crate::platform::Platform;
use crate::reference::Reference;

/// More than any file system stacks.
const MOST_LAYERS: usize = 1000;

#[derive(Clone, Debug, Default)]
pub struct PullOptions {
    /// The image must be for this one; else it should be for this machine.
    pub platform: Option<Platform>,
}

/// An image that a name leads to now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// What the registry has under that name: a manifest, or the index of several.
    pub digest: Digest,
    /// Of the image for the platform.
    pub id: Digest,
    pub platform: Platform,
    /// The name has led to it before.
    pub was_current: bool,
}

impl Registries {
    /// Gets the image of a name, and lets the name lead to it.
    pub fn pull(
        &self,
        store: &Store,
        name: &Reference,
        options: &PullOptions,
        watch: &dyn Watch,
    ) -> Result<Pulled, RegistryError> {
        let failed = |source| RegistryError::Pull {
            registry: name.domain().to_owned(),
            repository: name.repository().to_owned(),
            suffix: name.suffix(),
            source: Box::new(source),
        };
        self.pull_image(store, name, options, watch).map_err(failed)
    }

    fn pull_image(
        &self,
        store: &Store,
        name: &Reference,
        options: &PullOptions,
        watch: &dyn Watch,
    ) -> Result<Pulled, Failure> {
        let scope = format!("repository:{}:pull", name.repository());
        let client = self.client(name.domain(), name.repository(), vec![scope])?;
        let platform = options.platform.clone().unwrap_or_else(Platform::host);
        let before = current(store, name)?;
        if let (Some(before), Some(tag), None) = (&before, name.tag(), name.digest())
            && client.digest_of(tag)? == Some(before.digest)
            && let Ok(image) = store.resolve_for(&name.to_string(), &platform)
            && image.platform().runs_on(&platform)
            && store.hold_image(&image)?
        {
            let (digest, id, platform) = (before.digest, image.id(), image.platform());
            return Ok(Pulled { digest, id, platform, was_current: true });
        }
        let top = match name.digest() {
            Some(digest) => by_digest(&client, digest)?,
            None => client.manifest(name.tag().unwrap_or("latest"))?,
        };
        let target = top.descriptor.clone();
        let mut pull = Pull { store, client: &client, watch, fetched: Fetched::default() };
        pull.image(top, &platform)?;
        let must = options.platform.as_ref();
        let kept = kept_name(name);
        let image = store.accept_fetched(pull.fetched, &target, &platform, must, kept)?;
        let was_current = before.is_some_and(|before| before.digest == target.digest);
        Ok(Pulled { digest: target.digest, id: image.id, platform: image.platform, was_current })
    }
}

/// An image that was asked for by digest is known by that; a tag might lead to another by then.
fn kept_name(name: &Reference) -> Reference {
    if name.digest().is_some() { name.without_tag() } else { name.clone() }
}

fn current(store: &Store, name: &Reference) -> Result<Option<Descriptor>, Failure> {
    match store.listed(&name.to_string()) {
        Ok((_, listed)) => Ok(Some(listed)),
        Err(StoreError::ImageNotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn by_digest(client: &Client, digest: Digest) -> Result<Document, Failure> {
    let document = client.manifest(&digest.to_string())?;
    let actual = document.descriptor.digest;
    match actual == digest {
        true => Ok(document),
        false => Err(Failure::Digest { what: format!("manifest {digest}"), actual }),
    }
}

/// What one pull has so far.
struct Pull<'a> {
    store: &'a Store,
    client: &'a Client,
    watch: &'a dyn Watch,
    fetched: Fetched,
}

impl Pull<'_> {
    /// From the document that a name leads to down to the layers.
    fn image(&mut self, top: Document, platform: &Platform) -> Result<(), Failure> {
        let mut document = top;
        for _ in 0..=select::MAX_NESTING {
            self.keep(&document)?;
            let index: Option<Index> = index_of(&document)?;
            let Some(index) = index else { return self.manifest(&document) };
            let chosen = select::choose(&index, platform, document.descriptor.digest)?;
            document = self.client.described(&chosen)?;
        }
        Err(select::nested_too_deep(&document.descriptor).into())
    }

    fn manifest(&mut self, document: &Document) -> Result<(), Failure> {
        let digest = document.descriptor.digest;
        let manifest: Manifest = parse("manifest", digest, &document.bytes)?;
        let (count, limit) = (manifest.layers.len(), MOST_LAYERS);
        if count > limit {
            return Err(Failure::TooManyLayers { digest, count, limit });
        }
        if !describes_image(&manifest) {
            return Err(not_an_image(&manifest).into());
        }
        if manifest.config.size > DOCUMENT_LIMIT {
            let (what, limit) = (format!("blob {}", manifest.config.digest), DOCUMENT_LIMIT);
            return Err(Failure::TooLarge { what, limit });
        }
        let silent = super::watch::Silent;
        if !self.store.hold(Held::Blob(manifest.config.digest))? {
            let config = self.client.blob(self.store, &manifest.config, &silent)?;
            self.fetched.add(config);
        }
        self.layers(&manifest.layers)
    }

    /// Several at once, each once.
    fn layers(&mut self, layers: &[Descriptor]) -> Result<(), Failure> {
        let mut seen = HashSet::new();
        let layers: Vec<_> = layers.iter().filter(|layer| seen.insert(layer.digest)).collect();
        let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let done: Mutex<Vec<Result<SealedBlob, Failure>>> = Mutex::default();
        let watch = UntilFailed { inner: self.watch, failed: &failed };
        let (store, client) = (self.store, self.client);
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE.min(layers.len()) {
                scope.spawn(|| {
                    while let Some(layer) = layers.get(next.fetch_add(1, Ordering::Relaxed))
                        && !watch.is_cancelled()
                    {
                        let result = download(store, client, layer, &watch).transpose();
                        failed.fetch_or(matches!(result, Some(Err(_))), Ordering::Relaxed);
                        done.lock().unwrap_or_else(PoisonError::into_inner).extend(result);
                    }
                });
            }
        });
        let mut failures = Vec::new();
        for result in done.into_inner().unwrap_or_else(PoisonError::into_inner) {
            match result {
                Ok(sealed) => self.fetched.add(sealed),
                Err(failure) => failures.push(failure),
            }
        }
        // The others ended because of the first.
        let is_consequence = |failure: &Failure| matches!(failure, Failure::Cancelled);
        failures.sort_by_key(is_consequence);
        match failures.into_iter().next() {
            Some(failure) => Err(failure),
            None if self.watch.is_cancelled() => Err(Failure::Cancelled),
            None => Ok(()),
        }
    }

    fn keep(&mut self, document: &Document) -> Result<(), Failure> {
        let mut writer = self.store.blob_writer()?;
        let path = self.store.blob_path(&document.descriptor.digest);
        let written = writer.write_all(&document.bytes);
        written.map_err(crate::error::io_error("write the blob", &path))?;
        self.fetched.add(writer.seal()?);
        Ok(())
    }
}

/// Nothing where the store has it.
fn download(
    store: &Store,
    client: &Client,
    layer: &Descriptor,
    watch: &dyn Watch,
) -> Result<Option<SealedBlob>, Failure> {
    if store.hold(Held::Blob(layer.digest))? {
        watch.event(layer.digest, BlobEvent::Exists);
        return Ok(None);
    }
    let sealed = client.blob(store, layer, watch)?;
    watch.event(layer.digest, BlobEvent::Done);
    Ok(Some(sealed))
}

/// None for a manifest.
fn index_of(document: &Document) -> Result<Option<Index>, Failure> {
    let digest = document.descriptor.digest;
    let value: serde_json::Value = parse("manifest", digest, &document.bytes)?;
    if value.get("manifests").is_none() && !media_type::is_index(&document.descriptor.media_type) {
        return Ok(None);
    }
    let index: Index = parse("image index", digest, &document.bytes)?;
    Ok(Some(index))
}

fn parse<T: serde::de::DeserializeOwned>(
    what: &'static str,
    digest: Digest,
    bytes: &[u8],
) -> Result<T, Failure> {
    let version = serde_json::from_slice::<Version>(bytes).ok().and_then(|v| v.schema_version);
    if let Some(version) = version.filter(|version| *version != 2) {
        return Err(StoreError::DocumentVersion { what, digest, version }.into());
    }
    let parsed = serde_json::from_slice(bytes);
    parsed.map_err(|source| StoreError::BlobDocument { what, digest, source }.into())
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    schema_version: Option<u64>,
}

/// Charts, signatures and whatever else registries keep.
fn not_an_image(manifest: &Manifest) -> StoreError {
    let layer = manifest.layers.iter().find(|layer| !media_type::is_layer(&layer.media_type));
    let config = &manifest.config;
    let is_config =
        matches!(config.media_type.as_str(), media_type::IMAGE_CONFIG | media_type::DOCKER_CONFIG);
    let (found, expected) = match layer {
        Some(layer) if is_config => (layer, "that of a layer"),
        _ => (config, "that of an image configuration"),
    };
    let (media_type, digest) = (found.media_type.clone(), found.digest);
    StoreError::MediaType { media_type, digest, expected }
}
