//! The image that a container is to be made of: of the store, or from its registry.

use anyhow::Result;
use store::registry::{PullOptions, Silent, Watch};
use store::{Image, Reference, Store, StoreError};

use super::{Direction, Transfer, is_offline, registries};
use crate::environment::Environment;
use crate::{image_events, report};

/// When a registry is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Always,
    Missing,
    Never,
}

/// Finds the image by name or ID. What is told of a pull goes to stderr, as docker's does.
pub fn find_image(
    store: &Store,
    text: &str,
    when: When,
    quiet: bool,
    environment: &Environment,
) -> Result<Image> {
    let found = match when {
        When::Always => None,
        When::Missing | When::Never => Some(store.resolve(text)),
    };
    let is_missing = matches!(&found, None | Some(Err(StoreError::ImageNotFound { .. })));
    let may_pull = when != When::Never && (when == When::Always || !is_offline(environment));
    // What is no name can be no more than the ID of an image that is not there.
    let name = text.parse::<Reference>().ok().filter(|_| is_missing && may_pull);
    let Some(name) = name else {
        return Ok(found.unwrap_or_else(|| store.resolve(text))?);
    };
    let transfer = Transfer::on_stderr(Direction::Pull);
    if !quiet && when == When::Missing {
        report::print(&format!("Unable to find image '{}' locally", name.familiar()));
    }
    let watch: &dyn Watch = if quiet { &Silent } else { &transfer };
    let options = PullOptions { platform: None, unpack: true };
    let pulled = registries(environment, true)?.pull(store, &name, &options, watch)?;
    image_events::transferred(store, &name, "pull");
    if !quiet {
        report::print(&format!("Digest: {}", pulled.digest));
        let status = match pulled.was_current {
            true => "Image is up to date",
            false => "Downloaded newer image",
        };
        report::print(&format!("Status: {status} for {}", name.familiar()));
    }
    Ok(store.resolve(&name.to_string())?)
}
