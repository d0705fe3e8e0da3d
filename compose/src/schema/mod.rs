//! What may be written where: the Compose Specification as tables, and the check of a tree against them.
//!
//! Newer than what Docker Compose 2.40 knows: `pre_start`, `pull_refresh_after`, `no_cache_filter`.

mod build;
mod check;
mod deploy;
mod error;
mod lists;
mod nearest;
mod project;
mod resource;
mod service;
mod shape;

pub use check::check;
pub use error::SchemaError;
pub(crate) use nearest::nearest;

/// Every attribute of a service, for the table of what is not honoured.
pub fn service_attributes() -> impl Iterator<Item = &'static str> {
    service::SERVICE.known.iter().map(|(name, _)| *name)
}
