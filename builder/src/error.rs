//! Why a build fails. Errors that come from a line of the Dockerfile say which bytes of it.

use parser::{ParseErrors, Span};

use crate::plan::PlanError;

/// What [`crate::build`] returns.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(transparent)]
    Parse(#[from] ParseErrors),
    #[error(transparent)]
    Plan(#[from] PlanError),
}

impl BuildError {
    /// The bytes of the Dockerfile the error is about. Parse errors carry one each instead.
    pub fn span(&self) -> Option<Span> {
        match self {
            BuildError::Parse(_) => None,
            BuildError::Plan(error) => error.span,
        }
    }

    /// What to try instead, as a sentence without full stop.
    pub fn hint(&self) -> Option<String> {
        match self {
            BuildError::Parse(_) => None,
            BuildError::Plan(error) => error.hint(),
        }
    }
}
