//! Images: names, manifests and configurations seen together.
//!
//! | file         | what                                                     |
//! |--------------|----------------------------------------------------------|
//! | `names.rs`   | `images/index.json`: which names lead to which manifest  |
//! | `resolve.rs` | name or ID → [`Image`]                                   |
//! | `select.rs`  | the choice of a platform                                 |
//! | `list.rs`    | summaries and history                                    |
//! | `put.rs`     | new images, from a configuration and layers              |
//! | `untag.rs`   | removing names and images                                |
//! | `forget.rs`  | removing what nobody uses                                |
mod forget;
mod list;
pub(crate) mod names;
mod put;
mod resolve;
pub(crate) mod select;
pub(crate) mod sizes;
mod untag;
mod used;

use crate::config::ImageConfig;
use crate::descriptor::Descriptor;
use crate::digest::{ChainId, DiffId, Digest};
use crate::error::{Result, StoreError};
use crate::manifest::Manifest;
use crate::media_type;
use crate::platform::Platform;
use crate::reference::Reference;

pub use forget::ListedImage;
pub use list::{HistoryEntry, ImageSummary};
pub use put::NewImage;
pub use untag::Removed;

/// An image of one platform, with its documents read and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The name it was asked for by; none if by ID.
    pub reference: Option<Reference>,
    /// Describes the manifest.
    pub descriptor: Descriptor,
    pub manifest: Manifest,
    pub config: ImageConfig,
}

/// A layer of an image: how it is stored, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageLayer {
    pub descriptor: Descriptor,
    pub diff_id: DiffId,
    /// The stack that this layer is the top of.
    pub chain_id: ChainId,
}

/// A plain layer is its own diff ID. Its bytes are read at the offsets of an index known by diff IDs, so a manifest
/// that lists another blob there must not get that far. Compressed layers are checked when they are unpacked.
pub(crate) fn check_plain_layer(layer: &Descriptor, expected: DiffId) -> Result<()> {
    let (digest, actual) = (layer.digest, DiffId(layer.digest));
    if media_type::is_plain_layer(&layer.media_type) && actual != expected {
        return Err(StoreError::DiffId { digest, expected, actual });
    }
    Ok(())
}

/// Whether a manifest is of an image, and not of something else that is kept like one (provenance, signatures).
pub(crate) fn describes_image(manifest: &Manifest) -> bool {
    let config = manifest.config.media_type.as_str();
    matches!(config, "" | media_type::IMAGE_CONFIG | media_type::DOCKER_CONFIG)
        && manifest.layers.iter().all(|layer| media_type::is_layer(&layer.media_type))
}

impl Image {
    /// The digest of the configuration.
    pub fn id(&self) -> Digest {
        self.manifest.config.digest
    }

    /// All blobs of the image, layers first, then what refers to them.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        self.manifest.layers.iter().chain([&self.manifest.config, &self.descriptor])
    }

    pub fn platform(&self) -> Platform {
        self.config.platform()
    }

    /// Bottom first.
    pub fn layers(&self) -> Vec<ImageLayer> {
        let mut parent = None;
        let pairs = self.manifest.layers.iter().zip(&self.config.rootfs.diff_ids);
        pairs
            .map(|(descriptor, diff_id)| {
                let chain_id = ChainId::on(parent, *diff_id);
                parent = Some(chain_id);
                ImageLayer { descriptor: descriptor.clone(), diff_id: *diff_id, chain_id }
            })
            .collect()
    }
}
