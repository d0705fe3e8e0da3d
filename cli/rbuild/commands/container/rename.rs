//! `rbuild rename`

use anyhow::Result;
use cli::Exit;
use cli::environment::Environment;
use runtime::events::Event;

use super::open;
use crate::args::RenameArgs;

pub(crate) fn run(args: &RenameArgs, environment: &Environment) -> Result<Exit> {
    let (store, containers) = open(environment)?;
    let container = containers.find(&args.container)?;
    let name = args.name.strip_prefix('/').unwrap_or(&args.name);
    containers.rename(&containers.lock()?, &container, name)?;
    let mut definition = container.definition;
    let old = format!("/{}", std::mem::replace(&mut definition.name, name.to_owned()));
    Event::of_container(&definition, "rename").with("oldName", old).note(store.state());
    Ok(Exit::Success)
}
