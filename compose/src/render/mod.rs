//! Documents as text, byte for byte as Go's encoders write them.

mod data;
mod json;
mod yaml;

pub use data::Data;
pub use json::{compact as json_compact, indented as json};
pub use yaml::text as yaml;

/// Which document an attribute is written into: some are named or left out differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Yaml,
    Json,
}
