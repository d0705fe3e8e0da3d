//! `rbuild stats`

use anyhow::Result;
use cli::Exit;
use cli::environment::Environment;
use cli::stats::{self, Named};
use runtime::EngineId;
use runtime::containers::Containers;

use super::open;
use crate::args::StatsArgs;

pub(crate) fn run(args: &StatsArgs, environment: &Environment) -> Result<Exit> {
    let (store, containers) = open(environment)?;
    for text in &args.containers {
        containers.find(text)?;
    }
    stats::run(&args.flags, &EngineId::of_root(store.root())?, &|| chosen(&containers, args))
}

/// As they are now: those that were named, else all that run.
fn chosen(containers: &Containers, args: &StatsArgs) -> Result<Vec<Named>> {
    if !args.containers.is_empty() {
        let find = |text: &String| Some((text.clone(), containers.find(text).ok()?));
        return Ok(args.containers.iter().filter_map(find).collect());
    }
    let all = containers.list()?.into_iter();
    let shown = all.filter(|container| args.flags.all || container.state.status.is_alive());
    Ok(shown.map(|container| (container.short_id().to_owned(), container)).collect())
}
