//! `rbuild cp`

use std::io::{self, IsTerminal, Write};

use anyhow::{Result, bail};
use cli::copy::{Manner, Side, between, side, with_root};
use cli::environment::Environment;
use cli::{Exit, output};

use super::open;
use crate::args::CpArgs;
use crate::commands::report_of;

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
    let manner = Manner { archive: args.archive, follow_link: args.follow_link };
    with_root(&containers, &container, &|error| report_of(error).print(), &|root| {
        let bytes = between(manner, root, &source, &destination)?;
        let Some(bytes) = bytes.filter(|_| !args.quiet) else { return Ok(()) };
        let to = args.destination.to_string_lossy();
        let text = format!("Successfully copied {} to {to}\n", output::size(bytes));
        // Who does not listen has his files all the same.
        let _unread = io::stderr().write_all(text.as_bytes());
        Ok(())
    })
}
