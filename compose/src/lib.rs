//! Compose files to a typed, immutable [`Project`].
#![forbid(unsafe_code)]

pub mod canonical;
mod depth_first;
pub mod discover;
pub mod dotenv;
pub mod findings;
pub mod graph;
mod hash;
pub mod interpolate;
pub mod listing;
pub mod load;
pub mod merge;
pub mod model;
pub mod path;
pub mod paths;
pub mod reconcile;
pub mod render;
pub mod schema;
pub mod source;
pub mod stack;
pub mod unsupported;
pub mod yaml;

pub use hash::service_hash;
pub use load::{LoadError, LoadOptions, LoadRequest, Loaded, load};
pub use model::Project;
