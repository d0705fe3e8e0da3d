#![forbid(unsafe_code)]
//! Compose files to a typed, immutable [`Project`].

pub mod model;
pub mod path;
pub mod render;
pub mod source;
pub mod yaml;

pub use model::Project;
