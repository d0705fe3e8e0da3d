//! What git tells a server about who asks: secrets of the build, or a name and password in the address. They reach
//! git by its environment, never by its arguments, which everybody on the machine can read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::address::{Transport, decoded};
use super::error::GitError;
use crate::execute::run::secret;
use crate::request::Secret;

/// The header `Authorization` for one repository.
#[derive(Clone, Default)]
pub(super) struct Credentials {
    pub(super) authorization: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// The address without a password, and what it said about who asks.
pub(super) fn split(transport: Transport, remote: &str) -> (String, Credentials) {
    let none = || (remote.to_owned(), Credentials::default());
    let Some((scheme, rest)) = remote.split_once("://") else { return none() };
    let authority = rest.split('/').next().unwrap_or_default();
    let Some((user, host)) = authority.rsplit_once('@') else { return none() };
    let path = &rest[authority.len()..];
    if !matches!(transport, Transport::Http | Transport::Https) {
        // The user's name belongs to the address; nobody asks for a password.
        let user = user.split(':').next().unwrap_or_default();
        return (format!("{scheme}://{user}@{host}{path}"), Credentials::default());
    }
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let plain = |text: &str| decoded(text).unwrap_or_else(|| text.to_owned());
    let authorization = Some(basic(&plain(name), &plain(password)));
    (format!("{scheme}://{host}{path}"), Credentials { authorization })
}

/// From the secrets with BuildKit's names, those for the host first. `anywhere`: also those without a host.
pub(super) fn of_secrets(
    host: &str,
    anywhere: bool,
    secrets: &[Secret],
) -> Result<Credentials, GitError> {
    let without_port = super::super::url::host(host);
    let mut names = Vec::new();
    for suffix in [format!(".{host}"), format!(".{without_port}"), String::new()] {
        if !suffix.is_empty() || anywhere {
            names.push((format!("GIT_AUTH_HEADER{suffix}"), false));
            names.push((format!("GIT_AUTH_TOKEN{suffix}"), true));
        }
    }
    for (id, is_token) in names {
        let Some(given) = secrets.iter().rev().find(|secret| secret.id == id) else { continue };
        let value = secret::read(given)
            .map_err(|source| GitError::Secret { id: id.clone(), source: Box::new(source) })?;
        let text = String::from_utf8(value).ok().map(|text| text.trim_end().to_owned());
        let text = text.filter(|text| !text.contains(|c: char| c.is_control()));
        let text = text.ok_or(GitError::SecretText { id })?;
        let authorization = if is_token { basic("x-access-token", &text) } else { text };
        return Ok(Credentials { authorization: Some(authorization) });
    }
    Ok(Credentials::default())
}

fn basic(name: &str, password: &str) -> String {
    format!("basic {}", STANDARD.encode(format!("{name}:{password}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::SecretSource;

    #[test]
    fn passwords_leave_the_address() {
        for (transport, remote, plain, authorization) in [
            (Transport::Https, "https://u:p%40@h/x.git", "https://h/x.git", Some("basic dTpwQA==")),
            (Transport::Https, "https://t@h:8/x@y.git", "https://h:8/x@y.git", Some("basic dDo=")),
            (Transport::Https, "https://h/x.git", "https://h/x.git", None),
            (Transport::Ssh, "ssh://git:p@h/x", "ssh://git@h/x", None),
            (Transport::Ssh, "git@h:x", "git@h:x", None),
        ] {
            let (found, credentials) = split(transport, remote);
            assert_eq!(found, plain);
            assert_eq!(credentials.authorization.as_deref(), authorization, "{remote}");
        }
    }

    #[test]
    fn secrets_for_the_host_come_first() {
        let secret = |id: &str, value: &str| Secret {
            id: id.to_owned(),
            source: SecretSource::Value(value.as_bytes().to_vec()),
        };
        let given = [
            secret("GIT_AUTH_TOKEN", "everywhere"),
            secret("GIT_AUTH_HEADER.h:8", "bearer x\n"),
            secret("GIT_AUTH_TOKEN.h", "t"),
        ];
        let found =
            |host: &str, anywhere| of_secrets(host, anywhere, &given).unwrap().authorization;
        assert_eq!(found("h:8", true).as_deref(), Some("bearer x"));
        assert_eq!(found("h:9", true), Some(basic("x-access-token", "t")));
        assert_eq!(found("other", true), Some(basic("x-access-token", "everywhere")));
        assert_eq!(found("other", false), None);
        let lines = [secret("GIT_AUTH_HEADER", "a\nb")];
        assert!(of_secrets("h", true, &lines).is_err());
    }
}
