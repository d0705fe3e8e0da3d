//! What a build gives back.

use store::{Descriptor, Digest, Reference};

/// An image that was built and is in the store.
#[derive(Clone, Debug, PartialEq)]
pub struct BuiltImage {
    /// Digest of the configuration.
    pub image_id: Digest,
    /// Of the image in the store; an output with compressed layers has its own.
    pub manifest: Descriptor,
    pub tags: Vec<Reference>,
    /// Steps the plan had, and how many of them the cache answered.
    pub steps: usize,
    pub cached: usize,
    /// For `--metadata-file`, with the names of docker's.
    pub metadata: serde_json::Value,
}
