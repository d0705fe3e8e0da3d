//! Content-addressed images, layers and snapshots. Knows OCI; runs no process, knows no Dockerfile.
#![forbid(unsafe_code)]

pub mod config;
pub mod digest;
pub mod id_map;
pub mod layer;
pub mod platform;
pub mod reference;
pub mod tree;

pub use config::{ContainerConfig, Healthcheck, History, ImageConfig};
pub use digest::{ChainId, DiffId, Digest, Hasher, HashingReader, HashingWriter};
pub use platform::Platform;
pub use reference::Reference;
