//! Images from registries and to them, by the OCI distribution protocol.
//!
//! | file             | what                                                                  |
//! |------------------|-----------------------------------------------------------------------|
//! | `settings.rs`    | what the front end says: proxies, certificates, credentials, patience |
//! | `rules.rs`       | other addresses, mirrors, registries that are not asked               |
//! | `host.rs`        | where a registry is, and whether it may be spoken to without TLS      |
//! | `link.rs`        | URLs that a registry gives: where they may lead                       |
//! | `challenge.rs`   | what a registry wants to know of who asks                             |
//! | `token.rs`       | the answer: a password, or a token from elsewhere                     |
//! | `client.rs`      | one request: authorization, redirects, retries                        |
//! | `pace.rs`        | how long to wait before it is tried again                             |
//! | `download.rs`    | documents and blobs, with bounds and checks                           |
//! | `coming.rs`      | a blob that is read while it comes                                    |
//! | `layers.rs`      | layers: downloaded, and unpacked meanwhile                            |
//! | `pull.rs`        | an image into the store                                               |
//! | `documents.rs`   | what images say of themselves, without their layers                   |
//! | `artifact.rs`    | what is no image but kept like one                                    |
//! | `referrers.rs`   | what refers to an image                                               |
//! | `list/`          | indexes that are put together by hand                                 |
//! | `upload.rs`      | one blob to a registry                                                |
//! | `push.rs`        | an image to a registry                                                |
//!
//! What a registry says is untrusted. Every size is bounded before it is believed, no blob is visible before its
//! digest was checked, and an image gets its name after everything it refers to is there. Who asks is told to the
//! registry and to the server of tokens it names, never to where it redirects.
mod artifact;
mod challenge;
mod client;
mod coming;
mod documents;
mod download;
mod error;
mod host;
mod layers;
mod link;
mod list;
mod pace;
mod pull;
mod push;
mod referrers;
mod rules;
mod settings;
mod token;
mod upload;
mod watch;

use std::sync::Arc;

pub use artifact::Artifact;
pub use error::{Failure, RegistryError};
pub use list::{List, ListEntry, ListKind, ListPlatform, PushedList, RemoteManifest};
pub use pace::{Pace, RealPace};
pub use pull::{PullOptions, Pulled};
pub use push::{PushOptions, Pushed};
pub use rules::{Mirror, MirrorOf, Place, Rule, Rules};
pub use settings::{Anonymous, Credential, Credentials, CredentialsError, RegistrySettings};
pub use watch::{BlobEvent, Silent, Watch};

use client::Client;
use host::Host;
use rules::Endpoint;

/// Blobs that are on their way at once.
const AT_ONCE: usize = 4;

/// How registries are reached. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Registries {
    settings: Arc<RegistrySettings>,
    credentials: Arc<dyn Credentials>,
}

impl Registries {
    pub fn new(settings: RegistrySettings, credentials: Arc<dyn Credentials>) -> Registries {
        Registries { settings: Arc::new(settings), credentials }
    }

    /// Waits by another pace.
    pub fn with_pace(self, pace: Arc<dyn Pace>) -> Registries {
        let settings = RegistrySettings { pace, ..(*self.settings).clone() };
        Registries { settings: Arc::new(settings), ..self }
    }

    /// Whether no registry is asked at all.
    pub fn is_offline(&self) -> bool {
        self.settings.offline
    }

    /// Asks the registry whether it knows who has these credentials.
    pub fn log_in(&self, registry: &str, credential: Credential) -> Result<(), RegistryError> {
        let known = settings::Given(credential);
        let registries =
            Registries { settings: self.settings.clone(), credentials: Arc::new(known) };
        let endpoint = self.settings.rules.registry(registry);
        let client = endpoint.and_then(|endpoint| registries.client(&endpoint, Vec::new()));
        client.and_then(|client| client.log_in()).map_err(|source| RegistryError::LogIn {
            registry: registry.to_owned(),
            source: Box::new(source),
        })
    }

    fn client(&self, endpoint: &Endpoint, scopes: Vec<String>) -> Result<Client, Failure> {
        if self.settings.offline {
            return Err(Failure::Offline);
        }
        let host = Host::of(endpoint, &self.settings);
        let (settings, credentials) = (self.settings.clone(), self.credentials.clone());
        Client::open(settings, credentials, host, &endpoint.repository, scopes)
    }
}
