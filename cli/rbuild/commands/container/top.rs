//! `rbuild top`

use anyhow::{Result, bail};
use cli::environment::Environment;
use cli::{Exit, output, top};
use runtime::EngineId;
use runtime::events::Event;

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
    let table = top::table(&engine, &container, &args.options)?;
    Event::of_container(&container.definition, "top").note(store.state());
    output::write(&table)?;
    Ok(Exit::Success)
}
