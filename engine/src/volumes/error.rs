//! [`VolumeError`]: what can go wrong with volumes.

use std::io;
use std::path::{Path, PathBuf};

use runtime::containers::ContainerError;
use store::StoreError;
use store::layer::LayerError;
use store::tree::TreeError;
use sys::SysError;

#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    #[error("volume `{name}` does not exist")]
    NotFound { name: String },
    #[error(
        "`{name}` cannot name a volume: a letter or digit, then one or more letters, digits, `_`, `.` and `-`"
    )]
    BadName { name: String },
    #[error("volume `{name}` is in use by {}", users.join(", "))]
    InUse { name: String, users: Vec<String> },
    #[error("volume `{name}` exists with other {what}")]
    Different { name: String, what: &'static str },
    #[error("volume `{name}` is a file system of its own, which only its containers see")]
    Elsewhere { name: String },
    #[error("the option `{option}` of a volume is not known; known are type, o and device")]
    UnknownOption { option: String },
    #[error("a volume with the option `{given}` needs the option `{missing}` too")]
    MissingOption { given: &'static str, missing: &'static str },
    #[error("the option `device={device}`: a directory to be bound is an absolute path")]
    RelativeDevice { device: String },
    #[error("cannot {act} `{path}`")]
    File { act: &'static str, path: PathBuf, source: io::Error },
    #[error("the definition `{path}` cannot be read")]
    Document { path: PathBuf, source: serde_json::Error },
    #[error("volume `{name}` was made by a later version (schema {found}; this one knows {known})")]
    Schema { name: String, found: u32, known: u32 },
    #[error("cannot {act} volume `{name}`")]
    Sys { act: &'static str, name: String, source: SysError },
    #[error("cannot fill volume `{name}` with what the image has in `{}`", target.display())]
    Fill { name: String, target: PathBuf, source: Box<LayerError> },
    #[error("cannot find `{}` in the image", target.display())]
    Image { target: PathBuf, source: Box<TreeError> },
    #[error("cannot {act} the files of volume `{name}`")]
    Archive { act: &'static str, name: String, source: Box<LayerError> },
    #[error("cannot write the archive")]
    Write { source: io::Error },
    #[error("cannot read the archive")]
    Read { source: io::Error },
    #[error("cannot make up a name")]
    Random { source: Box<crate::EngineError> },
    #[error(transparent)]
    Container(#[from] ContainerError),
    #[error(transparent)]
    Store(Box<StoreError>),
}

impl From<StoreError> for VolumeError {
    fn from(error: StoreError) -> VolumeError {
        VolumeError::Store(Box::new(error))
    }
}

impl VolumeError {
    pub fn hint(&self) -> Option<String> {
        match self {
            VolumeError::NotFound { .. } => Some("`rbuild volume ls` lists them".to_owned()),
            VolumeError::InUse { .. } => {
                Some("remove the containers first, with `rbuild rm`".to_owned())
            }
            VolumeError::Different { name, .. } => Some(format!(
                "`rbuild volume inspect {name}` shows them; choose another name, or remove the volume"
            )),
            VolumeError::Schema { .. } => Some("use the version of rbuild that made it".to_owned()),
            VolumeError::Container(error) => error.hint().map(str::to_owned),
            VolumeError::Store(error) => error.hint(),
            _ => None,
        }
    }
}

pub(super) type Result<T> = std::result::Result<T, VolumeError>;

pub(super) fn file_error<'a>(
    act: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> VolumeError + 'a {
    move |source| VolumeError::File { act, path: path.to_owned(), source }
}
