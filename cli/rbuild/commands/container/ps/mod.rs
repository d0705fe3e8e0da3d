//! `rbuild ps`

mod filter;

use std::time::SystemTime;

use anyhow::{Result, bail};
use cli::containers::{command, shortened, status_text};
use cli::environment::Environment;
use cli::format::{self, ListFormat, Shape, Table};
use cli::{Exit, output};
use runtime::MountSource;
use runtime::containers::Container;
use store::usage::measure;
use store::{Store, StoreError};

use super::open;
use crate::args::PsArgs;
use crate::commands::{short_id, times};
use filter::Filter;

static TABLE: Table = Table::new(
    "a container of this list",
    &[
        ("Command", Shape::Text),
        ("CreatedAt", Shape::Text),
        ("ID", Shape::Text),
        ("Image", Shape::Text),
        ("Labels", Shape::Text),
        ("LocalVolumes", Shape::Text),
        ("Mounts", Shape::Text),
        ("Names", Shape::Text),
        ("Networks", Shape::Text),
        ("Ports", Shape::Text),
        ("RunningFor", Shape::Text),
        ("Size", Shape::Text),
        ("State", Shape::Text),
        ("Status", Shape::Text),
    ],
    &[
        "COMMAND",
        "CREATED AT",
        "CONTAINER ID",
        "IMAGE",
        "LABELS",
        "LOCAL VOLUMES",
        "MOUNTS",
        "NAMES",
        "NETWORKS",
        "PORTS",
        "CREATED",
        "SIZE",
        "STATE",
        "STATUS",
    ],
);

pub(crate) fn run(args: &PsArgs, environment: &Environment) -> Result<Exit> {
    let format = list_format(args)?;
    let (store, containers) = open(environment)?;
    let all = containers.list()?;
    let filter = Filter::of(&args.filters, &store, &all)?;
    let last = match (args.latest, args.last) {
        (true, _) => Some(1),
        (false, Some(number)) if number >= 0 => usize::try_from(number).ok(),
        (false, Some(-1) | None) => None,
        (false, Some(number)) => bail!("`--last {number}` is no number of containers"),
    };
    let everything = args.all || last.is_some() || filter.asks_for_ended();
    let shown = all
        .iter()
        .filter(|container| everything || container.state.status.is_alive())
        .filter(|container| filter.admits(container))
        .take(last.unwrap_or(usize::MAX));
    let wants_size = args.size || format.asks_for(&["Size"]);
    let now = SystemTime::now();
    let rows: Result<Vec<_>> =
        shown.map(|container| row(&store, container, args, wants_size, now)).collect();
    output::write(&format.render(&TABLE, rows?)?)?;
    Ok(Exit::Success)
}

/// As docker's: `--quiet` is another table, and a format of the user's own wins over it.
fn list_format(args: &PsArgs) -> Result<ListFormat> {
    let default = match (args.quiet, args.size) {
        (true, _) => "{{.ID}}",
        (_, true) => {
            r"table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}\t{{.Size}}"
        }
        _ => {
            r"table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"
        }
    };
    Ok(ListFormat::parse(args.format.as_deref(), default)?)
}

fn row(
    store: &Store,
    container: &Container,
    args: &PsArgs,
    wants_size: bool,
    now: SystemTime,
) -> Result<format::Row> {
    let definition = &container.definition;
    let created = Some(definition.created.as_str());
    let id = if args.no_trunc { container.id() } else { container.short_id() };
    let labels: Vec<String> =
        definition.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let size = if wants_size { size(container)? } else { String::new() };
    Ok(format::row([
        ("Command", command(container, args.no_trunc)),
        ("CreatedAt", times::date_and_time(created)),
        ("ID", id.to_owned()),
        ("Image", image(store, container, args.no_trunc)),
        ("Labels", labels.join(",")),
        ("LocalVolumes", definition.volumes.len().to_string()),
        ("Mounts", mounts(container, args.no_trunc)),
        ("Names", definition.name.clone()),
        ("Networks", definition.network_names().join(",")),
        ("Ports", cli::ports::list(container)),
        ("RunningFor", times::since(created, now)),
        ("Size", size),
        ("State", container.state.status.word().to_owned()),
        ("Status", status_text(container, now)),
    ]))
}

/// As it was asked for, unless that name leads to another image by now.
fn image(store: &Store, container: &Container, whole: bool) -> String {
    let origin = &container.definition.image;
    match store.resolve(&origin.name) {
        Ok(image) if image.id().to_string() == origin.id => origin.name.clone(),
        Err(StoreError::ImageNotFound { .. }) | Ok(_) => match origin.id.parse() {
            Ok(id) if !whole => short_id(id),
            _ => origin.id.clone(),
        },
        // A store that cannot be read now is no reason to show nothing.
        Err(_) => origin.name.clone(),
    }
}

fn mounts(container: &Container, whole: bool) -> String {
    let definition = &container.definition;
    let sources = definition.spec.mounts.iter().filter_map(|mount| {
        let volume = definition.volumes.iter().find(|used| used.target == mount.target);
        match (volume, &mount.source) {
            (Some(used), _) => Some(used.name.clone()),
            (None, MountSource::Path { source, .. }) => Some(source.display().to_string()),
            _ => None,
        }
    });
    let shown = |text: String| if whole { text } else { shortened(&text) };
    sources.map(shown).collect::<Vec<_>>().join(",")
}

/// Bytes of the writable layer.
fn size(container: &Container) -> Result<String> {
    let bytes = measure(&container.place.directory.join("upper")).map_or(0, |found| found.bytes);
    Ok(output::size(bytes))
}
