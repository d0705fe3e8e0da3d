//! The images that are put into a list: those of the store, else those of a registry, of which only the documents are read.
use std::collections::BTreeMap;

use super::{ListEntry, ListPlatform};
use crate::archive::FormOptions;
use crate::config::ImageConfig;
use crate::descriptor::Descriptor;
use crate::error::StoreError;
use crate::image::{Image, select};
use crate::manifest::Manifest;
use crate::open::Store;
use crate::platform::Platform;
use crate::reference::Reference;
use crate::registry::Registries;
use crate::registry::client::Client;
use crate::registry::download::Document;
use crate::registry::error::{Failure, RegistryError};
use crate::registry::pull::{index_of, parse};

/// A manifest or an index as a registry has it.
#[derive(Clone, Debug)]
pub struct RemoteManifest {
    pub descriptor: Descriptor,
    pub bytes: Vec<u8>,
    pub is_index: bool,
}

impl Registries {
    /// What a name leads to in its registry.
    pub fn look_up(&self, name: &Reference) -> Result<RemoteManifest, RegistryError> {
        let looked = self.reader(name).and_then(|client| {
            let document = client.top(name)?;
            let is_index = index_of(&document)?.is_some();
            Ok(RemoteManifest { descriptor: document.descriptor, bytes: document.bytes, is_index })
        });
        looked.map_err(|source| failed(name, source))
    }

    /// Of an index only the image for this machine, unless `all` are wanted.
    pub fn find_for_list(
        &self,
        store: &Store,
        name: &Reference,
        all: bool,
        form: FormOptions,
    ) -> Result<Vec<ListEntry>, RegistryError> {
        let found = of_store(store, name, all, form).map_err(Failure::from);
        let found = found.and_then(|found| match found {
            Some(found) => Ok(found),
            None => self.of_registry(store, name, all),
        });
        found.map_err(|source| failed(name, source))
    }

    /// All images of a name as the registry has them, whatever the store has.
    pub fn entries_of(
        &self,
        store: &Store,
        name: &Reference,
    ) -> Result<Vec<ListEntry>, RegistryError> {
        self.of_registry(store, name, true).map_err(|source| failed(name, source))
    }

    pub(in crate::registry) fn reader(&self, name: &Reference) -> Result<Client, Failure> {
        let from = self.settings.rules.destination(name)?;
        let scope = format!("repository:{}:pull", from.repository);
        self.client(&from, vec![scope])
    }

    fn of_registry(
        &self,
        store: &Store,
        name: &Reference,
        all: bool,
    ) -> Result<Vec<ListEntry>, Failure> {
        let client = self.reader(name)?;
        let finder = Finder { store, client: &client, name, all };
        let mut found = Vec::new();
        finder.follow(client.top(name)?, select::MAX_NESTING, &mut found)?;
        Ok(found)
    }
}

fn failed(name: &Reference, source: Failure) -> RegistryError {
    RegistryError::LookUp {
        registry: name.domain().to_owned(),
        repository: name.repository().to_owned(),
        suffix: name.suffix(),
        source: Box::new(source),
    }
}

/// None where the store does not have what is wanted.
pub(super) fn of_store(
    store: &Store,
    name: &Reference,
    all: bool,
    form: FormOptions,
) -> Result<Option<Vec<ListEntry>>, StoreError> {
    let mut target = match store.listed(&name.to_string()) {
        // What the store's own list says of it is for nobody else.
        Ok((_, target)) => Descriptor { annotations: BTreeMap::new(), ..target },
        Err(StoreError::ImageNotFound { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    if all && !store.has_all_manifests(&target)? {
        return Ok(None);
    }
    if !all {
        target = store.for_platform(&target, &Platform::host())?;
    }
    let images = store.outgoing(&target, form)?.images;
    images.iter().map(|image| of_image(store, name, image)).collect::<Result<_, _>>().map(Some)
}

fn of_image(store: &Store, name: &Reference, image: &Image) -> Result<ListEntry, StoreError> {
    let bytes = store.read_document("manifest", &image.descriptor.digest)?;
    entry(name, &image.descriptor, bytes, &image.config)
}

fn entry(
    from: &Reference,
    descriptor: &Descriptor,
    manifest: Vec<u8>,
    config: &ImageConfig,
) -> Result<ListEntry, StoreError> {
    let digest = descriptor.digest;
    // What is JSON is text.
    let manifest = String::from_utf8(manifest).map_err(|error| StoreError::BlobDocument {
        what: "manifest",
        digest,
        source: serde::de::Error::custom(error),
    })?;
    Ok(ListEntry {
        from: from.clone(),
        media_type: descriptor.media_type.clone(),
        digest,
        size: descriptor.size,
        platform: ListPlatform::of(config),
        annotations: descriptor.annotations.clone(),
        manifest,
    })
}

struct Finder<'a> {
    store: &'a Store,
    client: &'a Client,
    name: &'a Reference,
    all: bool,
}

impl Finder<'_> {
    fn follow(
        &self,
        document: Document,
        depth: usize,
        found: &mut Vec<ListEntry>,
    ) -> Result<(), Failure> {
        let Some(index) = index_of(&document)? else {
            found.push(self.image(document)?);
            return Ok(());
        };
        let depth =
            depth.checked_sub(1).ok_or_else(|| select::nested_too_deep(&document.descriptor))?;
        let wanted = match self.all {
            true => index.manifests,
            false => vec![select::choose(&index, &Platform::host(), document.descriptor.digest)?],
        };
        // Provenance is about the index it came with.
        for entry in wanted.iter().filter(|entry| !select::is_attestation(entry)) {
            self.follow(self.client.described(entry)?, depth, found)?;
        }
        Ok(())
    }

    fn image(&self, document: Document) -> Result<ListEntry, Failure> {
        let digest = document.descriptor.digest;
        let manifest: Manifest = parse("manifest", digest, &document.bytes)?;
        let config = self.client.config(self.store, &manifest.config)?;
        Ok(entry(self.name, &document.descriptor, document.bytes, &config)?)
    }
}
