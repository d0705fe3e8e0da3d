//! Why a result could not be written.

use std::io;
use std::path::PathBuf;

use store::StoreError;
use store::layer::LayerError;
use store::reference::ReferenceError;
use store::tree::TreeError;
use sys::SysError;

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("cannot {act} `{}`", path.display())]
    Io { act: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot write to stdout")]
    Stdout { source: io::Error },
    #[error("cannot write `{}` to `{}`", path.display(), target.display())]
    File { path: PathBuf, target: PathBuf, source: SysError },
    #[error("cannot copy the bytes of `{}`", path.display())]
    Copy { path: PathBuf, source: io::Error },
    #[error("`name={name}` of the output")]
    Name { name: String, source: ReferenceError },
    #[error("an archive for docker holds one platform; use `type=oci` for several")]
    SeveralPlatforms,
    #[error("there is no image to write")]
    Nothing,
    #[error("an image without a name cannot be pushed: give it one with `--tag`")]
    PushWithoutName,
    #[error("there is no registry to push to")]
    NoRegistries,
    #[error(transparent)]
    Registry(#[from] store::registry::RegistryError),
    #[error("cannot read the files of the image")]
    Tree(#[from] TreeError),
    #[error("cannot rewrite a layer")]
    Layer(#[from] LayerError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ExportError {
    pub fn hint(&self) -> Option<String> {
        match self {
            ExportError::Store(error) => error.hint(),
            ExportError::Registry(error) => error.hint(),
            _ => None,
        }
    }
}
