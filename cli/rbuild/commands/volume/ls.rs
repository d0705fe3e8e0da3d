//! `rbuild volume ls`

use anyhow::{Context, Result, bail};
use cli::environment::Environment;
use cli::format::{self, ListFormat, Row, Shape, Table};
use cli::{Exit, output};
use engine::volumes::{Volume, Volumes};

use super::super::container;
use super::super::labels::Label;
use super::{DRIVER, of_a_swarm, switch};
use crate::args::VolumeLsArgs;

pub(crate) static TABLE: Table = Table::new(
    "a volume of this list",
    &[
        ("Availability", Shape::Text),
        ("Driver", Shape::Text),
        ("Group", Shape::Text),
        ("Labels", Shape::Text),
        ("Links", Shape::Text),
        ("Mountpoint", Shape::Text),
        ("Name", Shape::Text),
        ("Scope", Shape::Text),
        ("Size", Shape::Text),
        ("Status", Shape::Text),
    ],
    &[
        "AVAILABILITY",
        "DRIVER",
        "GROUP",
        "LABELS",
        "LINKS",
        "MOUNTPOINT",
        "VOLUME NAME",
        "SCOPE",
        "SIZE",
        "STATUS",
    ],
);

pub(super) fn run(args: &VolumeLsArgs, environment: &Environment) -> Result<Exit> {
    if args.cluster {
        return Err(of_a_swarm("--cluster"));
    }
    let default = if args.quiet { "{{.Name}}" } else { r"table {{.Driver}}\t{{.Name}}" };
    let format = ListFormat::parse(args.format.as_deref(), default)?;
    let filter = Filter::of(&args.filters)?;
    let (store, containers) = container::open(environment)?;
    let volumes = Volumes::of(&store)?;
    let used = volumes.used(&containers)?;
    let all = volumes.list()?;
    let shown = all.iter().filter(|volume| filter.admits(volume, used.contains(&volume.name)));
    let rows: Vec<Row> = shown.map(|volume| row(&volumes, volume, UNKNOWN, UNKNOWN)).collect();
    output::write(&format.render(&TABLE, rows)?)?;
    Ok(Exit::Success)
}

/// What docker shows of what it has not counted, or of what only swarms have.
const UNKNOWN: &str = "N/A";

pub(crate) fn row(volumes: &Volumes, volume: &Volume, links: &str, size: &str) -> Row {
    let labels: Vec<String> =
        volume.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format::row([
        ("Availability", UNKNOWN.to_owned()),
        ("Driver", DRIVER.to_owned()),
        ("Group", UNKNOWN.to_owned()),
        ("Labels", labels.join(",")),
        ("Links", links.to_owned()),
        ("Mountpoint", volumes.data(&volume.name).display().to_string()),
        ("Name", volume.name.clone()),
        ("Scope", DRIVER.to_owned()),
        ("Size", size.to_owned()),
        ("Status", UNKNOWN.to_owned()),
    ])
}

/// Filters of different names must all fit; of several of one name one must, but all labels.
#[derive(Debug, Default)]
struct Filter {
    names: Vec<String>,
    drivers: Vec<String>,
    labels: Vec<Label>,
    dangling: Vec<bool>,
}

impl Filter {
    fn of(texts: &[String]) -> Result<Filter> {
        let mut filter = Filter::default();
        for text in texts {
            filter.add(text).with_context(|| format!("cannot use `--filter {text}`"))?;
        }
        Ok(filter)
    }

    fn add(&mut self, text: &str) -> Result<()> {
        let (name, value) = text.split_once('=').context("it is not of the form name=value")?;
        match name {
            "name" => self.names.push(value.to_owned()),
            "driver" => self.drivers.push(value.to_owned()),
            "label" => self.labels.push(Label::parse(value)),
            "dangling" => self.dangling.push(switch(value)?),
            _ => bail!("the filters are `dangling`, `driver`, `label` and `name`"),
        }
        Ok(())
    }

    fn admits(&self, volume: &Volume, used: bool) -> bool {
        let any = |texts: &[String], fits: &dyn Fn(&String) -> bool| {
            texts.is_empty() || texts.iter().any(fits)
        };
        any(&self.names, &|part| volume.name.contains(part.as_str()))
            && any(&self.drivers, &|driver| driver == DRIVER)
            && self.labels.iter().all(|label| label.is_among(&volume.labels))
            && (self.dangling.is_empty() || self.dangling.contains(&!used))
    }
}
