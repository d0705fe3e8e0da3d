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
        engine::end(container)?;
    }
    Ok(engine::remove(store, containers, container)?)
}
