//! Where `convert` reads and writes: `TRANSPORT:PLACE[:NAME]`, near skopeo's way of writing it.

use std::path::PathBuf;

use anyhow::{Result, bail};

/// One end of a conversion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `oci:DIR[:NAME]`
    Directory { path: PathBuf, name: Option<String> },
    /// `oci-archive:FILE[:NAME]` and `docker-archive:FILE[:NAME]`
    Archive { kind: Kind, file: FileOrPipe, name: Option<String> },
    /// `store:NAME`
    Store { name: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Oci,
    Docker,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FileOrPipe {
    File(PathBuf),
    /// `-`: stdin or stdout.
    Pipe,
}

impl Place {
    pub(super) fn parse(text: &str) -> Result<Place> {
        let Some((transport, rest)) = text.split_once(':') else {
            bail!("`{text}` does not say what it is: {FORMS}");
        };
        if rest.is_empty() {
            bail!("`{text}` names nothing: {FORMS}");
        }
        match transport {
            "store" => Ok(Place::Store { name: rest.to_owned() }),
            "oci" => {
                let (path, name) = path_and_name(text, rest)?;
                Ok(Place::Directory { path: path.into(), name })
            }
            "oci-archive" => archive(Kind::Oci, text, rest),
            "docker-archive" => archive(Kind::Docker, text, rest),
            "docker" | "docker-daemon" | "containers-storage" | "dir" | "sif" | "ostree" => {
                bail!("`{transport}:` is not supported: {FORMS}")
            }
            _ => bail!("`{text}` does not say what it is: {FORMS}"),
        }
    }

    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Place::Directory { name, .. } | Place::Archive { name, .. } => name.as_deref(),
            Place::Store { name } => Some(name),
        }
    }
}

const FORMS: &str =
    "expected oci:DIR[:NAME], oci-archive:FILE[:NAME], docker-archive:FILE[:NAME] or store:NAME";

fn archive(kind: Kind, text: &str, rest: &str) -> Result<Place> {
    let (path, name) = path_and_name(text, rest)?;
    let file = if path == "-" { FileOrPipe::Pipe } else { FileOrPipe::File(path.into()) };
    Ok(Place::Archive { kind, file, name })
}

/// As with skopeo, the path ends at the first colon.
fn path_and_name<'a>(text: &str, rest: &'a str) -> Result<(&'a str, Option<String>)> {
    let (path, name) = match rest.split_once(':') {
        Some((path, name)) => (path, Some(name)),
        None => (rest, None),
    };
    if path.is_empty() || name == Some("") {
        bail!("`{text}`: a path or a name is empty");
    }
    Ok((path, name.map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_written_as_for_skopeo() {
        let place = |text: &str| Place::parse(text).unwrap();
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(place("oci:/a/b"), Place::Directory { path: "/a/b".into(), name: None });
        let archive = |kind, file, name| Place::Archive { kind, file, name };
        let file = |path: &str| FileOrPipe::File(path.into());
        assert_eq!(
            place("oci-archive:a.tar:docker.io/library/app:1"),
            archive(Kind::Oci, file("a.tar"), name("docker.io/library/app:1"))
        );
        assert_eq!(
            place("docker-archive:-:app"),
            archive(Kind::Docker, FileOrPipe::Pipe, name("app"))
        );
        assert_eq!(place("store:app:1"), Place::Store { name: "app:1".to_owned() });
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for text in ["app", "oci:", "oci::x", "oci:a:", "docker://busybox", "dir:/x", "store:"] {
            let error = Place::parse(text).unwrap_err().to_string();
            assert!(error.contains(text.split(':').next().unwrap()), "{error}");
        }
    }
}
