//! Copying files between a container and here: what the arguments mean, for both programs.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, bail};
use engine::copy::{Destination, IdMap, Owner, RootDir, Source, extract_archive};
use runtime::UserIds;
use runtime::containers::{Container, Containers};

use crate::Exit;

/// One side of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Side {
    Container {
        name: String,
        path: PathBuf,
    },
    Here(PathBuf),
    /// A tar archive on stdin or stdout.
    Stream,
}

/// The files of a container, and whose they are.
#[derive(Clone, Copy, Debug)]
pub struct Inside<'a> {
    root: &'a RootDir,
    ids: IdMap,
}

/// How files are copied.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// Owners stay what they are.
    pub archive: bool,
    pub follow_link: bool,
}

/// With the root of the container as its processes see it, or would if it ran. An error is told where it happens.
pub fn with_root(
    containers: &Containers,
    container: &Container,
    tell: &dyn Fn(&Error),
    act: &dyn Fn(&Inside<'_>) -> Result<()>,
) -> Result<Exit> {
    if container.state.process.is_some_and(|process| process.is_alive()) {
        let ids = container.definition.spec.user_namespace.as_ref().map_or(IdMap::Identity, map_of);
        runtime::with_root_of(container, |root| act(&Inside { root, ids }))??;
        return Ok(Exit::Success);
    }
    let Some(_still) = containers.hold(container)? else {
        bail!("container `{}` is being started or ended; try again", container.definition.name);
    };
    // In a process of its own, which has the mounts.
    let code = runtime::with_files_of(containers, container, |root| {
        // On the disk its files belong to whom they belong to inside.
        match act(&Inside { root, ids: IdMap::Identity }) {
            Ok(()) => Exit::Success.status(),
            Err(error) => {
                tell(&error);
                Exit::Failure.status()
            }
        }
    })?;
    Ok(if code == 0 { Exit::Success } else { Exit::Failure })
}

/// Ours have one range, from root on.
fn map_of(ids: &UserIds) -> IdMap {
    ids.users
        .first()
        .map_or(IdMap::Identity, |range| IdMap::Range { first: range.outside, count: range.count })
}

/// How many bytes of files were copied, if that is known.
pub fn between(
    manner: Manner,
    inside: &Inside<'_>,
    source: &Side,
    destination: &Side,
) -> Result<Option<u64>> {
    let here = || RootDir::open("/").context("cannot open `/`");
    let Inside { root: inside, ids } = *inside;
    match (source, destination) {
        (Side::Container { path, .. }, Side::Here(to)) => {
            let source = Source::find(inside, path, manner.follow_link)?.with_ids(ids);
            let destination = Destination::find(&here()?, to, &source)?;
            let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
            let own = Owner::Of { uid: uid.as_raw(), gid: gid.as_raw() };
            let owner = if manner.archive { Owner::Kept } else { own };
            Ok(Some(source.copy_to(&destination, owner)?))
        }
        (Side::Here(from), Side::Container { path, .. }) => {
            let source = Source::find(&here()?, from, manner.follow_link)?;
            let destination = Destination::find(inside, path, &source)?.with_ids(ids);
            let owner = if manner.archive { Owner::Kept } else { Owner::Of { uid: 0, gid: 0 } };
            Ok(Some(source.copy_to(&destination, owner)?))
        }
        (Side::Container { path, .. }, Side::Stream) => {
            let source = Source::find(inside, path, manner.follow_link)?.with_ids(ids);
            source.write_archive(&mut io::stdout().lock())?;
            Ok(None)
        }
        (Side::Stream, Side::Container { path, .. }) => {
            let destination = Destination::directory(inside, path)?.with_ids(ids);
            extract_archive(io::stdin(), &destination, Owner::Kept)?;
            Ok(None)
        }
        // Refused before.
        _ => Ok(None),
    }
}

/// As docker reads it: what begins with `/` or `.` is here, and so is what has no colon.
pub fn side(text: &OsString) -> Result<Side> {
    let bytes = text.as_bytes();
    if bytes == b"-" {
        return Ok(Side::Stream);
    }
    let colon = bytes.iter().position(|byte| *byte == b':');
    match colon {
        Some(colon) if !bytes.starts_with(b"/") && !bytes.starts_with(b".") => {
            let name = std::str::from_utf8(&bytes[..colon]);
            let name = name.context("the name of a container is not UTF-8")?.to_owned();
            let path = Path::new(OsStr::from_bytes(&bytes[colon + 1..]));
            if name.is_empty() || path.as_os_str().is_empty() {
                bail!("`{}` is not of the form CONTAINER:PATH", text.to_string_lossy());
            }
            Ok(Side::Container { name, path: Path::new("/").join(path) })
        }
        _ if bytes.is_empty() => bail!("a path is empty"),
        _ => {
            let current = std::env::current_dir().context("cannot find the working directory")?;
            Ok(Side::Here(current.join(text)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_read_as_docker_does() {
        let container =
            |name: &str, path: &str| Side::Container { name: name.to_owned(), path: path.into() };
        let here = |path: &str| Side::Here(path.into());
        for (text, expected) in [
            ("-", Side::Stream),
            ("box:/a/b", container("box", "/a/b")),
            ("box:a/.", container("box", "/a/.")),
            ("/a:b", here("/a:b")),
        ] {
            assert_eq!(side(&text.into()).unwrap(), expected, "{text}");
        }
        let Side::Here(path) = side(&"./box:x".into()).unwrap() else { panic!("here") };
        assert!(path.is_absolute() && path.ends_with("box:x"));
        for wrong in ["", ":/a", "box:"] {
            assert!(side(&wrong.into()).is_err(), "{wrong}");
        }
    }
}
