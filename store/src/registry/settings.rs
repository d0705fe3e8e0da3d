//! What the front end says about registries.
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::pace::{Pace, RealPace};
use super::rules::Rules;
use crate::http::HttpSettings;

/// How registries are reached.
#[derive(Clone, Debug)]
pub struct RegistrySettings {
    pub http: HttpSettings,
    /// Ask none at all.
    pub offline: bool,
    /// Registries (`host[:port]`) that may speak plain HTTP and whose certificates are not checked.
    pub insecure: Vec<String>,
    /// The same for all of them.
    pub all_insecure: bool,
    /// Other addresses, mirrors, and registries that are not asked.
    pub rules: Rules,
    /// Directories with one directory for each registry: `*.crt` to trust, `*.cert` and `*.key` to show.
    pub certificates: Vec<PathBuf>,
    /// Bytes that a layer may have unpacked.
    pub largest_layer: u64,
    /// How long a connection may take to be made.
    pub connect: Duration,
    /// Silence for so long, or next to nothing in that time, is a broken connection.
    pub silence: Duration,
    /// At least, before the second attempt; then twice as long, and so on.
    pub pause: Duration,
    /// What waits, and what says by how much pauses differ.
    pub pace: Arc<dyn Pace>,
}

impl Default for RegistrySettings {
    fn default() -> RegistrySettings {
        RegistrySettings {
            http: HttpSettings::default(),
            offline: false,
            insecure: Vec::new(),
            all_insecure: false,
            rules: Rules::default(),
            certificates: Vec::new(),
            largest_layer: 64 << 30,
            connect: Duration::from_secs(10),
            silence: Duration::from_secs(60),
            pause: Duration::from_millis(250),
            pace: Arc::new(RealPace),
        }
    }
}

/// Who asks.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    Password {
        user: String,
        password: String,
    },
    /// What a server of tokens gave once, in exchange for others.
    IdentityToken(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Credential::Password { .. } => "Password(…)",
            Credential::IdentityToken(_) => "IdentityToken(…)",
        })
    }
}

/// Why credentials could not be looked up.
pub type CredentialsError = Box<dyn std::error::Error + Send + Sync>;

/// Where credentials are kept. Asked when a registry wants to know.
pub trait Credentials: fmt::Debug + Send + Sync {
    fn find(&self, registry: &str) -> Result<Option<Credential>, CredentialsError>;
}

/// Nobody in particular.
#[derive(Clone, Copy, Debug)]
pub struct Anonymous;

impl Credentials for Anonymous {
    fn find(&self, _registry: &str) -> Result<Option<Credential>, CredentialsError> {
        Ok(None)
    }
}

/// The same for every registry.
#[derive(Debug)]
pub(super) struct Given(pub(super) Credential);

impl Credentials for Given {
    fn find(&self, _registry: &str) -> Result<Option<Credential>, CredentialsError> {
        Ok(Some(self.0.clone()))
    }
}
