//! `rbuild df`: what takes how much space.

mod verbose;

use std::collections::HashSet;

use ::store::usage::measure;
use ::store::{Held, Store};
use anyhow::Result;
use cli::environment::Environment;
use cli::format::{self, ListFormat, Row, Shape, Table};
use cli::{Exit, output};
use engine::volumes::Volumes;
use runtime::containers::Containers;

use super::container;
use crate::args::DfArgs;

pub(crate) fn run(args: &DfArgs, environment: &Environment) -> Result<Exit> {
    match args.verbose {
        true => verbose::run(args, environment),
        false => summary(args, environment),
    }
}

static SPACE: Table = Table::new(
    "a line of this list",
    &[
        ("Active", Shape::Text),
        ("Reclaimable", Shape::Text),
        ("Size", Shape::Text),
        ("TotalCount", Shape::Text),
        ("Type", Shape::Text),
    ],
    &["ACTIVE", "RECLAIMABLE", "SIZE", "TOTAL", "TYPE"],
);

/// Docker's table, with the rows that there are here, and one for the rest of the store: indexes, records, what is
/// unfinished or about to be removed. Together they are what `du` says.
fn summary(args: &DfArgs, environment: &Environment) -> Result<Exit> {
    let default = r"table {{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}";
    let format = ListFormat::parse(args.format.as_deref(), default)?;
    let (store, containers) = container::open(environment)?;
    let cache = builder::cache::usage(&store)?;
    let images = images(&store)?;
    let volumes = volumes(&store, &containers)?;
    let containers = of_containers(&containers)?;
    let all = measure(store.root())?.bytes;
    let known = images.bytes + containers.bytes + volumes.bytes + cache.bytes;
    let other = all.saturating_sub(known);
    let rows = [
        row("Images", images.total, images.active, images.bytes, images.reclaimable),
        containers.row("Containers"),
        volumes.row("Local Volumes"),
        row("Build Cache", cache.entries, cache.active, cache.bytes, cache.reclaimable),
        row("Other", store.leftovers()?.len(), 0, other, 0),
    ];
    output::write(&format.render(&SPACE, rows)?)?;
    Ok(Exit::Success)
}

struct Images {
    total: usize,
    active: usize,
    bytes: u64,
    reclaimable: u64,
}

#[derive(Default)]
struct Sum {
    total: usize,
    active: usize,
    bytes: u64,
    reclaimable: u64,
}

impl Sum {
    fn add(&mut self, bytes: u64, active: bool) {
        self.total += 1;
        self.active += usize::from(active);
        self.bytes += bytes;
        self.reclaimable += if active { 0 } else { bytes };
    }

    fn row(&self, kind: &str) -> Row {
        row(kind, self.total, self.active, self.bytes, self.reclaimable)
    }
}

/// With their logs.
fn of_containers(containers: &Containers) -> Result<Sum> {
    let mut sum = Sum::default();
    for container in containers.list()? {
        let bytes = measure(&container.place.directory)?.bytes;
        sum.add(bytes, container.state.status.is_alive());
    }
    Ok(sum)
}

fn volumes(store: &Store, containers: &Containers) -> Result<Sum> {
    let volumes = Volumes::of(store)?;
    let used = volumes.used(containers)?;
    let mut sum = Sum::default();
    for volume in volumes.list()? {
        sum.add(volumes.size(&volume.name)?, used.contains(&volume.name));
    }
    Ok(sum)
}

/// What several images share counts once.
fn images(store: &Store) -> Result<Images> {
    let held = store.held()?;
    let images = store.image_contents()?;
    let is_active = |manifest| held.contains(&Held::Blob(manifest));
    let active = images.iter().filter(|(manifest, _)| is_active(*manifest));
    let in_use: HashSet<&Held> = active.flat_map(|(_, things)| things).collect();
    let everything: HashSet<&Held> = images.iter().flat_map(|(_, things)| things).collect();
    let (mut bytes, mut reclaimable) = (0, 0);
    for thing in everything {
        let size = store.size_of(thing)?.bytes;
        bytes += size;
        reclaimable += if in_use.contains(thing) { 0 } else { size };
    }
    let manifests: HashSet<_> = images.iter().map(|(manifest, _)| *manifest).collect();
    let active = manifests.iter().filter(|manifest| is_active(**manifest)).count();
    Ok(Images { total: manifests.len(), active, bytes, reclaimable })
}

fn row(kind: &str, total: usize, active: usize, bytes: u64, reclaimable: u64) -> Row {
    let share = (reclaimable * 100).checked_div(bytes).map(|percent| format!(" ({percent}%)"));
    format::row([
        ("Active", active.to_string()),
        ("Reclaimable", output::long_size(reclaimable) + &share.unwrap_or_default()),
        ("Size", output::long_size(bytes)),
        ("TotalCount", total.to_string()),
        ("Type", kind.to_owned()),
    ])
}
