//! `rbuild system`: the store as a whole.

use anyhow::Result;
use cli::Exit;
use cli::environment::Environment;

use crate::args::{SystemArgs, SystemCommand};

pub(crate) fn run(args: &SystemArgs, environment: &Environment) -> Result<Exit> {
    match args.command {
        SystemCommand::Check => check(environment),
    }
}

fn check(_environment: &Environment) -> Result<Exit> {
    anyhow::bail!("not connected yet")
}
