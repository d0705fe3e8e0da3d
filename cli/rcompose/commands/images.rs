//! `rcompose images`

use anyhow::{Result, bail};
use cli::format::{ListFormat, Shape, Table, row};
use cli::{Exit, output, times};
use compose::stack::Member;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::SystemTime;
use store::Store;

use super::stack::{Call, of_services};
use crate::args::ImagesArgs;

static TABLE: Table = Table::new(
    "an image of a container",
    &[
        ("Container", Shape::Text),
        ("Repository", Shape::Text),
        ("Tag", Shape::Text),
        ("Platform", Shape::Text),
        ("ID", Shape::Text),
        ("Size", Shape::Text),
        ("Created", Shape::Text),
    ],
    &["CONTAINER", "REPOSITORY", "TAG", "PLATFORM", "IMAGE ID", "SIZE", "CREATED"],
);

const DEFAULT: &str = r"table {{.Container}}\t{{.Repository}}\t{{.Tag}}\t{{.Platform}}\t{{.ID}}\t{{.Size}}\t{{.Created}}";

/// What is known of the image of one container.
struct Used {
    container: String,
    repository: String,
    tag: String,
    platform: String,
    id: String,
    size: u64,
    created: Option<String>,
}

pub(super) fn run(args: &ImagesArgs, call: Call<'_>) -> Result<Exit> {
    let host = call.host()?;
    let project = call.project_or_remains(&host)?;
    let found = of_services(&host, &project, &args.services)?;
    let images: Vec<Used> =
        found.iter().map(|member| used(&host.store, member)).collect::<Result<_>>()?;
    if args.quiet {
        let ids: BTreeSet<&str> = images.iter().map(|image| image.id.as_str()).collect();
        ids.into_iter().try_for_each(|id| output::line(id.trim_start_matches("sha256:")))?;
        return Ok(Exit::Success);
    }
    match args.format.as_str() {
        "json" => {
            let rows = images.iter().map(|image| {
                json!({
                    "ID": image.id,
                    "ContainerName": image.container,
                    "Repository": image.repository,
                    "Tag": image.tag,
                    "Platform": image.platform,
                    "Size": image.size,
                    "Created": image.created,
                })
            });
            output::line(&serde_json::to_string(&rows.collect::<Vec<_>>())?)?;
        }
        "table" | "" => {
            let now = SystemTime::now();
            let rows = images.iter().map(|image| {
                let id = image.id.trim_start_matches("sha256:");
                row([
                    ("Container", image.container.clone()),
                    ("Repository", image.repository.clone()),
                    ("Tag", image.tag.clone()),
                    ("Platform", image.platform.clone()),
                    ("ID", id.chars().take(12).collect()),
                    ("Size", output::size(image.size)),
                    ("Created", times::since(image.created.as_deref(), now)),
                ])
            });
            let format = ListFormat::parse(None, DEFAULT)?;
            output::write(&format.render(&TABLE, rows)?)?;
        }
        other => bail!("`--format {other}`: known are table and json"),
    }
    Ok(Exit::Success)
}

/// By the image's ID: its name may lead to another by now.
fn used(store: &Store, member: &Member) -> Result<Used> {
    let origin = &member.container.definition.image;
    let image = store.resolve(&origin.id).or_else(|_| store.resolve(&origin.name)).ok();
    let (repository, tag) = match origin.name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (origin.name.as_str(), "latest"),
    };
    let size = image.as_ref().map(|image| store.unpacked_size(image)).transpose()?;
    Ok(Used {
        container: member.name().to_owned(),
        repository: repository.to_owned(),
        tag: tag.to_owned(),
        platform: image.as_ref().map(|it| it.platform().to_string()).unwrap_or_default(),
        id: origin.id.clone(),
        size: size.unwrap_or(0),
        created: image.and_then(|image| image.config.created.clone()),
    })
}
