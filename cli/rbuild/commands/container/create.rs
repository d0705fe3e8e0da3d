//! `rbuild create`

use anyhow::Result;
use cli::environment::Environment;
use cli::registries::find_image;
use cli::zygote::lazy_snapshotter;
use cli::{Exit, output};
use engine::names;

use super::make::Plan;
use super::not_started;
use crate::args::CreateArgs;
use crate::commands::open_store;

pub(crate) fn run(args: &CreateArgs, environment: &Environment) -> Exit {
    create(args, environment).unwrap_or_else(|error| not_started(&error))
}

fn create(args: &CreateArgs, environment: &Environment) -> Result<Exit> {
    let args = &args.container;
    let plan = Plan::of(args, false, environment)?;
    let store = open_store(environment)?;
    lazy_snapshotter(&store, environment)?;
    let containers = engine::recovered_containers(&store)?;
    let image = find_image(&store, &args.image, args.pull.into(), args.quiet, environment)?;
    store.mark_used(&image);
    let definition = plan.make(&store, &containers, &image, &names::random_id()?)?;
    output::line(&definition.id)?;
    Ok(Exit::Success)
}
