//! Blobs that were fetched one by one, as a registry gives them: the same checks as for an archive's.
use std::collections::HashMap;

use super::load::check_platforms;
use super::load_oci::Images;
use super::source::{Found, Source, blob_name};
use crate::blob::SealedBlob;
use crate::descriptor::Descriptor;
use crate::error::Result;
use crate::image::names;
use crate::open::Store;
use crate::platform::Platform;
use crate::reference::Reference;
use crate::staged::Staged;

use super::load::FoundImage;

/// New blobs, invisible yet. What is missing among them is in the store.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    files: HashMap<String, usize>,
    written: Vec<SealedBlob>,
}

impl Fetched {
    pub(crate) fn add(&mut self, blob: SealedBlob) {
        self.files.insert(blob_name(&blob.info.digest), self.written.len());
        self.written.push(blob);
    }
}

impl Source for Fetched {
    fn document(&mut self, _name: &str) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn file(&mut self, name: &str) -> Result<Option<Found>> {
        Ok(self.files.get(name).map(|number| Found::New(*number)))
    }

    fn written(&self) -> &[SealedBlob] {
        &self.written
    }

    fn publish(&self) -> Result<()> {
        self.written.iter().try_for_each(|sealed| sealed.publish().map(drop))
    }
}

impl Store {
    /// Checks that `target` is an image for `platform` with everything it refers to, makes it visible and gives it the
    /// name. `must` is a platform that nothing else will do for; `staged` are layers of it that are unpacked already.
    pub(crate) fn accept_fetched(
        &self,
        mut fetched: Fetched,
        target: &Descriptor,
        platform: &Platform,
        must: Option<&Platform>,
        name: Reference,
        staged: Staged,
    ) -> Result<FoundImage> {
        let mut images = Images::new(self, &mut fetched, Some(platform.clone()));
        let candidate = images.candidate(target)?;
        check_platforms(std::slice::from_ref(&candidate), must)?;
        fetched.publish()?;
        self.commit_staged(staged)?;
        self.sync_blobs()?;
        self.update_index(|index| {
            names::assign(index, &[(&candidate.target, &[name])]);
            Ok(())
        })?;
        self.mark_listed(&candidate.target);
        Ok(candidate.images[0].clone())
    }
}
