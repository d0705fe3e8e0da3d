//! Configs and secrets that no project owns: what `external: true` means. They are files below the store's directory, which
//! only its owner can read.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExternalKind {
    Config,
    Secret,
}

impl ExternalKind {
    pub const ALL: [ExternalKind; 2] = [ExternalKind::Config, ExternalKind::Secret];

    pub fn word(self) -> &'static str {
        match self {
            ExternalKind::Config => "config",
            ExternalKind::Secret => "secret",
        }
    }
}

impl fmt::Display for ExternalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

#[derive(Debug, Error)]
pub enum ExternalError {
    #[error(
        "`{name}` cannot be the name of a {kind}: it has 1 to 64 of a-z, A-Z, 0-9, `_`, `-` and `.`, the first none of the last three"
    )]
    Name { kind: ExternalKind, name: String },
    #[error("there is a {kind} `{name}` already")]
    Exists { kind: ExternalKind, name: String },
    #[error("{kind} \"{name}\" not found")]
    NotFound { kind: ExternalKind, name: String },
    #[error("cannot {act} the {kind} `{name}`")]
    Io { act: &'static str, kind: ExternalKind, name: String, source: io::Error },
    #[error("cannot read `{}`", path.display())]
    List { path: PathBuf, source: io::Error },
}

impl ExternalError {
    /// None of a list of several.
    pub fn kind(&self) -> &'static str {
        match self {
            ExternalError::Name { kind, .. }
            | ExternalError::Exists { kind, .. }
            | ExternalError::NotFound { kind, .. }
            | ExternalError::Io { kind, .. } => kind.word(),
            ExternalError::List { .. } => "config or secret",
        }
    }
}

/// Those of one store.
#[derive(Clone, Debug)]
pub struct Externals {
    directory: PathBuf,
}

impl Externals {
    pub fn of(root: &Path) -> Externals {
        Externals { directory: root.join("external") }
    }

    fn folder(&self, kind: ExternalKind) -> PathBuf {
        self.directory.join(kind.word())
    }

    fn path(&self, kind: ExternalKind, name: &str) -> Result<PathBuf, ExternalError> {
        let plain = |char: char| char.is_ascii_alphanumeric() || "_-.".contains(char);
        let first = name.chars().next().is_some_and(|char| char.is_ascii_alphanumeric());
        match first && name.len() <= 64 && name.chars().all(plain) {
            true => Ok(self.folder(kind).join(name)),
            false => Err(ExternalError::Name { kind, name: name.to_owned() }),
        }
    }

    pub fn read(&self, kind: ExternalKind, name: &str) -> Result<Vec<u8>, ExternalError> {
        let path = self.path(kind, name)?;
        fs::read(path).map_err(|source| failed("read", kind, name, source))
    }

    /// One that exists stays as it is.
    pub fn create(
        &self,
        kind: ExternalKind,
        name: &str,
        content: &[u8],
    ) -> Result<(), ExternalError> {
        let path = self.path(kind, name)?;
        let write = || {
            DirBuilder::new().recursive(true).mode(0o700).create(self.folder(kind))?;
            // Another name until it is whole: whoever finds it has all of it.
            let temporary = self.folder(kind).join(format!(".{name}.{}", std::process::id()));
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&temporary)?;
            let linked = file
                .write_all(content)
                .and_then(|()| file.sync_all())
                .and_then(|()| fs::hard_link(&temporary, &path));
            fs::remove_file(&temporary)?;
            linked?;
            File::open(self.folder(kind))?.sync_all()
        };
        write().map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => ExternalError::Exists { kind, name: name.to_owned() },
            _ => failed("create", kind, name, source),
        })
    }

    pub fn remove(&self, kind: ExternalKind, name: &str) -> Result<(), ExternalError> {
        let path = self.path(kind, name)?;
        fs::remove_file(path).map_err(|source| failed("remove", kind, name, source))
    }

    /// Their names, sorted.
    pub fn list(&self, kind: ExternalKind) -> Result<Vec<String>, ExternalError> {
        let path = self.folder(kind);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(ExternalError::List { path, source }),
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
        names.sort();
        Ok(names)
    }
}

fn failed(act: &'static str, kind: ExternalKind, name: &str, source: io::Error) -> ExternalError {
    let name = name.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound => ExternalError::NotFound { kind, name },
        _ => ExternalError::Io { act, kind, name, source },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const SECRET: ExternalKind = ExternalKind::Secret;

    #[test]
    fn what_is_created_is_found_until_it_is_removed() {
        let temp = tempfile::tempdir().unwrap();
        let externals = Externals::of(temp.path());
        assert!(externals.list(SECRET).unwrap().is_empty());
        externals.create(SECRET, "b", b"two").unwrap();
        externals.create(SECRET, "a", b"one").unwrap();
        externals.create(ExternalKind::Config, "a", b"three").unwrap();
        assert_eq!(externals.list(SECRET).unwrap(), ["a", "b"]);
        assert_eq!(externals.read(SECRET, "a").unwrap(), b"one");
        assert_eq!(externals.read(ExternalKind::Config, "a").unwrap(), b"three");
        let again = externals.create(SECRET, "a", b"other").unwrap_err();
        assert!(matches!(again, ExternalError::Exists { .. }), "{again}");
        assert_eq!(externals.read(SECRET, "a").unwrap(), b"one");
        let mode = |path: &str| {
            let found = fs::metadata(temp.path().join(path)).unwrap();
            found.permissions().mode() & 0o777
        };
        assert_eq!((mode("external/secret"), mode("external/secret/a")), (0o700, 0o600));
        externals.remove(SECRET, "a").unwrap();
        let gone = externals.read(SECRET, "a").unwrap_err();
        assert!(matches!(gone, ExternalError::NotFound { .. }), "{gone}");
    }

    #[test]
    fn names_do_not_lead_elsewhere() {
        let temp = tempfile::tempdir().unwrap();
        let externals = Externals::of(temp.path());
        for name in ["", "..", "../a", "a/b", ".a", "-a", "a b", &"a".repeat(65)] {
            let error = externals.create(SECRET, name, b"").unwrap_err();
            assert!(matches!(error, ExternalError::Name { .. }), "{name}: {error}");
        }
    }
}
