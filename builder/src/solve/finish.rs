//! The end of a build: the image gets its names, and the outputs are written.
//!
//! What has a name has to be on the disk first. Archives and files are written while that is waited for: they are nobody's
//! of the store. An image that cannot be written has its names nevertheless.

use store::{Descriptor, Image, Reference, Store};

use super::{commit_error, push};
use crate::commit::{self, Committed, Parts};
use crate::error::BuildError;
use crate::export;
use crate::request::{BuildRequest, Output};

use super::transfer::Teller;

pub(super) struct Finish<'a> {
    pub(super) store: &'a Store,
    pub(super) request: &'a BuildRequest,
    pub(super) names: &'a [Reference],
    pub(super) parts: &'a [Parts],
    /// With the other times of files, if an output asks for them.
    pub(super) other: &'a [Parts],
    pub(super) teller: Teller<'a>,
}

impl Finish<'_> {
    /// What was committed, and the manifest or index that readers of the outputs see, if it is another one.
    pub(super) fn all(&self) -> Result<(Committed, Option<Descriptor>), BuildError> {
        let pushes = |output: &Output| matches!(output, Output::Push(_));
        if self.request.outputs.is_empty() || self.request.outputs.iter().any(pushes) {
            let committed = self.commit()?;
            let exported = self.outputs(&committed.images)?;
            return Ok((committed, exported));
        }
        let images = self.nameless(self.parts)?;
        // New forms of layers and their manifests, so that nothing is new when the names are given.
        if let Err(error) = self.prepare(&images) {
            self.commit()?;
            return Err(error);
        }
        std::thread::scope(|scope| {
            let committing = scope.spawn(|| self.commit());
            let exported = self.outputs(&images);
            let committed = committing.join().unwrap_or_else(|it| std::panic::resume_unwind(it));
            Ok((committed?, exported?))
        })
    }

    fn prepare(&self, images: &[Image]) -> Result<(), BuildError> {
        for output in &self.request.outputs {
            export::prepare(self.store, &self.images_for(output, images)?, self.names, output)?;
        }
        Ok(())
    }

    fn commit(&self) -> Result<Committed, BuildError> {
        commit::commit(self.store, self.parts, self.names).map_err(commit_error)
    }

    fn nameless(&self, parts: &[Parts]) -> Result<Vec<Image>, BuildError> {
        commit::nameless(self.store, parts).map_err(commit_error)
    }

    fn images_for(&self, output: &Output, images: &[Image]) -> Result<Vec<Image>, BuildError> {
        let clamp = self.request.rewrite_timestamps;
        if output.clamps(clamp) == clamp { Ok(images.to_vec()) } else { self.nameless(self.other) }
    }

    fn outputs(&self, images: &[Image]) -> Result<Option<Descriptor>, BuildError> {
        let (store, names) = (self.store, self.names);
        let mut exported = None;
        for output in &self.request.outputs {
            let images = self.images_for(output, images)?;
            let written = match (output, &self.request.registries) {
                (Output::Push(options), Some(registries)) => {
                    push::push(store, registries, &images, names, options, self.teller)?
                }
                _ => export::write(store, &images, names, output)?,
            };
            exported = written.or(exported);
        }
        Ok(exported)
    }
}
