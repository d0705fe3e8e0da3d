//! `rcompose graph`

use std::fs;

use anyhow::{Context, Result};
use cli::environment::Environment;
use cli::{Exit, output, report};
use compose::graph::{self, Graph};
use compose::load::{LoadOptions, load};

use super::find;
use crate::args::{GraphArgs, GraphFormat, ProjectArgs};
use crate::disk::Disk;

pub(super) fn run(
    args: &GraphArgs,
    project: &ProjectArgs,
    environment: &Environment,
) -> Result<Exit> {
    // What variables of services hold is not shown.
    let options = LoadOptions { resolve_environment: false, ..LoadOptions::ALL };
    let found = find(project, options, environment)?;
    let mut loaded = load(&found.request, &Disk)?;
    report::compose::warnings(&loaded.warnings);
    loaded.project.select(&args.services)?;
    let graph = Graph::of(&loaded.project);
    let text = match args.format {
        GraphFormat::Text => graph::text(&graph),
        GraphFormat::Dot => graph::dot(&graph),
        GraphFormat::Svg => graph::svg(&graph),
    };
    match &args.output {
        Some(path) => {
            fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
        }
        None => output::write(&text)?,
    }
    Ok(Exit::Success)
}
