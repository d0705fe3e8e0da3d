//! `rbuild history`

use std::time::SystemTime;

use anyhow::Result;
use cli::environment::Environment;
use cli::{Exit, output};
use serde_json::json;
use store::HistoryEntry;

use super::{open_store, short_id, times};
use crate::args::{HistoryArgs, ListFormat};

/// Docker shortens what made a layer to this many characters.
const STEP_CHARACTERS: usize = 45;

/// Only the newest line has an image of its own; the steps below it are parts of it.
const NO_IMAGE: &str = "<missing>";

pub(crate) fn run(args: &HistoryArgs, environment: &Environment) -> Result<Exit> {
    let store = open_store(environment)?;
    let image = store.resolve(&args.image)?;
    let id = if args.no_trunc { image.id().to_string() } else { short_id(image.id()) };
    let entries = store.history(&image)?;
    let lines = entries
        .iter()
        .enumerate()
        .map(|(at, entry)| Line { id: if at == 0 { &id } else { NO_IMAGE }, entry });
    if args.quiet {
        output::write(&lines.map(|line| format!("{}\n", line.id)).collect::<String>())?;
    } else if args.format == ListFormat::Json {
        output::write(&lines.map(|line| line.json(args)).collect::<String>())?;
    } else {
        let header = ["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"];
        output::write(&output::table(&header, &lines.map(|l| l.cells(args)).collect::<Vec<_>>()))?;
    }
    Ok(Exit::Success)
}

struct Line<'a> {
    id: &'a str,
    entry: &'a HistoryEntry,
}

impl Line<'_> {
    fn cells(&self, args: &HistoryArgs) -> Vec<String> {
        vec![
            self.id.to_owned(),
            self.created(args),
            self.created_by(args),
            self.size(args),
            self.entry.comment.clone(),
        ]
    }

    fn json(&self, args: &HistoryArgs) -> String {
        let object = json!({
            "ID": self.id,
            "CreatedAt": self.entry.created,
            "CreatedSince": times::since(self.entry.created.as_deref(), SystemTime::now()),
            "CreatedBy": self.created_by(args),
            "Size": self.size(args),
            "Comment": self.entry.comment,
        });
        format!("{object}\n")
    }

    fn created(&self, args: &HistoryArgs) -> String {
        let created = self.entry.created.as_deref();
        if args.human {
            times::since(created, SystemTime::now())
        } else {
            created.unwrap_or("N/A").to_owned()
        }
    }

    fn created_by(&self, args: &HistoryArgs) -> String {
        let text = self.entry.created_by.replace(['\t', '\n'], " ");
        if args.no_trunc || text.chars().count() <= STEP_CHARACTERS {
            return text;
        }
        text.chars().take(STEP_CHARACTERS - 1).chain(['…']).collect()
    }

    fn size(&self, args: &HistoryArgs) -> String {
        let bytes = self.entry.size.unwrap_or(0);
        if args.human { output::size(bytes) } else { bytes.to_string() }
    }
}
