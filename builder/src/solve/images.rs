//! Images and named contexts: found once, then shared.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use store::registry::{PullOptions, Registries};
use store::{Image, ImageConfig, Platform, Reference, Store, StoreError};

use super::filesystem::BaseImage;
use super::remotes::Remotes;
use super::transfer::Teller;
use crate::execute::StepError;
use crate::plan::{BaseError, BaseImages, EpochSource};
use crate::request::{BuildRequest, NamedContext, PullPolicy};

/// What FROM and `--from` can name besides stages.
#[derive(Debug)]
pub(super) struct Images<'a> {
    store: &'a Store,
    request: &'a BuildRequest,
    remotes: &'a Remotes<'a>,
    teller: Teller<'a>,
    found: Mutex<HashMap<(String, String), Arc<BaseImage>>>,
}

impl<'a> Images<'a> {
    pub(super) fn new(
        store: &'a Store,
        request: &'a BuildRequest,
        remotes: &'a Remotes<'a>,
        teller: Teller<'a>,
    ) -> Images<'a> {
        Images { store, request, remotes, teller, found: Mutex::default() }
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
        let registries =
            self.request.registries.as_ref().filter(|registries| !registries.is_offline());
        let resolve = || self.store.resolve_for(&reference.to_string(), platform);
        if let (Some(registries), PullPolicy::Always) = (registries, self.request.pull) {
            self.pull(registries, name, &reference, platform)?;
            return Ok(resolve()?);
        }
        match (resolve(), registries) {
            (Err(StoreError::ImageNotFound { .. }), None) => Err(missing(name)),
            (Err(StoreError::ImageNotFound { .. } | StoreError::NoPlatform { .. }), Some(of)) => {
                self.pull(of, name, &reference, platform)?;
                Ok(resolve()?)
            }
            (found, _) => Ok(found?),
        }
    }

    fn pull(
        &self,
        registries: &Registries,
        name: &str,
        reference: &Reference,
        platform: &Platform,
    ) -> Result<(), StepError> {
        // One that is for another platform only is pulled as well; what comes of it is told where it is used.
        let host = *platform == Platform::host();
        let options = PullOptions { platform: (!host).then(|| platform.clone()), unpack: true };
        let pulled = self.teller.tell(format!("[internal] pull {reference}"), |watch| {
            registries.pull(self.store, reference, &options, watch)
        });
        match pulled {
            Ok(_) => Ok(()),
            Err(_) if self.teller.cancel.is_cancelled() => Err(StepError::Cancelled),
            Err(error) => Err(StepError::Image { name: name.to_owned(), source: Box::new(error) }),
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
        Ok(self.remotes.context(name, self.teller.cancel)?.and_then(|fetched| fetched.time()))
    }

    fn time_of_source(&self, source: &EpochSource) -> Result<Option<i64>, BaseError> {
        Ok(self.remotes.time(source, self.teller.cancel)?)
    }
}
