//! `config.json`: what docker, podman and others keep about registries. What is not ours in it stays as it is.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};
use store::registry::Credential;

/// What docker calls its own registry.
pub(super) const HUB_KEY: &str = "https://index.docker.io/v1/";
const HUB: &str = "docker.io";
const HUB_NAMES: [&str; 4] = [HUB_KEY, HUB, "index.docker.io", "registry-1.docker.io"];

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot {act} `{}`", path.display())]
    Io { act: &'static str, path: PathBuf, source: io::Error },
    #[error("`{}` is not valid", path.display())]
    Document { path: PathBuf, source: serde_json::Error },
    #[error("`{}`: `{field}` is not valid", path.display())]
    Field { path: PathBuf, field: String },
}

/// The file as it was read.
#[derive(Debug)]
pub(super) struct Config {
    path: PathBuf,
    document: Map<String, Value>,
}

impl Config {
    /// An absent file has nothing in it.
    pub(super) fn read(path: &Path) -> Result<Config, ConfigError> {
        let path = path.to_owned();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => b"{}".to_vec(),
            Err(source) => return Err(ConfigError::Io { act: "read", path, source }),
        };
        match serde_json::from_slice(&text) {
            Ok(document) => Ok(Config { path, document }),
            Err(source) => Err(ConfigError::Document { path, source }),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The program that keeps the credentials of a registry.
    pub(super) fn helper(&self, registry: &str) -> Result<Option<&str>, ConfigError> {
        let own = self.object("credHelpers")?;
        let own = own.into_iter().flatten().find(|(key, _)| is_key_of(key, registry));
        let (field, value) = match own {
            Some((key, value)) => (format!("credHelpers.{key}"), Some(value)),
            None => ("credsStore".to_owned(), self.document.get("credsStore")),
        };
        match value {
            None => Ok(None),
            Some(Value::String(name)) if name.is_empty() => Ok(None),
            Some(Value::String(name)) if is_plain(name) => Ok(Some(name)),
            Some(_) => Err(self.wrong(field)),
        }
    }

    /// Credentials in the file itself.
    pub(super) fn credential(&self, registry: &str) -> Result<Option<Credential>, ConfigError> {
        let mut entries = self.object("auths")?.into_iter().flatten();
        let Some((key, entry)) = entries.find(|(key, _)| is_key_of(key, registry)) else {
            return Ok(None);
        };
        let text = |name: &str| entry.get(name).and_then(Value::as_str).filter(|t| !t.is_empty());
        if let Some(token) = text("identitytoken") {
            return Ok(Some(Credential::IdentityToken(token.to_owned())));
        }
        if let (Some(user), Some(password)) = (text("username"), text("password")) {
            let (user, password) = (user.to_owned(), password.to_owned());
            return Ok(Some(Credential::Password { user, password }));
        }
        let Some(auth) = text("auth") else { return Ok(None) };
        let decoded = BASE64_STANDARD.decode(auth).ok().and_then(|b| String::from_utf8(b).ok());
        let pair = decoded.as_deref().and_then(|text| text.split_once(':'));
        let (user, password) = pair.ok_or_else(|| self.wrong(format!("auths.{key}.auth")))?;
        let password = password.trim_end_matches('\0').to_owned();
        Ok(Some(Credential::Password { user: user.to_owned(), password }))
    }

    /// Whether there is anything about a registry, be it that a helper has the rest.
    pub(super) fn mentions(&self, registry: &str) -> Result<bool, ConfigError> {
        Ok(self.object("auths")?.into_iter().flatten().any(|(key, _)| is_key_of(key, registry)))
    }

    /// Puts credentials into the file, or (without any) says that a helper has them.
    pub(super) fn set(
        &mut self,
        registry: &str,
        password: Option<(&str, &str)>,
    ) -> Result<(), ConfigError> {
        self.forget(registry)?;
        let entry = match password {
            Some((user, password)) => {
                json!({ "auth": BASE64_STANDARD.encode(format!("{user}:{password}")) })
            }
            None => json!({}),
        };
        let auths = self.document.entry("auths").or_insert_with(|| json!({}));
        if let Value::Object(auths) = auths {
            auths.insert(key(registry).to_owned(), entry);
        }
        self.write()
    }

    pub(super) fn remove(&mut self, registry: &str) -> Result<(), ConfigError> {
        self.forget(registry)?;
        self.write()
    }

    fn forget(&mut self, registry: &str) -> Result<(), ConfigError> {
        self.object("auths")?;
        if let Some(Value::Object(auths)) = self.document.get_mut("auths") {
            auths.retain(|key, _| !is_key_of(key, registry));
        }
        Ok(())
    }

    /// At once, and for its owner's eyes only.
    fn write(&self) -> Result<(), ConfigError> {
        // A link to where the file really is stays one.
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let failed = |act| {
            let path = path.clone();
            move |source| ConfigError::Io { act, path, source }
        };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed("make the directory of"))?;
        }
        let temporary = path.with_extension(format!("json.{}", std::process::id()));
        let _from_a_process_that_was_killed = fs::remove_file(&temporary);
        let text = serde_json::to_vec_pretty(&self.document);
        let text = text.map_err(|source| ConfigError::Document { path: path.clone(), source })?;
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary);
        let written = file.and_then(|mut file| {
            file.write_all(&text)?;
            file.write_all(b"\n")?;
            file.sync_all()
        });
        let renamed = written.and_then(|()| fs::rename(&temporary, &path));
        renamed.map_err(|source| {
            let _nothing_is_left = fs::remove_file(&temporary);
            failed("write")(source)
        })
    }

    fn object(&self, field: &str) -> Result<Option<&Map<String, Value>>, ConfigError> {
        match self.document.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(_) => Err(self.wrong(field.to_owned())),
        }
    }

    fn wrong(&self, field: String) -> ConfigError {
        ConfigError::Field { path: self.path.clone(), field }
    }
}

/// What the file calls a registry.
pub(super) fn key(registry: &str) -> &str {
    if registry == HUB { HUB_KEY } else { registry }
}

/// Older files have URLs.
fn is_key_of(key: &str, registry: &str) -> bool {
    if registry == HUB {
        return HUB_NAMES.contains(&key);
    }
    let bare = key.strip_prefix("https://").or(key.strip_prefix("http://"));
    let bare = bare.map_or(key, |rest| rest.split('/').next().unwrap_or_default());
    bare == registry
}

/// A helper is a program with a plain name, found as other programs are.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> (tempfile::TempDir, Config) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        fs::write(&path, text).unwrap();
        let config = Config::read(&path).unwrap();
        (directory, config)
    }

    fn password(user: &str, password: &str) -> Option<Credential> {
        Some(Credential::Password { user: user.to_owned(), password: password.to_owned() })
    }

    #[test]
    fn credentials_are_found_under_every_name() {
        // user:pass:word
        let (_directory, config) = config(
            r#"{"auths": {
                "https://index.docker.io/v1/": {"auth": "dXNlcjpwYXNzOndvcmQ="},
                "https://old.example/v1/": {"username": "a", "password": "b"},
                "token.example:5000": {"identitytoken": "t", "auth": "dXNlcjpwYXNzOndvcmQ="},
                "broken.example": {"auth": "!"},
                "empty.example": {}
            }}"#,
        );
        let find = |registry| config.credential(registry).unwrap();
        assert_eq!(find("docker.io"), password("user", "pass:word"));
        assert_eq!(find("old.example"), password("a", "b"));
        assert_eq!(find("token.example:5000"), Some(Credential::IdentityToken("t".to_owned())));
        assert_eq!(find("token.example"), None);
        assert_eq!(find("empty.example"), None);
        assert!(config.mentions("empty.example").unwrap());
        let error = config.credential("broken.example").unwrap_err().to_string();
        assert!(error.contains("`auths.broken.example.auth` is not valid"), "{error}");
    }

    #[test]
    fn helpers_are_plain_names() {
        let (_directory, config) = config(
            r#"{"credsStore": "pass", "credHelpers": {"a.example": "../bad", "b.example": "own"}}"#,
        );
        assert_eq!(config.helper("b.example").unwrap(), Some("own"));
        assert_eq!(config.helper("c.example").unwrap(), Some("pass"));
        assert!(config.helper("a.example").is_err());
    }

    #[test]
    fn what_is_not_ours_stays() {
        use std::os::unix::fs::PermissionsExt;
        let (directory, mut config) =
            config(r#"{"psFormat": "x", "auths": {"http://a.example/v1": {"auth": "Og=="}}}"#);
        config.set("a.example", Some(("user", "secret"))).unwrap();
        let path = directory.path().join("config.json");
        let read: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let auth = BASE64_STANDARD.encode("user:secret");
        assert_eq!(read, json!({ "psFormat": "x", "auths": { "a.example": { "auth": auth } } }));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        config.remove("a.example").unwrap();
        assert!(!Config::read(&path).unwrap().mentions("a.example").unwrap());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
