//! `rbuild top`

use anyhow::{Result, bail};
use cli::environment::Environment;
use cli::{Exit, output, top};
use runtime::EngineId;

use super::open;
use crate::args::TopArgs;

pub(crate) fn run(args: &TopArgs, environment: &Environment) -> Result<Exit> {
    top::check(&args.options)?;
    let (store, containers) = open(environment)?;
    let container = containers.find(&args.container)?;
    if container.state.process.is_none() {
        bail!("container `{}` is not running", args.container);
    }
    let engine = EngineId::of_root(store.root())?;
    output::write(&top::table(&engine, &container, &args.options)?)?;
    Ok(Exit::Success)
}
