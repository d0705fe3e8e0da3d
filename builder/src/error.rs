//! Why a build fails. Errors that come from a line of the Dockerfile say which bytes of it.

use std::path::PathBuf;

use parser::{ParseErrors, Span};
use store::StoreError;
use store::usage::Disk;

pub use crate::execute::{RunError, StepError};
use crate::plan::PlanError;

/// What [`crate::build`] returns.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(transparent)]
    Parse(#[from] ParseErrors),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("{source}")]
    Step { name: String, span: Span, source: Box<StepError> },
    #[error(".dockerignore: {source}")]
    Ignore { source: crate::context::ignore::IgnoreError },
    #[error("cannot open the build context `{}`", path.display())]
    Context { path: PathBuf, source: sys::SysError },
    #[error("`{text}` is not a tag: {source}")]
    Tag { text: String, source: store::reference::ReferenceError },
    #[error("`--platform {text}`: {source}")]
    Platform { text: String, source: store::platform::PlatformError },
    #[error(transparent)]
    Export(#[from] crate::export::ExportError),
    #[error("cannot commit the image")]
    Commit { source: Box<StepError> },
    #[error("cannot send the cache to `{name}`")]
    CacheExport { name: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot make networks for RUN: {source}")]
    Network { source: runtime::network::NetworkError },
    #[error("the build was cancelled")]
    Cancelled,
}

impl BuildError {
    /// The bytes of the Dockerfile the error is about. Parse errors carry one each instead.
    pub fn span(&self) -> Option<Span> {
        match self {
            BuildError::Plan(error) => error.span,
            BuildError::Step { span, .. } => Some(*span),
            _ => None,
        }
    }

    /// What a program of a RUN left of the store's disk, if it failed with next to nothing left.
    pub fn full_disk(&self) -> Option<Disk> {
        let BuildError::Step { source, .. } = self else { return None };
        match &**source {
            StepError::Run(RunError::Exit { full, .. }) => *full,
            _ => None,
        }
    }

    /// What to try instead, as a sentence without full stop.
    pub fn hint(&self) -> Option<String> {
        match self {
            BuildError::Plan(error) => error.hint(),
            BuildError::Step { source, .. } => source.hint(),
            BuildError::Export(error) => error.hint(),
            BuildError::Store(error) => error.hint(),
            _ => None,
        }
    }
}
