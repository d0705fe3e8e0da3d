//! Why a step fails.

use std::io;
use std::path::PathBuf;

use store::StoreError;
use store::layer::{Entry, EntryKind, LayerError};
use store::registry::RegistryError;
use store::tree::TreeError;

use super::run::RunError;
use super::source::SourceError;
use crate::fetch::FetchError;
use crate::quirk::Quirk;

/// Bytes of an archive that each entry takes beside its content.
const HEADER: u64 = 512;

#[derive(Debug, thiserror::Error)]
pub enum StepError {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("cannot run anything: {source}")]
    NoContainers { source: runtime::RuntimeError },
    #[error(transparent)]
    Fetch(FetchError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Layer(#[from] LayerError),
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error(transparent)]
    Sys(#[from] sys::SysError),
    /// With `--strict` only.
    #[error("{}: {message}", quirk.name())]
    Quirk { quirk: Quirk, message: String },
    #[error("`--chown {spec}`: {source}")]
    Owner { spec: String, source: runtime::user::UserError },
    #[error("`USER {spec}`: {source}")]
    User { spec: String, source: runtime::user::UserError },
    #[error(transparent)]
    Chmod(#[from] crate::chmod::ChmodError),
    #[error("`--exclude`: {source}")]
    Exclude { source: crate::context::ignore::IgnoreError },
    #[error("cannot copy to non-directory: {path}")]
    NotADirectory { path: String },
    #[error("cannot make a working directory: {path} is not a directory")]
    WorkdirTaken { path: String },
    #[error("cannot replace to directory {path} with file")]
    IsADirectory { path: String },
    #[error("too many symbolic links in the destination {path}")]
    LinkLoop { path: String },
    #[error("cannot {act} `{}`", path.display())]
    Io { act: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot serialise {what}")]
    Serialise { what: &'static str, source: serde_json::Error },
    #[error("{name}: not found: {source}")]
    Image { name: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("cannot open the directory `{}`", path.display())]
    Directory { path: PathBuf, source: sys::SysError },
    #[error(".dockerignore: {source}")]
    Ignore { source: crate::context::ignore::IgnoreError },
    #[error("cannot store the layer that the step made, which needs about {size} bytes")]
    Space { size: u64, source: Box<StepError> },
    /// Another stage or the user ended the build first.
    #[error("the build was cancelled")]
    Cancelled,
    /// The layer of an earlier step could not be sealed.
    #[error("{message}")]
    Sealing { message: String },
}

impl From<FetchError> for StepError {
    fn from(error: FetchError) -> StepError {
        match error {
            FetchError::Cancelled => StepError::Cancelled,
            error => StepError::Fetch(error),
        }
    }
}

impl StepError {
    pub fn hint(&self) -> Option<String> {
        match self {
            StepError::Source(SourceError::NotFound { ignored: true, .. }) => {
                Some("it is there, but .dockerignore leaves it out".to_owned())
            }
            StepError::Source(SourceError::NotFound { similar: Some(similar), .. }) => {
                Some(format!("did you mean `{similar}`?"))
            }
            StepError::Image { source, .. } => match source.downcast_ref::<RegistryError>() {
                Some(error) => error.hint(),
                None => Some(
                    "no registry is asked: put it in the store with `rbuild load` or `rbuild import`"
                        .to_owned(),
                ),
            },
            StepError::Quirk { quirk, .. } => Some(quirk.hint().to_owned()),
            StepError::Fetch(error) => error.hint(),
            StepError::Run(error) => error.hint(),
            StepError::Store(error) => error.hint(),
            _ => None,
        }
    }
}

/// For `map_err`: how much a layer of these entries needs, should that have been more than there is.
pub(crate) fn space_for<I: IntoIterator<Item = Entry>>(
    entries: impl FnOnce() -> I,
) -> impl FnOnce(StepError) -> StepError {
    let size = |entry: Entry| match entry.kind {
        EntryKind::File { size, .. } => HEADER + size,
        _ => HEADER,
    };
    move |error| match store::error::is_full_disk(&error) {
        true => {
            let size = entries().into_iter().map(size).sum();
            StepError::Space { size, source: Box::new(error) }
        }
        false => error,
    }
}

/// For `map_err`: an I/O error with what was being done to which path.
pub(crate) fn io_error(
    act: &'static str,
    path: &std::path::Path,
) -> impl FnOnce(io::Error) -> StepError {
    let path = path.to_owned();
    move |source| StepError::Io { act, path, source }
}
