//! `rbuild inspect` and `rbuild image inspect`

mod document;

use anyhow::{Context, Result};
use cli::environment::Environment;
use cli::format::{DocumentFormat, Shape};
use cli::report::Report;
use cli::{Exit, output};
use serde_json::Value;
use store::Store;

use super::{container, network, open_store, report_of, resolve, snapshots, volume};
use crate::args::{ImageInspectArgs, InspectArgs, ObjectType};

/// Containers first, then images, networks and volumes, as docker does.
pub(crate) fn run(args: &InspectArgs, environment: &Environment) -> Result<Exit> {
    if args.object_type == Some(ObjectType::Image) {
        if args.size {
            Report::warning("`--size` has no effect on images").print();
        }
        return images(&args.image, environment);
    }
    let format = DocumentFormat::parse(args.image.format.as_deref())?;
    if args.object_type == Some(ObjectType::Volume) {
        return volume::documents(&format, &args.image.images, environment);
    }
    if args.object_type == Some(ObjectType::Network) {
        return network::documents(&format, &args.image.images, environment);
    }
    let (store, containers) = container::open(environment)?;
    let driver = snapshots::driver(&store, environment)?;
    let only_containers = args.object_type == Some(ObjectType::Container);
    let find =
        |name: &String| match container::document(&store, driver, &containers, name, args.size)? {
            Some(found) => Ok(found),
            None if only_containers => {
                Err(containers.find(name).map(drop).err().map_or_else(missing, Into::into))
            }
            None => image(&store, driver, name, args.image.platform.as_deref())
                .or_else(|error| network::find(&store, name)?.ok_or(error))
                .or_else(|error| volume::find(&store, name)?.ok_or(error)),
        };
    print(&format, args.image.images.iter().map(find))
}

/// A container that came into being between two looks.
fn missing() -> anyhow::Error {
    anyhow::anyhow!("it has just been made; try again")
}

/// Prints what was found as one array; images that were not found or cannot be read are reported one by one.
pub(super) fn images(args: &ImageInspectArgs, environment: &Environment) -> Result<Exit> {
    let format = DocumentFormat::parse(args.format.as_deref())?;
    let store = open_store(environment)?;
    let driver = snapshots::driver(&store, environment)?;
    let find = |name: &String| image(&store, driver, name, args.platform.as_deref());
    print(&format, args.images.iter().map(find))
}

fn image(
    store: &Store,
    driver: &str,
    name: &str,
    platform: Option<&str>,
) -> Result<(Value, Shape)> {
    let image = resolve(store, name, platform)?;
    let document = document::of(store, driver, &image);
    let document = document.with_context(|| format!("cannot inspect image `{name}`"))?;
    Ok((document, Shape::Struct(&document::IMAGE)))
}

fn print(
    format: &DocumentFormat,
    documents: impl Iterator<Item = Result<(Value, Shape)>>,
) -> Result<Exit> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for document in documents {
        match document {
            Ok(document) => found.push(document),
            Err(error) => missing.push(error),
        }
    }
    let rendered = format.all(found);
    output::write(&rendered.text)?;
    missing.iter().for_each(|error| report_of(error).print());
    rendered.errors.iter().for_each(|error| error.report().print());
    let complete = missing.is_empty() && rendered.errors.is_empty();
    Ok(if complete { Exit::Success } else { Exit::Failure })
}
