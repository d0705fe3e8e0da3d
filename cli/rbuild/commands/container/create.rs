//! `rbuild create`

use anyhow::Result;
use cli::environment::Environment;
use cli::{Exit, output};

use super::make::Plan;
use super::{names, not_started, of_store, recover};
use crate::args::CreateArgs;
use crate::commands::engine::lazy_snapshotter;
use crate::commands::open_store;

pub(crate) fn run(args: &CreateArgs, environment: &Environment) -> Exit {
    create(args, environment).unwrap_or_else(|error| not_started(&error))
}

fn create(args: &CreateArgs, environment: &Environment) -> Result<Exit> {
    let args = &args.container;
    let plan = Plan::of(args, false, environment)?;
    let store = open_store(environment)?;
    lazy_snapshotter(&store, environment)?;
    let containers = of_store(&store);
    recover::run(&store, &containers)?;
    let image = store.resolve(&args.image)?;
    store.mark_used(&image);
    let definition = plan.make(&store, &containers, &image, &names::random_id()?)?;
    output::line(&definition.id)?;
    Ok(Exit::Success)
}
