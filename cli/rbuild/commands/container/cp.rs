//! `rbuild cp`

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cli::environment::Environment;
use cli::{Exit, output};
use engine::copy::{Destination, Owner, RootDir, Source, extract_archive};
use runtime::containers::{Container, Containers};

use super::open;
use crate::args::CpArgs;
use crate::commands::report_of;

/// One side of a copy.
#[derive(Debug, PartialEq, Eq)]
enum Side {
    Container {
        name: String,
        path: PathBuf,
    },
    Here(PathBuf),
    /// A tar archive on stdin or stdout.
    Stream,
}

pub(crate) fn run(args: &CpArgs, environment: &Environment) -> Exit {
    copy(args, environment).unwrap_or_else(|error| {
        report_of(&error).print();
        Exit::Failure
    })
}

fn copy(args: &CpArgs, environment: &Environment) -> Result<Exit> {
    let (source, destination) = (side(&args.source)?, side(&args.destination)?);
    let name = match (&source, &destination) {
        (Side::Container { .. }, Side::Container { .. }) => {
            bail!("files are not copied from container to container; copy them here in between")
        }
        (Side::Container { name, .. }, Side::Stream) if io::stdout().is_terminal() => {
            bail!("refusing to write an archive of `{name}` to a terminal")
        }
        (Side::Container { name, .. }, _) | (_, Side::Container { name, .. }) => name,
        _ => bail!("one side must be in a container: `CONTAINER:PATH`"),
    };
    let (_store, containers) = open(environment)?;
    let container = containers.find(name)?;
    with_root(&containers, &container, &|root| {
        let bytes = between(args, root, &source, &destination)?;
        let Some(bytes) = bytes.filter(|_| !args.quiet) else { return Ok(()) };
        let to = args.destination.to_string_lossy();
        let text = format!("Successfully copied {} to {to}\n", output::size(bytes));
        // Who does not listen has his files all the same.
        let _unread = io::stderr().write_all(text.as_bytes());
        Ok(())
    })
}

/// With the root of the container as its processes see it, or would if it ran.
fn with_root(
    containers: &Containers,
    container: &Container,
    act: &dyn Fn(&RootDir) -> Result<()>,
) -> Result<Exit> {
    if container.state.process.is_some_and(|process| process.is_alive()) {
        act(&runtime::root_of(container)?)?;
        return Ok(Exit::Success);
    }
    let Some(_still) = containers.hold(container)? else {
        bail!("container `{}` is being started or ended; try again", container.definition.name);
    };
    // In a process of its own, which has the mounts.
    let code = runtime::with_files_of(containers, container, |root| match act(root) {
        Ok(()) => Exit::Success.status(),
        Err(error) => {
            report_of(&error).print();
            Exit::Failure.status()
        }
    })?;
    Ok(if code == 0 { Exit::Success } else { Exit::Failure })
}

/// How many bytes of files were copied, if that is known.
fn between(
    args: &CpArgs,
    inside: &RootDir,
    source: &Side,
    destination: &Side,
) -> Result<Option<u64>> {
    let here = || RootDir::open("/").context("cannot open `/`");
    match (source, destination) {
        (Side::Container { path, .. }, Side::Here(to)) => {
            let source = Source::find(inside, path, args.follow_link)?;
            let destination = Destination::find(&here()?, to, &source)?;
            let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
            let own = Owner::Of { uid: uid.as_raw(), gid: gid.as_raw() };
            let owner = if args.archive { Owner::Kept } else { own };
            Ok(Some(source.copy_to(&destination, owner)?))
        }
        (Side::Here(from), Side::Container { path, .. }) => {
            let source = Source::find(&here()?, from, args.follow_link)?;
            let destination = Destination::find(inside, path, &source)?;
            let owner = if args.archive { Owner::Kept } else { Owner::Of { uid: 0, gid: 0 } };
            Ok(Some(source.copy_to(&destination, owner)?))
        }
        (Side::Container { path, .. }, Side::Stream) => {
            let source = Source::find(inside, path, args.follow_link)?;
            source.write_archive(&mut io::stdout().lock())?;
            Ok(None)
        }
        (Side::Stream, Side::Container { path, .. }) => {
            let destination = Destination::directory(inside, path)?;
            extract_archive(io::stdin(), &destination, Owner::Kept)?;
            Ok(None)
        }
        // Refused before.
        _ => Ok(None),
    }
}

/// As docker reads it: what begins with `/` or `.` is here, and so is what has no colon.
fn side(text: &OsString) -> Result<Side> {
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
