//! What can go wrong with containers on disk.
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    #[error("container `{text}` does not exist")]
    NotFound { text: String },
    #[error("`{text}` may be any of the containers {}", names.join(", "))]
    Ambiguous { text: String, names: Vec<String> },
    #[error("container {id} is being started or ended")]
    Busy { id: String },
    #[error("the name `{name}` is in use by container {id}")]
    NameInUse { name: String, id: String },
    #[error(
        "`{name}` cannot name a container: a letter or digit, then one or more letters, digits, `_`, `.` and `-`"
    )]
    BadName { name: String },
    #[error("cannot {act} `{path}`: {source}")]
    File { act: &'static str, path: PathBuf, source: io::Error },
    #[error("the definition `{path}` cannot be read: {source}")]
    Document { path: PathBuf, source: serde_json::Error },
    #[error("container {id} was made by a later version (schema {found}; this one knows {known})")]
    Schema { id: String, found: u32, known: u32 },
}

impl ContainerError {
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            ContainerError::NotFound { .. } => Some("`rbuild ps --all` lists all containers"),
            ContainerError::Ambiguous { .. } => Some("give more digits of the ID, or the name"),
            ContainerError::NameInUse { .. } => {
                Some("remove it with `rbuild rm`, or choose another name")
            }
            ContainerError::Busy { .. } => Some("try again, or end it with `rbuild rm --force`"),
            ContainerError::Schema { .. } => Some("use the version of rbuild that made it"),
            _ => None,
        }
    }
}

pub(super) fn file_error<'a>(
    act: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> ContainerError + 'a {
    move |source| ContainerError::File { act, path: path.to_owned(), source }
}
