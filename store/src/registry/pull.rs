//! An image into the store.
use std::io::{Read, Write};

use super::Registries;
use super::client::Client;
use super::download::Document;
use super::error::{Failure, RegistryError};
use super::layers::{Got, Layers};
use super::rules::Endpoint;
use super::watch::{Silent, Watch};
use crate::archive::Fetched;
use crate::blob::DOCUMENT_LIMIT;
use crate::config::ImageConfig;
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::StoreError;
use crate::image::{Image, describes_image, select};
use crate::lease::Held;
use crate::manifest::{Index, Manifest};
use crate::media_type;
use crate::open::Store;
use crate::platform::Platform;
use crate::reference::Reference;
use crate::staged::Staged;

/// More than any file system stacks.
const MOST_LAYERS: usize = 1000;

#[derive(Clone, Debug, Default)]
pub struct PullOptions {
    /// The image must be for this one; else it should be for this machine.
    pub platform: Option<Platform>,
    /// Unpack layers while they come, of an image that this machine can run.
    pub unpack: bool,
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
        let pulled = self.pull_from_any(store, name, options, watch);
        pulled.map_err(RegistryError::of_pull(name))
    }

    /// From mirrors first.
    fn pull_from_any(
        &self,
        store: &Store,
        name: &Reference,
        options: &PullOptions,
        watch: &dyn Watch,
    ) -> Result<Pulled, Failure> {
        let (sources, own) = self.settings.rules.sources(name)?;
        let mut mirrors = Vec::new();
        for mirror in sources {
            match self.pull_image(store, name, &mirror, options, watch) {
                Err(failure) if failure.is_of_server() => mirrors.push((mirror.registry, failure)),
                result => return result,
            }
        }
        let pulled = self.pull_image(store, name, &own, options, watch);
        pulled.map_err(|failure| match mirrors.is_empty() {
            true => failure,
            false => Failure::Nowhere { mirrors, source: Box::new(failure) },
        })
    }

    fn pull_image(
        &self,
        store: &Store,
        name: &Reference,
        from: &Endpoint,
        options: &PullOptions,
        watch: &dyn Watch,
    ) -> Result<Pulled, Failure> {
        let scope = format!("repository:{}:pull", from.repository);
        let client = self.client(from, vec![scope])?;
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
        let top = client.top(name)?;
        let target = top.descriptor.clone();
        let mut pull = Pull {
            store,
            client: &client,
            watch,
            unpack: options.unpack,
            must: options.platform.as_ref(),
            most: self.settings.largest_layer,
            fetched: Fetched::default(),
            staged: Staged::default(),
        };
        pull.image(top, &platform)?;
        let must = options.platform.as_ref();
        let Pull { fetched, staged, .. } = pull;
        let kept = kept_name(name);
        let image = store.accept_fetched(fetched, &target, &platform, must, kept, staged)?;
        let was_current = before.is_some_and(|before| before.digest == target.digest);
        Ok(Pulled { digest: target.digest, id: image.id, platform: image.platform, was_current })
    }
}

impl Client {
    /// What a name leads to.
    pub(super) fn top(&self, name: &Reference) -> Result<Document, Failure> {
        let Some(digest) = name.digest() else {
            return self.manifest(name.tag().unwrap_or("latest"));
        };
        let document = self.manifest(&digest.to_string())?;
        let actual = document.descriptor.digest;
        match actual == digest {
            true => Ok(document),
            false => Err(Failure::Digest { what: format!("manifest {digest}"), actual }),
        }
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

/// What one pull has so far.
struct Pull<'a> {
    store: &'a Store,
    client: &'a Client,
    watch: &'a dyn Watch,
    unpack: bool,
    /// Nothing else will do.
    must: Option<&'a Platform>,
    most: u64,
    fetched: Fetched,
    staged: Staged,
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
        let config = self.config(&manifest.config)?;
        if config.rootfs.diff_ids.len() != count {
            let (layers, diff_ids, manifest) = (count, config.rootfs.diff_ids.len(), digest);
            return Err(StoreError::LayerCount { manifest, layers, diff_ids }.into());
        }
        let descriptor = document.descriptor.clone();
        let image = Image { reference: None, descriptor, manifest, config };
        if let Some(wanted) = self.must.filter(|wanted| !image.platform().runs_on(wanted)) {
            let (wanted, offered) = (Box::new(wanted.clone()), vec![image.platform()]);
            return Err(StoreError::NoPlatform { digest, wanted, offered }.into());
        }
        let all = image.layers();
        let layers = Layers {
            store: self.store,
            client: self.client,
            watch: self.watch,
            layers: &all,
            unpack: self.unpack && image.platform().runs_on(&Platform::host()),
            most: self.most,
        };
        let Got { blobs, staged } = layers.get()?;
        blobs.into_iter().for_each(|blob| self.fetched.add(blob));
        self.staged = staged;
        Ok(())
    }

    fn config(&mut self, wanted: &Descriptor) -> Result<ImageConfig, Failure> {
        let (what, digest) = ("image configuration", wanted.digest);
        if self.store.hold(Held::Blob(digest))? {
            return Ok(self.store.read_json(what, &digest)?);
        }
        let sealed = self.client.blob(self.store, wanted, &Silent, None)?;
        let mut bytes = Vec::new();
        let read = sealed.open()?.read_to_end(&mut bytes);
        read.map_err(crate::error::io_error("read the new blob", sealed.path()))?;
        self.fetched.add(sealed);
        let parsed = serde_json::from_slice(&bytes);
        parsed.map_err(|source| StoreError::BlobDocument { what, digest, source }.into())
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

/// None for a manifest.
pub(super) fn index_of(document: &Document) -> Result<Option<Index>, Failure> {
    let digest = document.descriptor.digest;
    let value: serde_json::Value = parse("manifest", digest, &document.bytes)?;
    if value.get("manifests").is_none() && !media_type::is_index(&document.descriptor.media_type) {
        return Ok(None);
    }
    let index: Index = parse("image index", digest, &document.bytes)?;
    Ok(Some(index))
}

pub(super) fn parse<T: serde::de::DeserializeOwned>(
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
