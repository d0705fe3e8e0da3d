//! `rbuild rename`

use anyhow::{Context, Result};
use cli::Exit;
use cli::environment::Environment;
use runtime::events::Event;
use runtime::shim::Connection;

use super::open;
use crate::args::RenameArgs;

pub(crate) fn run(args: &RenameArgs, environment: &Environment) -> Result<Exit> {
    let (store, containers) = open(environment)?;
    let container = containers.find(&args.container)?;
    let name = args.name.strip_prefix('/').unwrap_or(&args.name);
    containers.rename(&containers.lock()?, &container, name)?;
    if container.state.status.is_alive() {
        // The others on its networks ask for it by its name.
        let followed = Connection::open(&container).and_then(|shim| shim.reload());
        followed.context(
            "it has its new name, but the containers on its networks do not know it by that",
        )?;
    }
    let mut definition = container.definition;
    let old = format!("/{}", std::mem::replace(&mut definition.name, name.to_owned()));
    Event::of_container(&definition, "rename").with("oldName", old).note(store.state());
    Ok(Exit::Success)
}
