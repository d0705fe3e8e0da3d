//! Content-addressed images, layers and snapshots. Knows OCI; runs no process, knows no Dockerfile.
//!
//! [`Store::open`] gives the handle that everything else hangs from. An image comes in (`archive`, or
//! [`Store::put_image`] from a build), is found by name or ID ([`Store::resolve`]), is unpacked into snapshots
//! ([`Store::unpack`]) that a caller mounts, goes out (`archive`), and is forgotten ([`Store::untag`], `gc`).
//!
//! Never here: running a process, mounting, printing, reading the environment. No blob is visible before its
//! digest has been computed from its bytes.
#![forbid(unsafe_code)]

mod ahead;
pub mod archive;
pub mod aside;
pub mod blob;
pub mod config;
pub mod descriptor;
pub mod digest;
mod durability;
pub mod error;
pub mod gc;
mod hashed_file;
pub mod http;
pub mod id_map;
pub mod image;
pub mod layer;
pub mod layers;
pub mod lease;
mod lock;
pub mod manifest;
pub mod media_type;
mod midstates;
mod open;
mod own;
pub mod platform;
pub mod reference;
pub mod registry;
mod repair;
pub mod snapshot;
mod staged;
mod summed;
pub mod tree;
pub mod usage;
pub mod validate;

pub use archive::{
    ArchiveKind, FormOptions, ImageToSave, ImportOptions, LayerForm, LoadOptions, LoadedImage,
};
pub use blob::{BlobInfo, BlobWriter};
pub use config::{ContainerConfig, Healthcheck, History, ImageConfig};
pub use descriptor::Descriptor;
pub use digest::{ChainId, DiffId, Digest, Hasher, HashingReader, HashingWriter};
pub use error::StoreError;
pub use gc::Pruned;
pub use image::{HistoryEntry, Image, ImageLayer, ImageSummary, ListedImage, NewImage, Removed};
pub use layers::StoredLayer;
pub use lease::Held;
pub use manifest::{Index, Manifest};
pub use midstates::Marks;
pub use open::Store;
pub use platform::Platform;
pub use reference::Reference;
pub use repair::{LostImage, Mended, Remedy, Repairs};
pub use snapshot::{
    ActiveSnapshot, MountTargets, OverlaySupport, RootfsMount, SnapshotForm, SnapshotId,
    Snapshotter,
};
pub use validate::{Problem, ProblemKind};
