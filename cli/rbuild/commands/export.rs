//! `rbuild export`

use std::io::{self, IsTerminal};

use anyhow::{Result, bail};
use builder::request::{Destination, Output};
use cli::Exit;
use cli::environment::Environment;
use runtime::containers::ContainerError;
use runtime::events::Event;
use store::Platform;

use super::container;
use crate::args::ExportArgs;

/// Of a container all its files but what is mounted in it; of an image what `build --output type=tar` writes.
pub(crate) fn run(args: &ExportArgs, environment: &Environment) -> Result<Exit> {
    let platform = args.platform.as_deref().map(str::parse::<Platform>).transpose()?;
    let destination = match &args.output {
        Some(path) if path.as_os_str() != "-" => Destination::Path(path.clone()),
        _ if io::stdout().is_terminal() => {
            bail!("refusing to write an archive to a terminal: give a file with `--output`")
        }
        _ => Destination::Stdout,
    };
    let (store, containers) = container::open(environment)?;
    match containers.find(&args.name) {
        Ok(container) if platform.is_none() => {
            let changes = engine::changes_of(&store, &container)?;
            builder::export::write_tree(&changes.tree(), &destination)?;
            Event::of_container(&container.definition, "export").note(store.state());
            return Ok(Exit::Success);
        }
        Ok(_) | Err(ContainerError::NotFound { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let image = store.resolve_for(&args.name, &platform.unwrap_or_else(Platform::host))?;
    builder::export::write(&store, &[image], &[], &Output::Tar(destination))?;
    Ok(Exit::Success)
}
