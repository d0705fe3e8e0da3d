//! `rbuild rename`

use anyhow::Result;
use cli::Exit;
use cli::environment::Environment;

use super::open;
use crate::args::RenameArgs;

pub(crate) fn run(args: &RenameArgs, environment: &Environment) -> Result<Exit> {
    let (_store, containers) = open(environment)?;
    let container = containers.find(&args.container)?;
    let name = args.name.strip_prefix('/').unwrap_or(&args.name);
    containers.rename(&containers.lock()?, &container, name)?;
    Ok(Exit::Success)
}
