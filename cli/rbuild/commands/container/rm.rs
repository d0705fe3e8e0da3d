//! `rbuild rm`

use anyhow::{Result, bail};
use cli::environment::Environment;
use cli::{Exit, output};
use runtime::containers::{Container, ContainerError, Containers, Status};
use runtime::shim::Connection;
use store::Store;

use super::{for_each, open, remove};
use crate::args::RmArgs;

const KILL: i32 = 9;

pub(crate) fn run(args: &RmArgs, environment: &Environment) -> Result<Exit> {
    let (store, containers) = open(environment)?;
    Ok(for_each(&args.containers, |text| {
        match containers.find(text) {
            Ok(container) => remove_one(&store, &containers, &container, text, args.force)?,
            Err(ContainerError::NotFound { .. }) if args.force => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        Ok(output::line(text)?)
    }))
}

fn remove_one(
    store: &Store,
    containers: &Containers,
    container: &Container,
    text: &str,
    force: bool,
) -> Result<()> {
    if container.state.status.is_alive() {
        if !force {
            let doing = match container.state.status {
                Status::Restarting => "restarting",
                _ => "running",
            };
            bail!(
                "container `{text}` is {doing}; stop it with `rbuild stop {text}`, or use `--force`"
            );
        }
        end(container)?;
    }
    remove(store, containers, container)
}

/// Kills it and waits until its shim has gone.
fn end(container: &Container) -> Result<()> {
    let Ok(connection) = Connection::open(container) else {
        // It ended by itself in this moment, or its shim has; both leave nothing that runs.
        return Ok(());
    };
    connection.stop(Some(KILL), None)?;
    connection.gone();
    Ok(())
}
