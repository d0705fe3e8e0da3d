//! `rbuild completion`, `rbuild man`

use anyhow::{Context, Result};
use clap::CommandFactory;
use cli::manual::{self, CompletionArgs, ManualArgs};
use cli::{Exit, output};

use crate::args::Args;

pub(super) fn completion(args: &CompletionArgs) -> Result<Exit> {
    output::write(&manual::completion(Args::command(), args.shell))?;
    Ok(Exit::Success)
}

pub(super) fn pages(args: &ManualArgs) -> Result<Exit> {
    let written = manual::write_pages(Args::command(), &args.directory);
    written.with_context(|| format!("cannot write pages to `{}`", args.directory.display()))?;
    Ok(Exit::Success)
}
