//! `rbuild network ls`

use anyhow::Result;
use cli::environment::Environment;
use cli::format::{self, ListFormat, Row, Shape, Table};
use cli::{Exit, output};

use super::super::container;
use super::filter::{Filter, Line, lines};
use super::{SCOPE, open};
use crate::args::NetworkLsArgs;

static TABLE: Table = Table::new(
    "a network of this list",
    &[
        ("CreatedAt", Shape::Text),
        ("Driver", Shape::Text),
        ("ID", Shape::Text),
        ("IPv4", Shape::Text),
        ("IPv6", Shape::Text),
        ("Internal", Shape::Text),
        ("Labels", Shape::Text),
        ("Name", Shape::Text),
        ("Scope", Shape::Text),
    ],
    &["CREATED AT", "DRIVER", "NETWORK ID", "IPV4", "IPV6", "INTERNAL", "LABELS", "NAME", "SCOPE"],
);

pub(super) fn run(args: &NetworkLsArgs, environment: &Environment) -> Result<Exit> {
    let default = match args.quiet {
        true => "{{.ID}}",
        false => r"table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
    };
    let format = ListFormat::parse(args.format.as_deref(), default)?;
    let filter = Filter::of(&args.filters)?;
    let (store, containers) = container::open(environment)?;
    let networks = open(&store)?;
    let all = lines(&networks, &containers)?;
    let shown = all.iter().filter(|line| filter.admits(line));
    let rows: Vec<Row> = shown.map(|line| row(line, args.no_trunc)).collect();
    output::write(&format.render(&TABLE, rows)?)?;
    Ok(Exit::Success)
}

fn row(line: &Line, whole: bool) -> Row {
    let id = if whole { &line.id } else { line.id.get(..12).unwrap_or(&line.id) };
    let labels: Vec<String> =
        line.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format::row([
        ("CreatedAt", line.created.clone()),
        ("Driver", line.driver.to_owned()),
        ("ID", id.to_owned()),
        ("IPv4", "true".to_owned()),
        ("IPv6", "false".to_owned()),
        ("Internal", line.internal.to_string()),
        ("Labels", labels.join(",")),
        ("Name", line.name.clone()),
        ("Scope", SCOPE.to_owned()),
    ])
}
