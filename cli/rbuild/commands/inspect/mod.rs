//! `rbuild inspect` and `rbuild image inspect`

mod document;

use anyhow::{Context, Result};
use cli::environment::Environment;
use cli::format::{DocumentFormat, Shape};
use cli::report::Report;
use cli::{Exit, output};

use super::{open_store, report_of, resolve, snapshots};
use crate::args::{ImageInspectArgs, InspectArgs};

pub(crate) fn run(args: &InspectArgs, environment: &Environment) -> Result<Exit> {
    if args.size {
        Report::warning("`--size` has no effect on images").print();
    }
    images(&args.image, environment)
}

/// Prints what was found as one array; images that were not found or cannot be read are reported one by one.
pub(super) fn images(args: &ImageInspectArgs, environment: &Environment) -> Result<Exit> {
    let format = DocumentFormat::parse(args.format.as_deref())?;
    let store = open_store(environment)?;
    let driver = snapshots::driver(&store, environment)?;
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for name in &args.images {
        let image = resolve(&store, name, args.platform.as_deref());
        let document = image.and_then(|image| {
            let document = document::of(&store, driver, &image);
            document.with_context(|| format!("cannot inspect image `{name}`"))
        });
        match document {
            Ok(document) => found.push(document),
            Err(error) => missing.push(error),
        }
    }
    let rendered = format.all(found, Shape::Struct(&document::IMAGE));
    output::write(&rendered.text)?;
    missing.iter().for_each(|error| report_of(error).print());
    rendered.errors.iter().for_each(|error| error.report().print());
    let complete = missing.is_empty() && rendered.errors.is_empty();
    Ok(if complete { Exit::Success } else { Exit::Failure })
}
