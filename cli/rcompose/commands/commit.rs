//! `rcompose commit`

use std::time::SystemTime;

use anyhow::Result;
use cli::{Exit, output, report, times};
use engine::{CommitRequest, Stillness};
use parser::Source;
use store::{ImageConfig, Reference};

use super::stack::{Call, container_of};
use crate::args::CommitArgs;

/// Prints the ID of the new image.
pub(super) fn run(args: &CommitArgs, call: Call<'_>) -> Result<Exit> {
    let names = args.name.as_deref().map(str::parse::<Reference>).transpose()?;
    let host = call.host()?;
    let project = call.project_or_remains(&host)?;
    let member = container_of(&host, &project, &args.service, args.index)?;
    let container = &member.container;
    let _still = Stillness::of(container, args.pause)?;
    let changes = engine::changes_of(&host.store, container)?;
    let config = engine::committed_config(container, &changes.image.config);
    let text = args.change.join("\n");
    let below = ImageConfig { config, ..changes.image.config.clone() };
    let config = match builder::change_config(below, &text) {
        Ok(config) => config,
        Err(error) => {
            report::build::print(&error, &Source::new("--change", text.as_str()), &[]);
            return Ok(Exit::Failure);
        }
    };
    let request = CommitRequest {
        names: names.into_iter().collect(),
        author: args.author.clone().unwrap_or_default(),
        message: args.message.clone().unwrap_or_default(),
        created: times::rfc3339(SystemTime::now()),
        config,
    };
    let image = engine::commit(&host.store, container, &changes, &request)?;
    host.store.mark_used(&image);
    output::line(&image.id().to_string())?;
    Ok(Exit::Success)
}
