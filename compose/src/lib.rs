//! Compose files to a typed, immutable [`Project`].
#![forbid(unsafe_code)]

pub mod graph;
pub mod model;
pub mod path;
pub mod reconcile;
pub mod render;
pub mod source;
pub mod yaml;

pub use model::Project;
