//! `rbuild system`: the store as a whole.

use anyhow::Result;
use cli::environment::Environment;
use cli::report::Report;
use cli::{Exit, output};

use super::open_store;
use crate::args::{SystemArgs, SystemCommand};

pub(crate) fn run(args: &SystemArgs, environment: &Environment) -> Result<Exit> {
    match args.command {
        SystemCommand::Check => check(environment),
    }
}

fn check(environment: &Environment) -> Result<Exit> {
    let problems = open_store(environment)?.validate()?;
    for problem in &problems {
        output::line(&problem.to_string())?;
    }
    if problems.is_empty() {
        return Ok(Exit::Success);
    }
    Report::error(format!("the store has {} problems", problems.len())).print();
    Ok(Exit::Failure)
}
