//! Dockerfile and build context to an image in the store.
//!
//! `Dockerfile → parser → plan (stages, steps with every word expanded; no I/O) → solve (keys, cache, execution)
//! → commit → export`.
#![forbid(unsafe_code)]

mod built;
mod cache;
mod cancel;
pub mod chmod;
pub mod context;
mod error;
pub mod export;
pub mod glob;
mod healthcheck;
mod history;
mod image_config;
mod named_context;
pub mod plan;
pub mod progress;
pub mod request;
mod scope;
mod stage_graph;
mod state;
pub mod step;

pub use built::BuiltImage;
pub use cancel::Cancel;
pub use error::BuildError;
pub use history::rfc3339;
pub use plan::{BuildPlan, PlannedStage};
pub use progress::{BuildEvent, Progress};
pub use request::BuildRequest;
pub use step::{PlannedStep, Source, StageId, Step};
