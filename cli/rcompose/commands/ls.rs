//! `rcompose ls`

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use cli::format::{ListFormat, Shape, Table, row};
use cli::{Exit, output};
use compose::stack::{Member, projects};
use serde_json::json;

use super::stack::Call;
use crate::args::LsArgs;

static TABLE: Table = Table::new(
    "a project",
    &[("Name", Shape::Text), ("Status", Shape::Text), ("ConfigFiles", Shape::Text)],
    &["NAME", "STATUS", "CONFIG FILES"],
);

pub(super) fn run(args: &LsArgs, call: Call<'_>) -> Result<Exit> {
    let part = match args.filter.as_deref().map(|filter| (filter, filter.split_once('='))) {
        None => "",
        Some((_, Some(("name", part)))) => part,
        Some((filter, _)) => bail!("`--filter {filter}`: the filter is `name=PART`"),
    };
    let mut found = projects(&call.host()?)?;
    found.retain(|name, (_, members)| {
        name.contains(part) && (args.all || members.iter().any(Member::is_alive))
    });
    if args.quiet {
        found.keys().try_for_each(|name| output::line(name))?;
        return Ok(Exit::Success);
    }
    let rows = found.iter().map(|(name, (files, members))| (name, status(members), files));
    match args.format.as_str() {
        "json" => {
            let rows: Vec<_> = rows
                .map(|(name, status, files)| {
                    json!({ "Name": name, "Status": status, "ConfigFiles": files })
                })
                .collect();
            output::line(&serde_json::to_string(&rows)?)?;
        }
        "table" | "" => {
            let format =
                ListFormat::parse(None, r"table {{.Name}}\t{{.Status}}\t{{.ConfigFiles}}")?;
            let rows = rows.map(|(name, status, files)| {
                row([("Name", name.clone()), ("Status", status), ("ConfigFiles", files.clone())])
            });
            output::write(&format.render(&TABLE, rows)?)?;
        }
        other => bail!("`--format {other}`: known are table and json"),
    }
    Ok(Exit::Success)
}

/// `exited(1), running(2)`
fn status(members: &[Member]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for member in members {
        *counts.entry(member.container.state.status.word()).or_default() += 1;
    }
    let parts = counts.iter().map(|(state, count)| format!("{state}({count})"));
    parts.collect::<Vec<_>>().join(", ")
}
