//! What can be wrong with a Dockerfile.

use crate::span::Span;

/// One error with its place.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{kind}")]
pub struct ParseError {
    pub kind: ErrorKind,
    pub span: Span,
}

impl ParseError {
    /// What to try instead, as a sentence without full stop: ``did you mean `RUN`?``
    pub fn hint(&self) -> Option<String> {
        self.kind.hint()
    }
}

/// All errors of a file, in source order.
#[derive(Clone, Debug, Default, PartialEq, thiserror::Error)]
pub struct ParseErrors {
    pub errors: Vec<ParseError>,
}

impl std::fmt::Display for ParseErrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, error) in self.errors.iter().enumerate() {
            let separator = if at == 0 { "" } else { "\n" };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

/// The wording keeps BuildKit's key phrases: people search for them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ErrorKind {
    #[error("file with no instructions")]
    NoInstructions,
}

impl ErrorKind {
    pub fn hint(&self) -> Option<String> {
        None
    }
}
