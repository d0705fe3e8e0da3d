//! Why a source could not be had.

use std::io;
use std::path::PathBuf;

use store::StoreError;
use store::layer::LayerError;

use super::{Checksum, GitError};

#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("cannot create `{}`", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("cannot unpack {origin}")]
    Archive { origin: String, source: LayerError },
    #[error("cannot open the directory {origin} is unpacked into")]
    Open { origin: String, source: sys::SysError },
    #[error("cannot read {origin}")]
    Read { origin: String, source: io::Error },
    #[error("{origin} is not a tar archive")]
    NotAnArchive { origin: String },
    #[error("cannot read `{}` of {origin}", path.display())]
    Member { path: PathBuf, origin: String, source: sys::SysError },
    #[error("cannot download {url}")]
    Http { url: String, source: Box<ureq::Error> },
    /// The wording of BuildKit.
    #[error("cannot download {url}: invalid response status {status}")]
    Status { url: String, status: u16 },
    #[error("the download of {url} broke off")]
    Body { url: String, source: io::Error },
    #[error(transparent)]
    Settings(#[from] store::http::HttpError),
    #[error("cannot keep the download in `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("digest mismatch for {url}: {found} (expected: {expected})")]
    Checksum { url: String, found: Checksum, expected: Checksum },
    #[error("{url} changed while the build was reading it")]
    Changed { url: String },
    #[error("cannot read the secret `{id}`")]
    Secret { id: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the secret `{id}` is not text")]
    SecretText { id: String },
    #[error("the download was cancelled")]
    Cancelled,
    #[error(transparent)]
    Git(Box<GitError>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<GitError> for FetchError {
    fn from(error: GitError) -> FetchError {
        match error {
            GitError::Cancelled => FetchError::Cancelled,
            error => FetchError::Git(Box::new(error)),
        }
    }
}

impl FetchError {
    pub fn hint(&self) -> Option<String> {
        match self {
            FetchError::Store(error) => error.hint(),
            FetchError::Git(error) => error.hint(),
            FetchError::Status { url, status: 401 | 403 } => {
                let host = super::url::host(url);
                Some(format!("`--secret id=HTTP_AUTH_TOKEN_{host},src=FILE` gives a token"))
            }
            FetchError::Http { source, .. } => http_hint(source),
            FetchError::Checksum { .. } => Some(
                "the file is not the one the Dockerfile means, or the checksum is old".to_owned(),
            ),
            _ => None,
        }
    }
}

fn http_hint(error: &ureq::Error) -> Option<String> {
    match error {
        ureq::Error::HostNotFound => {
            Some("is the name right, and does a proxy have to be set?".to_owned())
        }
        // What the TLS library says comes as an error of the connection.
        ureq::Error::Io(source) if source.to_string().contains("certificate") => {
            Some("SSL_CERT_FILE names a file with the certificates to trust".to_owned())
        }
        _ => None,
    }
}
