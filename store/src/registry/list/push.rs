//! A list to a registry: the images it lists, with whatever the registry lacks of them, and then itself.
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::find::of_store;
use super::{List, ListEntry, ListKind};
use crate::archive::FormOptions;
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::lease::Held;
use crate::manifest::Manifest;
use crate::open::Store;
use crate::reference::Reference;
use crate::registry::Registries;
use crate::registry::client::Client;
use crate::registry::error::{Failure, RegistryError};
use crate::registry::pull::parse;
use crate::registry::push::{Push, scopes};
use crate::registry::rules::Endpoint;
use crate::registry::watch::Watch;

/// What the registry has under the name now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushedList {
    pub digest: Digest,
    pub size: u64,
}

impl Registries {
    /// Blobs that are neither in the store nor in the registry are fetched from where their image is.
    pub fn push_list(
        &self,
        store: &Store,
        list: &List,
        to: &Reference,
        kind: ListKind,
        form: FormOptions,
        watch: &dyn Watch,
    ) -> Result<PushedList, RegistryError> {
        let pushed = self.push_all(store, list, to, kind, form, watch);
        pushed.map_err(RegistryError::of_push(to))
    }

    fn push_all(
        &self,
        store: &Store,
        list: &List,
        to: &Reference,
        kind: ListKind,
        form: FormOptions,
        watch: &dyn Watch,
    ) -> Result<PushedList, Failure> {
        let there = self.settings.rules.destination(to)?;
        let images = list.entries.iter().map(|entry| self.image(store, entry, form));
        let images = images.collect::<Result<Vec<_>, _>>()?;
        let mut elsewhere = HashMap::new();
        for image in images.iter().filter(|image| image.is_beside(&there)) {
            let of = |blob: &Descriptor| (blob.digest, image.origin.repository.clone());
            elsewhere.extend(image.blobs.iter().map(of));
        }
        let repositories: BTreeSet<&String> = elsewhere.values().collect();
        let client = self.client(&there, scopes(&there, repositories))?;
        let origins = self.origins(&images)?;
        let mut sources = HashMap::new();
        for image in images.iter().filter(|image| !image.is_here) {
            let origin = &origins[&image.key()];
            sources.extend(image.blobs.iter().map(|blob| (blob.digest, origin)));
        }
        let push = Push { store, client: &client, watch, elsewhere, sources };
        push.blobs(images.iter().flat_map(|image| &image.blobs))?;
        for entry in &list.entries {
            let tag = entry.digest.to_string();
            push.manifest(&entry.descriptor(), entry.manifest.as_bytes(), &tag)?;
        }
        let bytes = list.document(kind).to_string().into_bytes();
        let descriptor = Descriptor::of(kind.media_type(), &bytes);
        push.manifest(&descriptor, &bytes, to.tag().unwrap_or("latest"))?;
        Ok(PushedList { digest: descriptor.digest, size: descriptor.size })
    }

    fn image(&self, store: &Store, entry: &ListEntry, form: FormOptions) -> Result<Image, Failure> {
        let manifest: Manifest = parse("manifest", entry.digest, entry.manifest.as_bytes())?;
        let mut blobs = manifest.layers;
        blobs.push(manifest.config);
        let mut is_here = are_here(store, &blobs)?;
        if !is_here {
            // Layers that are plain in the store are compressed once more, to the same bytes.
            is_here = of_store(store, &entry.from, true, form)?
                .is_some_and(|made| made.iter().any(|made| made.digest == entry.digest))
                && are_here(store, &blobs)?;
        }
        let origin = self.settings.rules.destination(&entry.from)?;
        Ok(Image { origin, blobs, is_here })
    }

    /// Whom to ask for what is not here.
    fn origins(&self, images: &[Image]) -> Result<BTreeMap<Key, Client>, Failure> {
        let mut origins = BTreeMap::new();
        for image in images.iter().filter(|image| !image.is_here) {
            if let Entry::Vacant(new) = origins.entry(image.key()) {
                let scope = format!("repository:{}:pull", image.origin.repository);
                new.insert(self.client(&image.origin, vec![scope])?);
            }
        }
        Ok(origins)
    }
}

fn are_here(store: &Store, blobs: &[Descriptor]) -> Result<bool, Failure> {
    let mut all = true;
    for blob in blobs {
        all &= store.hold(Held::Blob(blob.digest))?;
    }
    Ok(all)
}

/// Registry and repository.
type Key = (String, String);

/// An image of the list, and where it comes from.
struct Image {
    origin: Endpoint,
    /// Layers and configuration.
    blobs: Vec<Descriptor>,
    is_here: bool,
}

impl Image {
    fn key(&self) -> Key {
        (self.origin.registry.clone(), self.origin.repository.clone())
    }

    /// Whether it is in another repository of that registry.
    fn is_beside(&self, other: &Endpoint) -> bool {
        self.origin.registry == other.registry && self.origin.repository != other.repository
    }
}
