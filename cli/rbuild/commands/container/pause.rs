//! `rbuild pause`, `rbuild unpause`

use anyhow::{Context, Result};
use cli::environment::Environment;
use cli::{Exit, output};
use runtime::RuntimeError;
use runtime::containers::Container;
use runtime::shim::Connection;

use super::{for_each, open};
use crate::args::PauseArgs;

pub(crate) fn pause(args: &PauseArgs, environment: &Environment) -> Result<Exit> {
    each(args, environment, "pause", &Connection::pause)
}

pub(crate) fn unpause(args: &PauseArgs, environment: &Environment) -> Result<Exit> {
    each(args, environment, "unpause", &Connection::unpause)
}

fn each(
    args: &PauseArgs,
    environment: &Environment,
    what: &str,
    act: &dyn Fn(&Connection) -> Result<(), RuntimeError>,
) -> Result<Exit> {
    let (_store, containers) = open(environment)?;
    Ok(for_each(&args.containers, |text| {
        let container: Container = containers.find(text)?;
        let done = Connection::open(&container).and_then(|connection| act(&connection));
        done.with_context(|| format!("cannot {what} container `{text}`"))?;
        Ok(output::line(text)?)
    }))
}
