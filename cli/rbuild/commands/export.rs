//! `rbuild export`

use std::io::{self, IsTerminal};

use anyhow::{Result, bail};
use builder::request::{Destination, Output};
use cli::Exit;
use cli::environment::Environment;
use store::Platform;

use super::open_store;
use crate::args::ExportArgs;

/// The same as `build --output type=tar` writes.
pub(crate) fn run(args: &ExportArgs, environment: &Environment) -> Result<Exit> {
    let platform = args.platform.as_deref().map(str::parse::<Platform>).transpose()?;
    let destination = match &args.output {
        Some(path) if path.as_os_str() != "-" => Destination::Path(path.clone()),
        _ if io::stdout().is_terminal() => {
            bail!("refusing to write an archive to a terminal: give a file with `--output`")
        }
        _ => Destination::Stdout,
    };
    let store = open_store(environment)?;
    let image = store.resolve_for(&args.image, &platform.unwrap_or_else(Platform::host))?;
    builder::export::write(&store, &[image], &[], &Output::Tar(destination))?;
    Ok(Exit::Success)
}
