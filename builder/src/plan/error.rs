//! What can be wrong with a Dockerfile that parses.

use parser::Span;

use super::BaseError;

/// One error with its place.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct PlanError {
    #[source]
    pub kind: PlanErrorKind,
    /// Absent when the error is about the request.
    pub span: Option<Span>,
}

impl PlanError {
    pub fn new(kind: PlanErrorKind) -> PlanError {
        PlanError { kind, span: None }
    }

    pub fn hint(&self) -> Option<String> {
        None
    }
}

/// The wording keeps BuildKit's key phrases: people search for them.
#[derive(Debug, thiserror::Error)]
pub enum PlanErrorKind {
    #[error("dockerfile contains no stages to build")]
    NoStages,
    #[error("{name}: failed to resolve source metadata for {canonical}")]
    Base { name: String, canonical: String, source: BaseError },
}
