//! `rbuild wait`

use anyhow::Result;
use cli::environment::Environment;
use cli::{Exit, output};
use runtime::containers::Containers;

use super::{for_each, open};
use crate::args::WaitArgs;

pub(crate) fn run(args: &WaitArgs, environment: &Environment) -> Result<Exit> {
    let (_store, containers) = open(environment)?;
    Ok(for_each(&args.containers, |text| Ok(output::line(&wait_for(&containers, text)?)?)))
}

fn wait_for(containers: &Containers, text: &str) -> Result<String> {
    Ok(engine::wait(containers, &containers.find(text)?)?.to_string())
}
