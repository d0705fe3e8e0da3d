//! `rbuild rm`

use anyhow::{Result, bail};
use cli::environment::Environment;
use cli::{Exit, output};
use runtime::containers::{Container, ContainerError, Containers, Status};
use store::Store;

use super::{for_each, open};
use crate::args::RmArgs;

pub(crate) fn run(args: &RmArgs, environment: &Environment) -> Result<Exit> {
    let (store, containers) = open(environment)?;
    Ok(for_each(&args.containers, |text| {
        match containers.find(text) {
            Ok(container) => remove_one(&store, &containers, &container, text, args)?,
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
    args: &RmArgs,
) -> Result<()> {
    if container.state.status.is_alive() {
        if !args.force {
            let doing = match container.state.status {
                Status::Restarting => "restarting",
                Status::Paused => "paused",
                _ => "running",
            };
            bail!(
                "container `{text}` is {doing}; stop it with `rbuild stop {text}`, or use `--force`"
            );
        }
        engine::end(container)?;
    }
    match args.volumes {
        true => engine::remove_with_volumes(store, containers, container)?,
        false => engine::remove(store, containers, container)?,
    }
    Ok(())
}
