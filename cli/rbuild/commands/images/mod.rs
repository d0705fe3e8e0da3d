//! `rbuild images`

mod filter;

use std::time::SystemTime;

use anyhow::Result;
use cli::environment::Environment;
use cli::format::{self, ListFormat, Shape, Table};
use cli::{Exit, output};
use store::{ImageSummary, Reference};

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
    let now = SystemTime::now();
    let rows = lines.map(|line| line.row(args.no_trunc, now));
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

impl Line<'_> {
    fn row(&self, no_trunc: bool, now: SystemTime) -> format::Row {
        let id = self.image.id;
        let created = self.image.created.as_deref();
        format::row([
            ("Containers", UNKNOWN.to_owned()),
            ("CreatedAt", times::date_and_time(created)),
            ("CreatedSince", times::since(created, now)),
            ("Digest", self.image.manifest.to_string()),
            ("ID", if no_trunc { id.to_string() } else { short_id(id) }),
            ("Repository", self.name.map_or(NONE.to_owned(), Reference::familiar_name)),
            ("SharedSize", UNKNOWN.to_owned()),
            ("Size", output::size(self.image.size)),
            ("Tag", self.name.and_then(Reference::tag).unwrap_or(NONE).to_owned()),
            ("UniqueSize", UNKNOWN.to_owned()),
            ("VirtualSize", output::long_size(self.image.size)),
        ])
    }
}
