//! `rbuild container inspect`, and containers in `rbuild inspect`

mod document;
mod host;
mod shape;

use anyhow::Result;
use cli::environment::Environment;
use cli::format::{DocumentFormat, Shape};
use cli::{Exit, output};
use runtime::containers::{ContainerError, Containers};
use serde_json::Value;
use store::Store;

use super::open;
use crate::args::ContainerInspectArgs;
use crate::commands::{report_of, snapshots};

pub(crate) fn inspect(args: &ContainerInspectArgs, environment: &Environment) -> Result<Exit> {
    let format = DocumentFormat::parse(args.format.as_deref())?;
    let (store, containers) = open(environment)?;
    let driver = snapshots::driver(&store, environment)?;
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for text in &args.containers {
        match containers.find(text) {
            Ok(container) => {
                let document = document::of(&store, driver, &container, args.size)?;
                found.push((document, Shape::Struct(&shape::CONTAINER)));
            }
            Err(error) => missing.push(anyhow::Error::from(error)),
        }
    }
    let rendered = format.all(found);
    output::write(&rendered.text)?;
    missing.iter().for_each(|error| report_of(error).print());
    rendered.errors.iter().for_each(|error| error.report().print());
    let complete = missing.is_empty() && rendered.errors.is_empty();
    Ok(if complete { Exit::Success } else { Exit::Failure })
}

/// For `rbuild inspect`, which looks for containers first: the document and its type, if there is such a container.
pub(crate) fn document(
    store: &Store,
    driver: &str,
    containers: &Containers,
    text: &str,
    size: bool,
) -> Result<Option<(Value, Shape)>> {
    match containers.find(text) {
        Ok(container) => {
            let document = document::of(store, driver, &container, size)?;
            Ok(Some((document, Shape::Struct(&shape::CONTAINER))))
        }
        Err(ContainerError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
