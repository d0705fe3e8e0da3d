//! What the documents of images say, without their layers.
use std::io::Read;

use super::Registries;
use super::client::Client;
use super::download::Document;
use super::error::{Failure, RegistryError};
use super::pull::{index_of, parse};
use super::watch::Silent;
use crate::blob::DOCUMENT_LIMIT;
use crate::config::ImageConfig;
use crate::descriptor::Descriptor;
use crate::error::io_error;
use crate::image::select;
use crate::manifest::Manifest;
use crate::open::Store;
use crate::platform::Platform;
use crate::reference::Reference;

impl Registries {
    /// Manifest and configuration of the images of a name: of an index those for the platforms, as far as it has them.
    pub fn documents(
        &self,
        store: &Store,
        name: &Reference,
        platforms: &[Platform],
    ) -> Result<Vec<(Manifest, ImageConfig)>, RegistryError> {
        let read = || {
            let client = self.reader(name)?;
            let top = client.top(name)?;
            let Some(index) = index_of(&top)? else { return Ok(vec![client.image(store, &top)?]) };
            let mut found = Vec::new();
            for platform in platforms {
                // What it does not have for one platform it may have for another.
                let Ok(chosen) = select::choose(&index, platform, top.descriptor.digest) else {
                    continue;
                };
                found.push(client.image(store, &client.described(&chosen)?)?);
            }
            Ok(found)
        };
        read().map_err(RegistryError::of_pull(name))
    }
}

impl Client {
    fn image(
        &self,
        store: &Store,
        document: &Document,
    ) -> Result<(Manifest, ImageConfig), Failure> {
        let manifest: Manifest = parse("manifest", document.descriptor.digest, &document.bytes)?;
        let config = self.config(store, &manifest.config)?;
        Ok((manifest, config))
    }

    pub(super) fn config(
        &self,
        store: &Store,
        wanted: &Descriptor,
    ) -> Result<ImageConfig, Failure> {
        parse("image configuration", wanted.digest, &self.small_blob(store, wanted)?)
    }

    /// A blob that is a document.
    pub(super) fn small_blob(
        &self,
        store: &Store,
        wanted: &Descriptor,
    ) -> Result<Vec<u8>, Failure> {
        if wanted.size > DOCUMENT_LIMIT {
            let (what, limit) = (format!("blob {}", wanted.digest), DOCUMENT_LIMIT);
            return Err(Failure::TooLarge { what, limit });
        }
        let sealed = self.blob(store, wanted, &Silent, None)?;
        let mut bytes = Vec::new();
        let read = sealed.open()?.read_to_end(&mut bytes);
        read.map_err(io_error("read the new blob", sealed.path()))?;
        Ok(bytes)
    }
}
