//! What can go wrong with containers of images.

use std::io;
use std::path::PathBuf;

use runtime::containers::ContainerError;
use runtime::network::{NetworkError, PortError};
use runtime::{RuntimeError, SpecError};
use store::layer::LayerError;
use store::tree::TreeError;
use store::{Digest, StoreError};
use sys::SysError;

use crate::values::ValueError;
use crate::volumes::VolumeError;

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("cannot unpack image {image}")]
    Unpack { image: Digest, source: Box<StoreError> },
    #[error("the image names no program to run, and neither does the command line")]
    NoProgram,
    #[error("`{name}` cannot be a host name: it has 1 to {longest} characters and no spaces")]
    HostName { name: String, longest: usize },
    #[error("cannot read the host's name")]
    ReadHostName { source: io::Error },
    #[error("the image's {what}")]
    Image { what: &'static str, source: ValueError },
    #[error(
        "container `{name}` has no networks of its own to be changed: it shares one, or has none"
    )]
    SharedNetwork { name: String },
    #[error("the image exposes `{text}`, which cannot be used")]
    ExposedPort { text: String, source: PortError },
    #[error("the image's health check `{test:?}` is neither CMD nor CMD-SHELL with a command")]
    HealthCheck { test: Vec<String> },
    #[error("cannot create the directory `{}`", path.display())]
    CreateSource { path: PathBuf, source: io::Error },
    #[error("cannot mount `{}` on `{}`: it does not exist", path.display(), target.display())]
    MountSource { path: PathBuf, target: PathBuf, source: io::Error },
    #[error("two mounts have the same target `{}`", target.display())]
    TwoMounts { target: PathBuf },
    #[error("container `{name}` keeps no log: it was made with `--log-driver none`")]
    NoLog { name: String },
    #[error("container `{name}` is paused")]
    Paused { name: String },
    #[error("container `{name}` is not running")]
    NotRunning { name: String },
    #[error("cannot run a program in container `{name}`")]
    Apart { name: String, source: io::Error },
    #[error("cannot run a program in container `{name}`: {causes}")]
    ApartFailed { name: String, causes: String },
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot watch the log of container `{name}`")]
    Watch { name: String, source: io::Error },
    /// Whoever was to take a line could not.
    #[error("cannot write the log")]
    Write { source: io::Error },
    #[error("`{}` is not an absolute path", path.display())]
    RelativeDirectory { path: PathBuf },
    #[error("the IPC namespace of container `{name}` is its own alone")]
    PrivateIpc { name: String },
    #[error("all ranges of user IDs for containers are in use")]
    NoUsers,
    #[error("container {id} has no layer of its own")]
    ReadOnly { id: String },
    #[error("cannot open `{}`", path.display())]
    Open { path: PathBuf, source: SysError },
    #[error("cannot find what container {id} has changed")]
    Changes { id: String, source: LayerError },
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error(transparent)]
    Volume(Box<VolumeError>),
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Container(#[from] ContainerError),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error(transparent)]
    Network(#[from] NetworkError),
}

impl From<VolumeError> for EngineError {
    fn from(error: VolumeError) -> EngineError {
        EngineError::Volume(Box::new(error))
    }
}

impl EngineError {
    /// What can be done about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            EngineError::Store(error) => error.hint(),
            EngineError::Unpack { source, .. } => source.hint(),
            EngineError::Container(error) => error.hint().map(str::to_owned),
            EngineError::Paused { .. } => Some("`rbuild unpause` lets it go on".to_owned()),
            EngineError::PrivateIpc { .. } => Some("make it with `--ipc shareable`".to_owned()),
            EngineError::Volume(error) => error.hint(),
            EngineError::Network(error) => error.hint(),
            _ => None,
        }
    }

    pub fn runtime(&self) -> Option<&RuntimeError> {
        match self {
            EngineError::Runtime(error) => Some(error),
            _ => None,
        }
    }

    /// Another container has the name.
    pub fn is_name_in_use(&self) -> bool {
        matches!(self, EngineError::Container(ContainerError::NameInUse { .. }))
    }
}
