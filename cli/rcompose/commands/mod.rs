//! One file for each command; what they share about finding a project is here.

mod check;
mod config;
mod digests;
mod facts;
mod graph;
mod listing;
mod variables;

use std::error::Error;

use anyhow::{Context, Result};
use cli::environment::Environment;
use cli::report::{self, Report};
use cli::{Exit, output};
use compose::LoadError;
use compose::discover::{DiscoverError, Discovered, Invocation, discover};
use compose::load::LoadOptions;
use compose::model::SelectionError;

use crate::args::{Args, Command, ProjectArgs};
use crate::disk::Disk;

pub(crate) fn run(args: Args) -> Exit {
    let environment = Environment::process();
    let result = match &args.command {
        Command::Config(config) => config::run(config, &args.project, &environment),
        Command::Check(check) => check::run(check, &args.project, &environment),
        Command::Graph(graph) => graph::run(graph, &args.project, &environment),
        Command::Version => version(),
        Command::Other(words) => Ok(refuse(words)),
    };
    result.unwrap_or_else(|error| {
        show(error.as_ref());
        Exit::Failure
    })
}

fn version() -> Result<Exit> {
    output::line(&format!("rcompose {}", env!("CARGO_PKG_VERSION")))?;
    Ok(Exit::Success)
}

fn refuse(words: &[String]) -> Exit {
    let name = words.first().map_or("", String::as_str);
    Report::error(format!("`rcompose {name}` is not supported yet"))
        .hint("known are `rcompose config`, `check`, `graph` and `version`")
        .print();
    Exit::Failure
}

/// An error of this program's own libraries is shown with its places and hints.
fn show(error: &(dyn Error + 'static)) {
    if let Some(error) = error.downcast_ref::<LoadError>() {
        report::compose::warnings(&error.warnings);
        report::compose::errors(error);
        return;
    }
    let mut report = Report::of(error);
    if let Some(DiscoverError::EnvFile { sources, span, .. }) = error.downcast_ref()
        && let Some(excerpt) = report::compose::excerpt(sources, *span)
    {
        report = report.excerpt(excerpt);
    }
    if let Some(hint) = error.downcast_ref::<DiscoverError>().and_then(DiscoverError::hint) {
        report = report.hint(hint);
    }
    if let Some(SelectionError::NoSuchService { nearest: Some(nearest), .. }) =
        error.downcast_ref::<SelectionError>()
    {
        report = report.hint(format!("did you mean `{nearest}`?"));
    }
    report.print();
}

/// Finds the files of the project that is meant.
fn find(
    project: &ProjectArgs,
    options: LoadOptions,
    environment: &Environment,
) -> Result<Discovered> {
    let directory = std::env::current_dir().context("cannot find the working directory")?;
    let texts = environment.texts();
    let invocation = Invocation {
        files: project.files.clone(),
        project_directory: project.project_directory.clone(),
        env_files: project.env_files.clone(),
        profiles: project.profiles.clone(),
        name: project.project_name.clone(),
        directory: directory.to_string_lossy().into_owned(),
        environment: texts.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        options,
    };
    let found = discover(&invocation, &Disk)?;
    for warning in &found.warnings {
        Report::warning(warning).print();
    }
    Ok(found)
}
