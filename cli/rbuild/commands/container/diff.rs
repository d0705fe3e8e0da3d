//! `rbuild diff`

use anyhow::Result;
use cli::environment::Environment;
use cli::{Exit, output};

use super::open;
use crate::args::DiffArgs;

pub(crate) fn run(args: &DiffArgs, environment: &Environment) -> Result<Exit> {
    let (store, containers) = open(environment)?;
    let container = containers.find(&args.container)?;
    let changes = engine::changes_of(&store, &container)?;
    let lines = changes.list()?.into_iter();
    let text: String =
        lines.map(|(kind, path)| format!("{} {}\n", kind.letter(), path.display())).collect();
    output::write(&text)?;
    Ok(Exit::Success)
}
