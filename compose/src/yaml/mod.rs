//! YAML text to a tree that knows where each value was written.
//!
//! Scalars mean what Go's yaml.v3 makes of them, since that is what Docker Compose reads with: `0644` is
//! octal, `yes` is a string. Anchors, aliases and merge keys are resolved here; `!reset` and `!override`
//! become a list of paths.

mod document;
mod error;
mod limits;
mod merge_key;
mod node;
mod scalar;

pub use document::{Document, parse};
pub use error::YamlError;
pub use limits::{MAX_BYTES, MAX_DEPTH, MAX_NODES};
pub use node::{Map, Node, Value};
pub(crate) use scalar::{float_text, go_float, looks_like_string};
