//! `rbuild inspect`

use anyhow::Result;
use cli::environment::Environment;
use cli::{Exit, output};
use serde_json::{Value, json};
use store::{Image, Store};

use super::{open_store, report_of};
use crate::args::InspectArgs;

/// Prints what was found as one array; images that were not found are reported one by one.
pub(crate) fn run(args: &InspectArgs, environment: &Environment) -> Result<Exit> {
    let store = open_store(environment)?;
    let mut exit = Exit::Success;
    let mut found = Vec::new();
    for name in &args.images {
        match store.resolve(name) {
            Ok(image) => found.push(description(&store, &image)?),
            Err(err) => {
                report_of(&err.into()).print();
                exit = Exit::Failure;
            }
        }
    }
    output::line(&serde_json::to_string_pretty(&Value::Array(found))?)?;
    Ok(exit)
}

/// Docker's keys, as far as they say something here.
fn description(store: &Store, image: &Image) -> Result<Value> {
    let names = store.names_of(image)?;
    let digest = image.descriptor.digest;
    let size: u64 = image.manifest.layers.iter().map(|layer| layer.size).sum();
    let tags: Vec<String> = names.iter().map(store::Reference::familiar).collect();
    let mut repositories: Vec<String> =
        names.iter().map(|name| format!("{}@{digest}", name.familiar_name())).collect();
    repositories.dedup();
    Ok(json!({
        "Id": image.id().to_string(),
        "RepoTags": tags,
        "RepoDigests": repositories,
        "Created": image.config.created,
        "Author": image.config.author,
        "Architecture": image.config.architecture,
        "Variant": image.config.variant,
        "Os": image.config.os,
        "Size": size,
        "Config": image.config.config,
        "RootFS": { "Type": image.config.rootfs.kind, "Layers": image.config.rootfs.diff_ids },
        "Descriptor": image.descriptor,
    }))
}
