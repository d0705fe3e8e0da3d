//! What is wrong with a project, and where.

use std::fmt;
use std::io;
use std::sync::Arc;

use thiserror::Error;

use super::{BoundError, ConsistencyError, ExtendsError, IncludeError, NameError, RuleError};
use crate::canonical::FormError;
use crate::dotenv::DotenvError;
use crate::interpolate::InterpolationError;
use crate::merge::{MergeError, UniqueError};
use crate::model::ValueError;
use crate::paths::PathError;
use crate::schema::SchemaError;
use crate::source::{Sources, Span};
use crate::yaml::YamlError;

#[derive(Clone, Debug, Error)]
pub enum ProblemKind {
    #[error("no compose file specified")]
    NoFile,
    #[error("cannot read {path}: {}", reason(error))]
    Read { path: String, error: Arc<io::Error> },
    #[error("{path} is not UTF-8")]
    NotText { path: String },
    #[error("failed to parse {name}: {error}")]
    Yaml { name: String, error: YamlError },
    #[error("empty compose file")]
    Empty,
    #[error("top-level object must be a mapping")]
    NotMapping,
    #[error("{0}")]
    Name(NameError),
    #[error("{0}")]
    Interpolation(InterpolationError),
    #[error("{0}")]
    Extends(ExtendsError),
    #[error("{0}")]
    Include(IncludeError),
    #[error("{0}")]
    Merge(MergeError),
    #[error("{0}")]
    Unique(UniqueError),
    #[error("validating {name}: {error}")]
    Schema { name: String, error: SchemaError },
    #[error("{0}")]
    Form(FormError),
    #[error("{0}")]
    Rule(RuleError),
    #[error("{0}")]
    Path(PathError),
    #[error("'{path}' {error}")]
    Value { path: String, error: ValueError },
    #[error("{0}")]
    Consistency(ConsistencyError),
    #[error("{0}")]
    Bound(BoundError),
    #[error("env file {path} not found: stat {path}: no such file or directory")]
    EnvFileMissing { path: String },
    #[error("cannot read env file {path}: {why}")]
    EnvFileUnreadable { path: String, why: String },
    #[error("failed to read {path}: {error}")]
    EnvFile { path: String, error: DotenvError },
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        _ => error.to_string(),
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub struct Problem {
    pub kind: ProblemKind,
    pub span: Span,
}

impl Problem {
    pub(super) fn new(kind: ProblemKind, span: Span) -> Problem {
        Problem { kind, span }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match &self.kind {
            ProblemKind::Yaml { error, .. } => error.hint(),
            ProblemKind::Interpolation(error) => error.hint(),
            ProblemKind::Schema { error, .. } => error.hint(),
            ProblemKind::Form(error) => error.hint(),
            ProblemKind::Consistency(error) => error.hint(),
            ProblemKind::Extends(error) => error.hint(),
            ProblemKind::Rule(error) => error.hint(),
            ProblemKind::EnvFileMissing { .. } => {
                Some("create it, or mark it `required: false`".to_owned())
            }
            ProblemKind::Name(NameError::Empty) => {
                Some("name the project with `-p`, `name:` or `COMPOSE_PROJECT_NAME`".to_owned())
            }
            _ => None,
        }
    }
}

/// Everything that was wrong, and the files to show it in.
#[derive(Clone, Debug)]
pub struct LoadError {
    pub problems: Vec<Problem>,
    pub warnings: Vec<Warning>,
    pub sources: Sources,
}

impl fmt::Display for LoadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.problems.iter().enumerate() {
            if at > 0 {
                formatter.write_str("\n")?;
            }
            write!(formatter, "{}", problem.kind)?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadError {}

/// What is odd, but no error.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum Warning {
    #[error("The {name:?} variable is not set. Defaulting to a blank string.")]
    Unset { name: String },
    #[error(
        "{file}: the attribute `version` is obsolete, it will be ignored, please remove it to avoid potential confusion"
    )]
    Version { file: String },
    #[error("{text:?} for boolean is not supported by YAML 1.2, please use `true` or `false`")]
    OldBoolean { text: String },
    #[error("{path}: external.name is deprecated. Please set name and external: true")]
    OldExternal { path: String },
}
