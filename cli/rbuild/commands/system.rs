//! `rbuild system`: the store as a whole.

use anyhow::Result;
use cli::Exit;
use cli::environment::Environment;

use super::{container, df, events, info, leftovers, prune, store};
use crate::args::{SystemArgs, SystemCommand};

pub(crate) fn run(args: &SystemArgs, environment: &Environment) -> Result<Exit> {
    match &args.command {
        SystemCommand::Check(args) => store::check(args, environment),
        SystemCommand::RemoveLeftovers(args) => leftovers::remove(args, environment),
        SystemCommand::Df(args) => df::run(args, environment),
        SystemCommand::Events(args) => events::run(args, environment),
        SystemCommand::Info(args) => info::run(args, environment),
        SystemCommand::Install(args) => container::install(args, environment),
        SystemCommand::Prune(args) => prune::system(args, environment),
        SystemCommand::Start(args) => container::system_start(args, environment),
        SystemCommand::Status(args) => container::system_status(args, environment),
    }
}
