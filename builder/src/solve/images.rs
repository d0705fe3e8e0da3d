//! Images and named contexts: found once, then shared.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use store::{Image, ImageConfig, Platform, Reference, Store, StoreError};

use super::filesystem::BaseImage;
use super::remotes::Remotes;
use crate::cancel::Cancel;
use crate::execute::StepError;
use crate::plan::{BaseError, BaseImages, EpochSource};
use crate::request::{BuildRequest, NamedContext};

/// What FROM and `--from` can name besides stages.
#[derive(Debug)]
pub(super) struct Images<'a> {
    store: &'a Store,
    request: &'a BuildRequest,
    remotes: &'a Remotes<'a>,
    cancel: &'a Cancel,
    found: Mutex<HashMap<(String, String), Arc<BaseImage>>>,
}

impl<'a> Images<'a> {
    pub(super) fn new(
        store: &'a Store,
        request: &'a BuildRequest,
        remotes: &'a Remotes<'a>,
        cancel: &'a Cancel,
    ) -> Images<'a> {
        Images { store, request, remotes, cancel, found: Mutex::default() }
    }

    pub(super) fn by_name(
        &self,
        name: &str,
        platform: &Platform,
    ) -> Result<Arc<BaseImage>, StepError> {
        self.shared(format!("image {name}"), platform, || self.look_up(name, platform))
    }

    /// None for a directory.
    pub(super) fn by_context(
        &self,
        key: &str,
        platform: &Platform,
    ) -> Result<Option<Arc<BaseImage>>, StepError> {
        let load = || match self.request.named_contexts.get(key) {
            Some(NamedContext::Image(name)) => self.look_up(name, platform),
            Some(NamedContext::OciLayout { path, tag, digest }) => {
                let name = digest.as_deref().or(tag.as_deref());
                Ok(self.store.open_layout(path, name)?)
            }
            _ => Err(missing(key)),
        };
        match self.request.named_contexts.get(key) {
            Some(NamedContext::Image(_) | NamedContext::OciLayout { .. }) | None => {
                self.shared(format!("context {key}"), platform, load).map(Some)
            }
            Some(_) => Ok(None),
        }
    }

    fn shared(
        &self,
        key: String,
        platform: &Platform,
        load: impl FnOnce() -> Result<Image, StepError>,
    ) -> Result<Arc<BaseImage>, StepError> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (key, platform.to_string());
        if let Some(image) = found.get(&key) {
            return Ok(image.clone());
        }
        let image = load()?;
        if !self.store.hold_image(&image)? {
            let digest = image.descriptor.digest;
            return Err(StoreError::BlobMissing { digest }.into());
        }
        self.store.mark_used(&image);
        let image = Arc::new(BaseImage::new(image));
        found.insert(key, image.clone());
        Ok(image)
    }

    fn look_up(&self, name: &str, platform: &Platform) -> Result<Image, StepError> {
        let failed = |source| StepError::Image { name: name.to_owned(), source };
        let reference: Reference = name.parse().map_err(|error| failed(Box::new(error)))?;
        match self.store.resolve_for(&reference.to_string(), platform) {
            Err(StoreError::ImageNotFound { .. }) => Err(missing(name)),
            found => Ok(found?),
        }
    }
}

fn missing(name: &str) -> StepError {
    let source = Box::new(StoreError::ImageNotFound { name: name.to_owned() });
    StepError::Image { name: name.to_owned(), source }
}

impl BaseImages for Images<'_> {
    fn image(&self, name: &str, platform: &Platform) -> Result<ImageConfig, BaseError> {
        Ok(self.by_name(name, platform)?.image.config.clone())
    }

    fn named(&self, name: &str, platform: &Platform) -> Result<Option<ImageConfig>, BaseError> {
        Ok(self.by_context(name, platform)?.map(|base| base.image.config.clone()))
    }

    fn time_of_context(&self, name: &str) -> Result<Option<i64>, BaseError> {
        Ok(self.remotes.context(name, self.cancel)?.and_then(|fetched| fetched.time()))
    }

    fn time_of_source(&self, source: &EpochSource) -> Result<Option<i64>, BaseError> {
        Ok(self.remotes.time(source, self.cancel)?)
    }
}
