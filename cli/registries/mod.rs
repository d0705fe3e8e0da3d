//! Registries as the environment has them: certificates, proxies, credentials, and what is shown of a transfer.
//!
//! | file         | what                                                          |
//! |--------------|---------------------------------------------------------------|
//! | `config.rs`  | docker's file of credentials                                  |
//! | `credential_program.rs` | programs that keep credentials                     |
//! | `keeper.rs`  | where the credentials of one registry are                     |
//! | `display.rs` | how far blobs are                                             |
//! | `find.rs`    | the image that a container is to be made of                   |
//! | `pausing.rs` | how long a build waits for one                                |
//! | `rules.rs`   | `registries.toml`                                             |

mod config;
mod credential_program;
mod display;
mod find;
mod keeper;
mod pausing;
mod rules;

use std::path::PathBuf;
use std::sync::Arc;

use store::registry::{Registries, RegistrySettings};

use crate::environment::Environment;
use crate::http;

pub use display::{Direction, Transfer};
pub use find::{When, find_image};
pub use keeper::{Keeper, KeeperError, Kept};
pub use pausing::until_cancelled;
pub use rules::{Flaw, RulesError};

/// Where docker and podman look for certificates of single registries.
const CERTIFICATES: [&str; 2] = ["/etc/docker/certs.d", "/etc/containers/certs.d"];

/// How registries are reached. Without `verify`, plain HTTP and unknown certificates will do.
pub fn registries(environment: &Environment, verify: bool) -> Result<Registries, RulesError> {
    let insecure = environment.text("RBUILD_INSECURE_REGISTRIES").unwrap_or_default();
    let settings = RegistrySettings {
        http: http::settings(environment),
        offline: is_offline(environment),
        insecure: insecure.split(',').map(|name| name.trim().to_owned()).collect(),
        all_insecure: !verify,
        rules: rules::read(environment)?,
        certificates: certificates(environment),
        ..RegistrySettings::default()
    };
    Ok(Registries::new(settings, Arc::new(Keeper::of(environment))))
}

/// Whether no registry is asked at all.
pub fn is_offline(environment: &Environment) -> bool {
    environment.text("RBUILD_OFFLINE").is_some_and(|value| value != "0")
}

fn certificates(environment: &Environment) -> Vec<PathBuf> {
    let own = environment.text("RBUILD_CERTS").map(PathBuf::from);
    own.into_iter().chain(CERTIFICATES.map(PathBuf::from)).collect()
}
