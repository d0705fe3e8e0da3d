//! `rbuild store`, and `rbuild system check`, which is the same as `rbuild store check`.

use anyhow::Result;
use cli::environment::Environment;
use cli::report::Report;
use cli::{Exit, output};
use store::{Repairs, Store};

use super::open_store;
use crate::args::{StoreArgs, StoreCheckArgs, StoreCommand};

pub(crate) fn run(args: &StoreArgs, environment: &Environment) -> Result<Exit> {
    match &args.command {
        StoreCommand::Check(args) => check(args, environment),
    }
}

/// What is wrong, or what was done about it, goes to stdout, a line each.
pub(crate) fn check(args: &StoreCheckArgs, environment: &Environment) -> Result<Exit> {
    if args.repair && Store::repair_description(&environment.locations().root)? {
        output::line("schema.json: written anew")?;
    }
    let store = open_store(environment)?;
    store.remove_leftovers()?;
    if args.repair {
        return repair(&store);
    }
    let problems = store.validate()?;
    let lines = problems.iter().map(ToString::to_string);
    let cache = builder::cache::check(&store, false)?;
    let lines: Vec<String> = lines.chain(cache.iter().map(ToString::to_string)).collect();
    lines.iter().try_for_each(|line| output::line(line))?;
    if lines.is_empty() {
        return Ok(Exit::Success);
    }
    Report::error(format!("the store has {} problems", lines.len()))
        .hint("`rbuild store check --repair` mends what can be mended")
        .print();
    Ok(Exit::Failure)
}

fn repair(store: &Store) -> Result<Exit> {
    let Repairs { mended, lost, left } = store.repair()?;
    for mended in &mended {
        output::line(&mended.to_string())?;
    }
    for problem in builder::cache::check(store, true)? {
        output::line(&format!("{problem}; forgotten: the step runs again"))?;
    }
    for image in &lost {
        output::line(&image.to_string())?;
    }
    for problem in &left {
        output::line(&format!("not mended: {problem}"))?;
    }
    if lost.is_empty() && left.is_empty() {
        return Ok(Exit::Success);
    }
    let (lost, left) = (lost.len(), left.len());
    Report::error(format!("{lost} images are lost, {left} problems are left")).print();
    Ok(Exit::Failure)
}
