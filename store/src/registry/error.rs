//! What can go wrong with a registry.
use std::io;
use std::path::PathBuf;

use super::link::LinkError;
use super::settings::CredentialsError;
use crate::digest::Digest;
use crate::error::StoreError;
use crate::http::HttpError;
use crate::reference::Reference;

/// What was being done with which repository.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("cannot pull `{repository}{suffix}` from the registry `{registry}`")]
    Pull { registry: String, repository: String, suffix: String, source: Box<Failure> },
    #[error("cannot push `{repository}{suffix}` to the registry `{registry}`")]
    Push { registry: String, repository: String, suffix: String, source: Box<Failure> },
    #[error("cannot look up `{repository}{suffix}` in the registry `{registry}`")]
    LookUp { registry: String, repository: String, suffix: String, source: Box<Failure> },
    #[error("cannot log in to the registry `{registry}`")]
    LogIn { registry: String, source: Box<Failure> },
}

/// Why it failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("no registry is asked: RBUILD_OFFLINE is set")]
    Offline,
    #[error("`{prefix}` is blocked by `{}`", file.display())]
    Blocked { prefix: String, file: PathBuf },
    #[error("`{location}` takes the place of the whole name: there is no repository left")]
    NoRepository { location: String },
    #[error("no mirror has it ({}), nor the registry itself", told(mirrors))]
    Nowhere { mirrors: Vec<(String, Failure)>, source: Box<Failure> },
    #[error("cannot reach {origin}")]
    Unreachable { origin: String, source: Box<ureq::Error> },
    #[error("the connection to {origin} broke")]
    Broken { origin: String, source: Box<ureq::Error> },
    #[error("{what}: the registry answers {status}{message}")]
    Status { what: String, status: u16, message: String },
    #[error("{what}: access is denied{message}")]
    Denied { what: String, message: String },
    #[error("there is no {what}{message}")]
    NotFound { what: String, message: String },
    #[error("the registry wants a kind of authorization that is not known")]
    Challenge,
    #[error("cannot look up who asks")]
    Credentials { source: CredentialsError },
    #[error("the answer of the token server {origin} is not valid")]
    Token { origin: String },
    #[error("`{link}` is not followed: {source}")]
    Link { link: String, source: LinkError },
    #[error("{what}: redirected more than {limit} times")]
    Redirects { what: String, limit: u32 },
    #[error("{what} is larger than {limit} bytes")]
    TooLarge { what: String, limit: u64 },
    #[error("manifest {digest} has {count} layers, more than {limit}")]
    TooManyLayers { digest: Digest, count: usize, limit: usize },
    #[error("{what} has digest {actual}")]
    Digest { what: String, actual: Digest },
    #[error("{what}: the registry says that its digest is `{said}`, but it is {actual}")]
    OtherDigest { what: String, said: String, actual: Digest },
    #[error("{what} has {actual} bytes instead of {expected}")]
    Size { what: String, expected: u64, actual: u64 },
    #[error("{what} has more than the {expected} bytes it should have")]
    Longer { what: String, expected: u64 },
    #[error("{what} broke off after {done} of {size} bytes, {attempts} times in a row")]
    BrokeOff { what: String, done: u64, size: u64, attempts: u32, source: io::Error },
    #[error("{what} broke off")]
    Cut { what: String, source: io::Error },
    #[error("{what}: the registry sends another part of it than was asked for")]
    Range { what: String },
    #[error("{what}: the registry does not say where to upload it")]
    NoLocation { what: String },
    #[error("cannot read {what}")]
    Read { what: String, source: io::Error },
    #[error("it was cancelled")]
    Cancelled,
    #[error(transparent)]
    Settings(#[from] HttpError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RegistryError {
    /// Where mirrors were asked before, that of the registry itself.
    pub fn failure(&self) -> &Failure {
        match self {
            RegistryError::Pull { source, .. }
            | RegistryError::Push { source, .. }
            | RegistryError::LookUp { source, .. }
            | RegistryError::LogIn { source, .. } => match &**source {
                Failure::Nowhere { source, .. } => source,
                failure => failure,
            },
        }
    }

    /// Of a pull of `name`.
    pub(super) fn of_pull(name: &Reference) -> impl FnOnce(Failure) -> RegistryError + use<'_> {
        |source| RegistryError::Pull {
            registry: name.domain().to_owned(),
            repository: name.repository().to_owned(),
            suffix: name.suffix(),
            source: Box::new(source),
        }
    }

    /// Of a push to `name`.
    pub(super) fn of_push(name: &Reference) -> impl FnOnce(Failure) -> RegistryError + use<'_> {
        |source| RegistryError::Push {
            registry: name.domain().to_owned(),
            repository: name.repository().to_owned(),
            suffix: name.suffix(),
            source: Box::new(source),
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let (registry, pulling) = match self {
            RegistryError::Pull { registry, .. } => (registry, true),
            RegistryError::Push { registry, .. }
            | RegistryError::LookUp { registry, .. }
            | RegistryError::LogIn { registry, .. } => (registry, false),
        };
        match self.failure() {
            Failure::Offline if pulling => {
                Some("`rbuild load` takes images from archives".to_owned())
            }
            Failure::Unreachable { source, .. } if is_about_certificates(source) => Some(format!(
                "put the certificate to trust into `/etc/docker/certs.d/{registry}/ca.crt`, or give `--tls-verify=false`"
            )),
            Failure::Unreachable { .. } if pulling => Some(
                "does a proxy have to be set? Without the registry, `rbuild load` takes images from archives"
                    .to_owned(),
            ),
            Failure::Denied { .. } if !matches!(self, RegistryError::LogIn { .. }) => {
                Some(format!("`rbuild login {registry}` says who you are"))
            }
            Failure::Store(error) => error.hint(),
            _ => None,
        }
    }
}

impl Failure {
    /// Whether another server may have what this one has not: nothing is wrong with this machine.
    pub(super) fn is_of_server(&self) -> bool {
        match self {
            Failure::Cancelled
            | Failure::Offline
            | Failure::Settings(_)
            | Failure::Credentials { .. }
            | Failure::Read { .. } => false,
            Failure::Store(error) => error.is_about_content(),
            _ => true,
        }
    }

    /// Whether the same may succeed a moment later.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Failure::Broken { .. } | Failure::Cut { .. } => true,
            Failure::Status { status, .. } => is_transient(*status),
            _ => false,
        }
    }
}

fn told(failures: &[(String, Failure)]) -> String {
    let each = failures.iter().map(|(place, failure)| format!("`{place}`: {failure}"));
    each.collect::<Vec<_>>().join("; ")
}

/// Too many requests, or a server that is in trouble for now.
pub(super) fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

/// Sorts what the client says by whether the server was there at all.
pub(super) fn of_client(origin: &str, error: ureq::Error) -> Failure {
    let (origin, source) = (origin.to_owned(), Box::new(error));
    match was_reached(&source) {
        true => Failure::Broken { origin, source },
        false => Failure::Unreachable { origin, source },
    }
}

fn was_reached(error: &ureq::Error) -> bool {
    use io::ErrorKind as Kind;
    match error {
        ureq::Error::Io(source) => {
            !matches!(
                source.kind(),
                Kind::ConnectionRefused
                    | Kind::NetworkUnreachable
                    | Kind::HostUnreachable
                    | Kind::AddrNotAvailable
                    | Kind::PermissionDenied
            ) && !is_resolution(source)
                && !is_about_certificates(error)
        }
        ureq::Error::Timeout(timeout) => {
            !matches!(timeout, ureq::Timeout::Resolve | ureq::Timeout::Connect)
        }
        ureq::Error::Protocol(_) => true,
        _ => false,
    }
}

fn is_resolution(error: &io::Error) -> bool {
    error.to_string().contains("failed to lookup address")
}

/// What the TLS library says comes as an error of the connection.
pub(super) fn is_about_certificates(error: &ureq::Error) -> bool {
    matches!(error, ureq::Error::Io(_) | ureq::Error::Rustls(_))
        && error.to_string().contains("certificate")
}

/// What is shown of a text that a server sent.
pub(super) fn shown(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let short: String = clean.take(300).collect();
    short.trim().to_owned()
}
