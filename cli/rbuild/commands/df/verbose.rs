//! `rbuild df --verbose`: each image with what it shares with others, each entry of the build cache.

use std::collections::HashMap;
use std::time::SystemTime;

use anyhow::Result;
use builder::cache::{CacheEntry, CacheEntryKind};
use cli::environment::Environment;
use cli::format::{self, DocumentFormat, ListFormat, Row, Shape, Struct, Table};
use cli::{Exit, output};
use serde_json::{Value, json};
use store::usage::ImageUsage;
use store::{Held, Reference, Store};

use super::super::{open_store, short_id, times};
use crate::args::DfArgs;

const IMAGE_FIELDS: &[(&str, Shape)] = &[
    ("Containers", Shape::Text),
    ("CreatedAt", Shape::Text),
    ("CreatedSince", Shape::Text),
    ("Digest", Shape::Text),
    ("ID", Shape::Text),
    ("Repository", Shape::Text),
    ("SharedSize", Shape::Text),
    ("Size", Shape::Text),
    ("Tag", Shape::Text),
    ("UniqueSize", Shape::Text),
];
const CACHE_FIELDS: &[(&str, Shape)] = &[
    ("CacheType", Shape::Text),
    ("CreatedAt", Shape::Text),
    ("CreatedSince", Shape::Text),
    ("Description", Shape::Text),
    ("ID", Shape::Text),
    ("InUse", Shape::Text),
    ("LastUsedAt", Shape::Text),
    ("LastUsedSince", Shape::Text),
    ("Shared", Shape::Text),
    ("Size", Shape::Text),
];
static IMAGE: Struct = Struct { name: "an image of this list", fields: IMAGE_FIELDS };
static CACHE: Struct = Struct { name: "an entry of the build cache", fields: CACHE_FIELDS };
static ALL: Struct = Struct {
    name: "this overview",
    fields: &[
        ("Images", Shape::List(&Shape::Struct(&IMAGE))),
        ("BuildCache", Shape::List(&Shape::Struct(&CACHE))),
    ],
};
static IMAGES: Table = Table::new(
    "an image of this list",
    IMAGE_FIELDS,
    &[
        "CONTAINERS",
        "CREATED AT",
        "CREATED",
        "DIGEST",
        "IMAGE ID",
        "REPOSITORY",
        "SHARED SIZE",
        "SIZE",
        "TAG",
        "UNIQUE SIZE",
    ],
);
static CACHES: Table = Table::new(
    "an entry of the build cache",
    CACHE_FIELDS,
    &[
        "CACHE TYPE",
        "CREATED AT",
        "CREATED",
        "DESCRIPTION",
        "CACHE ID",
        "IN USE",
        "LAST USED AT",
        "LAST USED",
        "SHARED",
        "SIZE",
    ],
);
const IMAGE_TABLE: &str = r"table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}";
const CACHE_TABLE: &str = r"table {{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t{{.LastUsedSince}}\t{{.InUse}}\t{{.Shared}}\t{{.Description}}";

pub(super) fn run(args: &DfArgs, environment: &Environment) -> Result<Exit> {
    // As docker: what is no format for documents means the tables.
    let own = args.format.as_deref().filter(|format| !format.is_empty() && *format != "table");
    let format = own.map(|format| DocumentFormat::parse(Some(format))).transpose()?;
    let store = open_store(environment)?;
    let (images, cache) = (images(&store)?, cache(&store)?);
    let text = match format {
        Some(format) => {
            let all: Value = json!({ "Images": images, "BuildCache": cache });
            format.one(&all, Shape::Struct(&ALL))?
        }
        None => {
            let used = output::long_size(builder::cache::usage(&store)?.bytes);
            let images = ListFormat::parse(None, IMAGE_TABLE)?.render(&IMAGES, images)?;
            let cache = ListFormat::parse(None, CACHE_TABLE)?.render(&CACHES, cache)?;
            format!("Images space usage:\n\n{images}\nBuild cache usage: {used}\n\n{cache}")
        }
    };
    output::write(&text)?;
    Ok(Exit::Success)
}

/// A row for each name of each image. Sizes are what is on the disk: layers as stored and as unpacked.
fn images(store: &Store) -> Result<Vec<Row>> {
    let usage = store.image_usage()?;
    let mut users: HashMap<&Held, usize> = HashMap::new();
    for thing in usage.iter().flat_map(|image| &image.things) {
        *users.entry(thing).or_default() += 1;
    }
    let mut sizes = HashMap::new();
    for thing in users.keys() {
        sizes.insert(*thing, store.size_of(thing)?.bytes);
    }
    let now = SystemTime::now();
    let mut rows = Vec::new();
    for image in &usage {
        let sum = |shared: bool| -> u64 {
            let things = image.things.iter().filter(|thing| (users[thing] > 1) == shared);
            things.map(|thing| sizes[thing]).sum()
        };
        let sizes = Sizes { shared: sum(true), unique: sum(false) };
        let names: Vec<Option<&Reference>> = match image.image.names.as_slice() {
            [] => vec![None],
            names => names.iter().map(Some).collect(),
        };
        rows.extend(names.into_iter().map(|name| image_row(image, name, &sizes, now)));
    }
    Ok(rows)
}

struct Sizes {
    /// Of what other images have, too.
    shared: u64,
    unique: u64,
}

fn image_row(usage: &ImageUsage, name: Option<&Reference>, sizes: &Sizes, now: SystemTime) -> Row {
    let (image, none) = (&usage.image, || "<none>".to_owned());
    let created = image.created.as_deref();
    format::row([
        ("Containers", usage.containers.to_string()),
        ("CreatedAt", times::date_and_time(created)),
        ("CreatedSince", times::since(created, now)),
        ("Digest", image.manifest.to_string()),
        ("ID", short_id(image.id)),
        ("Repository", name.map_or_else(none, Reference::familiar_name)),
        ("SharedSize", output::long_size(sizes.shared)),
        ("Size", output::size(sizes.shared + sizes.unique)),
        ("Tag", name.and_then(Reference::tag).map_or_else(none, str::to_owned)),
        ("UniqueSize", output::long_size(sizes.unique)),
    ])
}

fn cache(store: &Store) -> Result<Vec<Row>> {
    let now = SystemTime::now();
    let entries = builder::cache::entries(store)?;
    Ok(entries.iter().map(|entry| cache_row(entry, now)).collect())
}

fn cache_row(entry: &CacheEntry, now: SystemTime) -> Row {
    let (created, used) = (times::rfc3339(entry.created), times::rfc3339(entry.last_used));
    let kind = match entry.kind {
        CacheEntryKind::Step => "regular",
        CacheEntryKind::Mount => "exec.cachemount",
        CacheEntryKind::Repository => "source.git.checkout",
    };
    format::row([
        ("CacheType", kind.to_owned()),
        ("CreatedAt", times::date_and_time(Some(&created))),
        ("CreatedSince", times::since(Some(&created), now)),
        ("Description", entry.description.clone()),
        ("ID", entry.id.chars().take(12).collect()),
        ("InUse", entry.in_use.to_string()),
        ("LastUsedAt", times::date_and_time(Some(&used))),
        ("LastUsedSince", times::since(Some(&used), now)),
        ("Shared", entry.shared.to_string()),
        ("Size", output::long_size(entry.bytes)),
    ])
}
