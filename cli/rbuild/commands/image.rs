//! `rbuild image …`: the commands about images under one roof, as docker has them.

use anyhow::Result;
use cli::Exit;
use cli::environment::Environment;

use super::{build, history, images, import, inspect, load, prune, pull, push, rmi, save, tag};
use crate::args::{ImageArgs, ImageCommand};

pub(crate) fn run(args: &ImageArgs, environment: &Environment) -> Result<Exit> {
    match &args.command {
        ImageCommand::Build(args) => build::run(args, environment),
        ImageCommand::History(args) => history::run(args, environment),
        ImageCommand::Import(args) => import::run(args, environment),
        ImageCommand::Inspect(args) => inspect::images(args, environment),
        ImageCommand::Load(args) => load::run(args, environment),
        ImageCommand::Ls(args) => images::run(args, environment),
        ImageCommand::Prune(args) => prune::images(args, environment),
        ImageCommand::Pull(args) => pull::run(args, environment),
        ImageCommand::Push(args) => push::run(args, environment),
        ImageCommand::Rm(args) => rmi::run(args, environment),
        ImageCommand::Save(args) => save::run(args, environment),
        ImageCommand::Tag(args) => tag::run(args, environment),
    }
}
