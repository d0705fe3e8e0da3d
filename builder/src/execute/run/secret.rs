//! `RUN --mount=type=secret`: a file that exists only in memory, or a variable.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use runtime::{Mount, MountSource};

use super::RunError;
use crate::request::{Secret, SecretSource};
use crate::step::SecretMount;

/// As much as BuildKit takes.
const LARGEST: u64 = 500 << 10;

/// What the process gets of a secret.
#[derive(Default)]
pub(super) struct Given {
    pub(super) file: Option<Mount>,
    /// `NAME=VALUE`
    pub(super) variable: Option<String>,
}

/// An optional secret that was not given is nothing.
pub(super) fn give(mount: &SecretMount, secrets: &[Secret]) -> Result<Given, RunError> {
    // Of a secret given twice, the last counts.
    let Some(secret) = secrets.iter().rev().find(|secret| secret.id == mount.id) else {
        let missing = RunError::SecretMissing { id: mount.id.clone() };
        return if mount.required { Err(missing) } else { Ok(Given::default()) };
    };
    let content = read(secret)?;
    let variable = mount.env.as_ref().map(|name| variable(name, secret, &content)).transpose()?;
    let file = mount.target.as_ref().map(|target| Mount {
        target: PathBuf::from(target),
        source: MountSource::File { content, mode: mount.mode, uid: mount.uid, gid: mount.gid },
        read_only: true,
    });
    Ok(Given { file, variable })
}

/// The value of a secret.
pub(crate) fn read(secret: &Secret) -> Result<Vec<u8>, RunError> {
    let mut content = Vec::new();
    match &secret.source {
        SecretSource::Value(value) => content.clone_from(value),
        SecretSource::File(path) => {
            let read =
                File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut content));
            read.map_err(|source| RunError::SecretRead {
                id: secret.id.clone(),
                path: path.clone(),
                source,
            })?;
        }
    }
    if content.len() as u64 > LARGEST {
        return Err(RunError::SecretSize { id: secret.id.clone() });
    }
    Ok(content)
}

fn variable(name: &str, secret: &Secret, content: &[u8]) -> Result<String, RunError> {
    match std::str::from_utf8(content) {
        Ok(text) if !text.contains('\0') => Ok(format!("{name}={text}")),
        _ => Err(RunError::SecretText { id: secret.id.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(required: bool) -> SecretMount {
        SecretMount {
            id: "s".to_owned(),
            target: Some("/run/secrets/s".to_owned()),
            env: Some("S".to_owned()),
            required,
            mode: 0o400,
            uid: 0,
            gid: 0,
        }
    }

    fn secret(value: Vec<u8>) -> Secret {
        Secret { id: "s".to_owned(), source: SecretSource::Value(value) }
    }

    #[test]
    fn only_required_ones_must_be_given() {
        assert!(give(&mount(false), &[]).unwrap().file.is_none());
        let error = give(&mount(true), &[]).err().unwrap();
        assert_eq!(error.to_string(), "secret s: not found");
    }

    #[test]
    fn the_last_of_the_same_name_is_given_as_file_and_variable() {
        let given =
            give(&mount(true), &[secret(b"old".to_vec()), secret(b"new".to_vec())]).unwrap();
        assert_eq!(given.variable.as_deref(), Some("S=new"));
        let source = given.file.unwrap().source;
        let content = b"new".to_vec();
        assert_eq!(source, MountSource::File { content, mode: 0o400, uid: 0, gid: 0 });
    }

    #[test]
    fn what_cannot_be_given_is_an_error() {
        assert!(give(&mount(true), &[secret(vec![0xff])]).is_err());
        assert!(give(&mount(true), &[secret(b"a\0b".to_vec())]).is_err());
        assert!(give(&mount(true), &[secret(vec![b'x'; 600 << 10])]).is_err());
    }
}
