//! `rbuild images`

mod filter;

use std::collections::HashMap;
use std::time::SystemTime;

use anyhow::Result;
use cli::environment::Environment;
use cli::format::{self, ListFormat, Shape, Table};
use cli::{Exit, output};
use store::{Digest, ImageSummary, Reference, Store};

use super::{open_store, short_id, times};
use crate::args::ImagesArgs;
use filter::Filter;

/// What docker shows where there is nothing.
const NONE: &str = "<none>";
/// What nobody counted.
const UNKNOWN: &str = "N/A";

static TABLE: Table = Table::new(
    "an image of this list",
    &[
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
        ("VirtualSize", Shape::Text),
    ],
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
        "SIZE",
    ],
);

/// A line of the list: an image under one of its names, or without any.
struct Line<'a> {
    image: &'a ImageSummary,
    name: Option<&'a Reference>,
}

pub(crate) fn run(args: &ImagesArgs, environment: &Environment) -> Result<Exit> {
    let format = list_format(args)?;
    let store = open_store(environment)?;
    let filter = Filter::of(args, &store)?;
    let images = store.images()?;
    let lines = lines(&images).filter(|line| filter.admits(line.image, line.name));
    let mut sizes = Sizes::of(&store, &format);
    let now = SystemTime::now();
    let rows = lines.map(|line| line.row(args.no_trunc, now, sizes.get(line.image)));
    output::write(&format.render(&TABLE, rows)?)?;
    Ok(Exit::Success)
}

/// As docker's: `--quiet` is another table, and a format of the user's own wins over it.
fn list_format(args: &ImagesArgs) -> Result<ListFormat> {
    const DIGEST: &str = r"\t{{.Digest}}";
    let default = match (args.quiet, args.digests) {
        (true, _) => "{{.ID}}",
        (_, true) => {
            r"table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"
        }
        _ => r"table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
    };
    let own = args.format.as_deref();
    let wants_digests = |format: &&str| {
        args.digests && format.starts_with("table ") && !format.contains("{{.Digest}}")
    };
    let with_digests = own.filter(wants_digests).map(|format| format.to_owned() + DIGEST);
    Ok(ListFormat::parse(with_digests.as_deref().or(own), default)?)
}

fn lines(images: &[ImageSummary]) -> impl Iterator<Item = Line<'_>> {
    images.iter().flat_map(|image| {
        let unnamed = image.names.is_empty().then_some(Line { image, name: None });
        image.names.iter().map(move |name| Line { image, name: Some(name) }).chain(unnamed)
    })
}

/// The sizes of images, looked up once for each, and only if the format shows them: layers that were loaded and
/// never used have to be read for it.
struct Sizes<'a> {
    store: &'a Store,
    wanted: bool,
    known: HashMap<Digest, Option<u64>>,
}

impl Sizes<'_> {
    fn of<'a>(store: &'a Store, format: &ListFormat) -> Sizes<'a> {
        let wanted = format.asks_for(&["Size", "VirtualSize"]);
        Sizes { store, wanted, known: HashMap::new() }
    }

    /// None for an image that is damaged or just went: a list tells of the others nevertheless.
    fn get(&mut self, image: &ImageSummary) -> Option<u64> {
        if !self.wanted {
            return None;
        }
        *self.known.entry(image.id).or_insert_with(|| {
            let found = self.store.resolve_for(&image.id.to_string(), &image.platform).ok()?;
            self.store.unpacked_size(&found).ok()
        })
    }
}

impl Line<'_> {
    fn row(&self, no_trunc: bool, now: SystemTime, size: Option<u64>) -> format::Row {
        let id = self.image.id;
        let created = self.image.created.as_deref();
        let shown = |print: fn(u64) -> String| size.map_or(UNKNOWN.to_owned(), print);
        format::row([
            ("Containers", UNKNOWN.to_owned()),
            ("CreatedAt", times::date_and_time(created)),
            ("CreatedSince", times::since(created, now)),
            ("Digest", self.image.manifest.to_string()),
            ("ID", if no_trunc { id.to_string() } else { short_id(id) }),
            ("Repository", self.name.map_or(NONE.to_owned(), Reference::familiar_name)),
            ("SharedSize", UNKNOWN.to_owned()),
            ("Size", shown(output::size)),
            ("Tag", self.name.and_then(Reference::tag).unwrap_or(NONE).to_owned()),
            ("UniqueSize", UNKNOWN.to_owned()),
            ("VirtualSize", shown(output::long_size)),
        ])
    }
}
