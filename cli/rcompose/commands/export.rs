//! `rcompose export`

use std::io::{self, IsTerminal};

use anyhow::{Result, bail};
use builder::request::Destination;
use cli::Exit;

use super::stack::{Call, container_of};
use crate::args::ExportArgs;

pub(super) fn run(args: &ExportArgs, call: Call<'_>) -> Result<Exit> {
    let destination = match &args.output {
        Some(path) if path.as_os_str() != "-" => Destination::Path(path.clone()),
        _ if io::stdout().is_terminal() => {
            bail!("refusing to write an archive to a terminal: give a file with `--output`")
        }
        _ => Destination::Stdout,
    };
    let host = call.host()?;
    let project = call.project_or_remains(&host)?;
    let member = container_of(&host, &project, &args.service, args.index)?;
    let changes = engine::changes_of(&host.store, &member.container)?;
    builder::export::write_tree(&changes.tree(), &destination)?;
    Ok(Exit::Success)
}
