//! Dockerfile and build context to an image in the store.
//!
//! `Dockerfile → parser → plan (stages, steps with every word expanded; no I/O) → solve (keys, cache, execution)
//! → commit → export`.
#![forbid(unsafe_code)]

mod built;
pub mod cache;
mod cancel;
mod change;
mod check;
pub mod check_rules;
pub mod chmod;
mod clamp;
mod commit;
pub mod context;
mod error;
mod execute;
pub mod export;
pub mod fetch;
pub mod glob;
mod healthcheck;
mod history;
mod image_config;
mod named_context;
pub mod plan;
pub mod progress;
mod quirk;
pub mod request;
mod scope;
mod solve;
mod stage_graph;
pub mod step;
mod threads;

pub use built::BuiltImage;
pub use cancel::Cancel;
pub use change::{change_config, changed_config};
pub use check::{Checked, check, check_extra, outline};
pub use error::{BuildError, RunError, StepError};
pub use history::rfc3339;
pub use plan::{BuildPlan, PlannedStage};
pub use progress::{BuildEvent, Progress};
pub use quirk::Quirk;
pub use request::BuildRequest;
pub use step::{PlannedStep, Source, StageId, Step};
pub use threads::set_workers;

/// Builds the image of a request: everything from its text to the tagged image and the outputs asked for.
/// Without `zygote` a RUN that the cache does not have fails.
pub fn build(
    request: &BuildRequest,
    store: &store::Store,
    zygote: Option<&runtime::Zygote>,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<BuiltImage, BuildError> {
    solve::build(request, store, zygote, progress, cancel)
}
