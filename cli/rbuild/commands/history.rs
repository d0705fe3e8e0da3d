//! `rbuild history`

use std::time::SystemTime;

use anyhow::Result;
use cli::environment::Environment;
use cli::format::{self, ListFormat, Shape, Table};
use cli::{Exit, output};
use store::HistoryEntry;

use super::{open_store, resolve, short_id, times};
use crate::args::HistoryArgs;

/// Docker shortens what made a layer to this many characters.
const STEP_CHARACTERS: usize = 45;

/// Only the newest line has an image of its own; the steps below it are parts of it.
const NO_IMAGE: &str = "<missing>";

static TABLE: Table = Table::new(
    "a step of this list",
    &[
        ("Comment", Shape::Text),
        ("CreatedAt", Shape::Text),
        ("CreatedBy", Shape::Text),
        ("CreatedSince", Shape::Text),
        ("ID", Shape::Text),
        ("Size", Shape::Text),
    ],
    &["COMMENT", "CREATED AT", "CREATED BY", "CREATED", "IMAGE", "SIZE"],
);

pub(crate) fn run(args: &HistoryArgs, environment: &Environment) -> Result<Exit> {
    let default = match (args.quiet, args.human) {
        (true, _) => "{{.ID}}",
        (_, true) => r"table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
        _ => r"table {{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
    };
    let format = ListFormat::parse(args.format.as_deref(), default)?;
    let store = open_store(environment)?;
    let image = resolve(&store, &args.image, args.platform.as_deref())?;
    let id = if args.no_trunc { image.id().to_string() } else { short_id(image.id()) };
    let entries = store.history(&image)?;
    let ids = std::iter::once(id.as_str()).chain(std::iter::repeat(NO_IMAGE));
    let now = SystemTime::now();
    let rows = ids.zip(&entries).map(|(id, entry)| row(id, entry, args, now));
    output::write(&format.render(&TABLE, rows)?)?;
    Ok(Exit::Success)
}

fn row(id: &str, entry: &HistoryEntry, args: &HistoryArgs, now: SystemTime) -> format::Row {
    let created = entry.created.as_deref();
    let at = times::whole_seconds(created);
    let bytes = entry.size.unwrap_or(0);
    format::row([
        ("Comment", entry.comment.clone()),
        ("CreatedAt", at.clone()),
        ("CreatedBy", created_by(entry, args.no_trunc)),
        ("CreatedSince", if args.human { times::since(created, now) } else { at }),
        ("ID", id.to_owned()),
        ("Size", if args.human { output::size(bytes) } else { bytes.to_string() }),
    ])
}

fn created_by(entry: &HistoryEntry, no_trunc: bool) -> String {
    let text = entry.created_by.replace(['\t', '\n'], " ");
    if no_trunc || text.chars().count() <= STEP_CHARACTERS {
        return text;
    }
    text.chars().take(STEP_CHARACTERS - 1).chain(['…']).collect()
}
