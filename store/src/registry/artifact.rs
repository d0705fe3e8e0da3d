//! What is no image but kept like one: layers, and a document that says what they are. A build's cache is one.
use std::collections::{BTreeSet, HashMap};
use std::io::Read;

use super::Registries;
use super::error::{Failure, RegistryError};
use super::pull::{index_of, parse};
use super::push::{Push, scopes};
use super::watch::Watch;
use crate::archive::FormOptions;
use crate::blob::copy_into;
use crate::descriptor::Descriptor;
use crate::digest::{ChainId, DiffId, Digest};
use crate::error::StoreError;
use crate::image::ImageLayer;
use crate::layer::decompressor;
use crate::lease::Held;
use crate::manifest::Manifest;
use crate::media_type;
use crate::open::Store;
use crate::reference::Reference;

/// What was pushed by [`Registries::push_artifact`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    pub document: Vec<u8>,
    pub layers: Vec<Descriptor>,
}

impl Registries {
    /// Sends layers of the store, in the form that is wanted, and a document of the media type `kind`.
    pub fn push_artifact(
        &self,
        store: &Store,
        name: &Reference,
        (kind, document): (&str, &[u8]),
        layers: &[(Descriptor, DiffId)],
        form: FormOptions,
        watch: &dyn Watch,
    ) -> Result<Digest, RegistryError> {
        let pushed = self.send_artifact(store, name, (kind, document), layers, form, watch);
        pushed.map_err(RegistryError::of_push(name))
    }

    fn send_artifact(
        &self,
        store: &Store,
        name: &Reference,
        (kind, document): (&str, &[u8]),
        layers: &[(Descriptor, DiffId)],
        form: FormOptions,
        watch: &dyn Watch,
    ) -> Result<Digest, Failure> {
        let info = store.put_bytes(document)?;
        let config = Descriptor::new(kind, info.digest, info.size);
        let mut travelling = Vec::new();
        for (descriptor, diff_id) in layers {
            let (descriptor, diff_id) = (descriptor.clone(), *diff_id);
            // Above nothing: it is a layer by itself.
            let layer = ImageLayer { descriptor, diff_id, chain_id: ChainId::on(None, diff_id) };
            travelling.push(store.convert_layer(&layer, form)?);
        }
        let manifest = Manifest::new(config, travelling);
        let to = self.settings.rules.destination(name)?;
        let client = self.client(&to, scopes(&to, BTreeSet::new()))?;
        let (elsewhere, sources) = (HashMap::new(), HashMap::new());
        let push = Push { store, client: &client, watch, elsewhere, sources };
        push.blobs(manifest.layers.iter().chain([&manifest.config]))?;
        let bytes = manifest.to_bytes();
        let descriptor = Descriptor::of(media_type::IMAGE_MANIFEST, &bytes);
        push.manifest(&descriptor, &bytes, name.tag().unwrap_or("latest"))?;
        Ok(descriptor.digest)
    }

    /// The document and what describes the layers. None if what is there is of another kind.
    pub fn artifact(
        &self,
        store: &Store,
        name: &Reference,
        kind: &str,
    ) -> Result<Option<Artifact>, RegistryError> {
        let found = self.read_artifact(store, name, kind);
        found.map_err(RegistryError::of_pull(name))
    }

    fn read_artifact(
        &self,
        store: &Store,
        name: &Reference,
        kind: &str,
    ) -> Result<Option<Artifact>, Failure> {
        let client = self.reader(name)?;
        let top = client.top(name)?;
        if index_of(&top)?.is_some() {
            return Ok(None);
        }
        let manifest: Manifest = parse("manifest", top.descriptor.digest, &top.bytes)?;
        if manifest.config.media_type != kind {
            return Ok(None);
        }
        let document = client.small_blob(store, &manifest.config)?;
        Ok(Some(Artifact { document, layers: manifest.layers }))
    }

    /// Brings one layer of an artifact into the store as a plain tar, which is what `diff_id` says.
    pub fn fetch_plain(
        &self,
        store: &Store,
        name: &Reference,
        layer: &Descriptor,
        diff_id: DiffId,
        watch: &dyn Watch,
    ) -> Result<Descriptor, RegistryError> {
        let found = self.bring_plain(store, name, layer, diff_id, watch);
        found.map_err(RegistryError::of_pull(name))
    }

    fn bring_plain(
        &self,
        store: &Store,
        name: &Reference,
        layer: &Descriptor,
        diff_id: DiffId,
        watch: &dyn Watch,
    ) -> Result<Descriptor, Failure> {
        let plain = |size| Descriptor::new(media_type::LAYER_TAR, diff_id.0, size);
        if store.hold(Held::Blob(diff_id.0))? {
            return Ok(plain(store.blob_size(&diff_id.0)?));
        }
        let digest = layer.digest;
        let sealed = self.reader(name)?.blob(store, layer, watch, None)?;
        let failed = |source| StoreError::Layer {
            digest,
            source: crate::layer::LayerError::Read { source },
        };
        let most = self.settings.largest_layer;
        let mut reader = decompressor(sealed.open()?).map_err(failed)?.take(most + 1);
        let mut writer = store.blob_writer()?;
        copy_into(&mut reader, &mut writer).map_err(|error| match error {
            StoreError::BlobSource { source } => failed(source),
            error => error,
        })?;
        if writer.size() > most {
            let what = format!("blob {digest}, unpacked,");
            return Err(Failure::TooLarge { what, limit: most });
        }
        let made = writer.seal()?;
        let actual = DiffId(made.info.digest);
        if actual != diff_id {
            return Err(StoreError::DiffId { digest, expected: diff_id, actual }.into());
        }
        Ok(plain(made.publish()?.size))
    }
}
