//! `rbuild commit`

use std::time::SystemTime;

use anyhow::{Context, Result};
use cli::environment::Environment;
use cli::{Exit, image_events, output};
use engine::{CommitRequest, Stillness};
use parser::Source;
use store::{ContainerConfig, ImageConfig, Reference};

use super::open;
use crate::args::CommitArgs;
use crate::commands::times;
use cli::report::build as failure;

/// Prints the ID of the new image.
pub(crate) fn run(args: &CommitArgs, environment: &Environment) -> Result<Exit> {
    let names = args.name.as_deref().map(str::parse::<Reference>).transpose()?;
    let (store, containers) = open(environment)?;
    let container = containers.find(&args.container)?;
    let _still = Stillness::of(&container, args.pause)
        .with_context(|| format!("cannot pause container `{}`", args.container))?;
    let changes = engine::changes_of(&store, &container)?;
    let config = engine::committed_config(&container, &changes.image.config);
    let Some(config) = changed(&changes.image.config, config, &args.changes) else {
        return Ok(Exit::Failure);
    };
    let request = CommitRequest {
        names: names.into_iter().collect(),
        author: args.author.clone().unwrap_or_default(),
        message: args.message.clone().unwrap_or_default(),
        created: times::rfc3339(SystemTime::now()),
        config,
    };
    let image = engine::commit(&store, &container, &changes, &request)?;
    store.mark_used(&image);
    request.names.iter().for_each(|name| image_events::tagged(&store, name));
    output::line(&image.id().to_string())?;
    Ok(Exit::Success)
}

/// None once the mistakes have been shown, each with its line.
fn changed(
    below: &ImageConfig,
    config: ContainerConfig,
    changes: &[String],
) -> Option<ContainerConfig> {
    let text = changes.join("\n");
    let image = ImageConfig { config, ..below.clone() };
    match builder::change_config(image, &text) {
        Ok(config) => Some(config),
        Err(error) => {
            failure::print(&error, &Source::new("--change", text.as_str()), &[]);
            None
        }
    }
}
