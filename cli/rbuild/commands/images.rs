//! `rbuild images`

use std::time::SystemTime;

use anyhow::Result;
use cli::environment::Environment;
use cli::{Exit, output};
use serde_json::json;
use store::{Digest, ImageSummary, Reference};

use super::{open_store, short_id, times};
use crate::args::{ImagesArgs, ListFormat};

/// A line of the list: an image under one of its names, or without any.
struct Row<'a> {
    image: &'a ImageSummary,
    name: Option<&'a Reference>,
}

pub(crate) fn run(args: &ImagesArgs, environment: &Environment) -> Result<Exit> {
    let images = open_store(environment)?.images()?;
    let wanted = args.name.as_deref().map(Wanted::parse);
    let rows: Vec<Row<'_>> =
        rows(&images).filter(|row| wanted.as_ref().is_none_or(|w| w.matches(row.name))).collect();
    if args.quiet {
        output::write(&identifiers(&rows, args))?;
    } else if args.format == ListFormat::Json {
        output::write(&json_lines(&rows, args))?;
    } else {
        output::write(&table(&rows, args))?;
    }
    Ok(Exit::Success)
}

/// What `rbuild images NAME` asks for: all tags of a repository, or one of them.
struct Wanted<'a> {
    repository: &'a str,
    tag: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    fn parse(text: &'a str) -> Wanted<'a> {
        match text.rsplit_once(':') {
            // A colon before a slash belongs to a registry's port.
            Some((repository, tag)) if !tag.contains('/') => Wanted { repository, tag: Some(tag) },
            _ => Wanted { repository: text, tag: None },
        }
    }

    fn matches(&self, name: Option<&Reference>) -> bool {
        name.is_some_and(|name| {
            let repository =
                self.repository == name.familiar_name() || self.repository == name.name();
            repository && self.tag.is_none_or(|tag| name.tag() == Some(tag))
        })
    }
}

fn rows(images: &[ImageSummary]) -> impl Iterator<Item = Row<'_>> {
    images.iter().flat_map(|image| {
        let unnamed = image.names.is_empty().then_some(Row { image, name: None });
        image.names.iter().map(move |name| Row { image, name: Some(name) }).chain(unnamed)
    })
}

impl Row<'_> {
    fn repository(&self) -> String {
        self.name.map_or("<none>".to_owned(), Reference::familiar_name)
    }

    fn tag(&self) -> String {
        self.name.and_then(Reference::tag).unwrap_or("<none>").to_owned()
    }

    fn id(&self, args: &ImagesArgs) -> String {
        identifier(self.image.id, args)
    }
}

fn identifier(id: Digest, args: &ImagesArgs) -> String {
    if args.no_trunc { id.to_string() } else { short_id(id) }
}

fn identifiers(rows: &[Row<'_>], args: &ImagesArgs) -> String {
    rows.iter().map(|row| row.id(args) + "\n").collect()
}

fn table(rows: &[Row<'_>], args: &ImagesArgs) -> String {
    let now = SystemTime::now();
    let mut header = vec!["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"];
    if args.digests {
        header.insert(2, "DIGEST");
    }
    let line = |row: &Row<'_>| {
        let mut cells = vec![
            row.repository(),
            row.tag(),
            row.id(args),
            times::since(row.image.created.as_deref(), now),
            output::size(row.image.size),
        ];
        if args.digests {
            cells.insert(2, row.image.manifest.to_string());
        }
        cells
    };
    output::table(&header, &rows.iter().map(line).collect::<Vec<_>>())
}

/// One object a line with docker's keys.
fn json_lines(rows: &[Row<'_>], args: &ImagesArgs) -> String {
    let now = SystemTime::now();
    let line = |row: &Row<'_>| {
        let object = json!({
            "Repository": row.repository(),
            "Tag": row.tag(),
            "ID": row.id(args),
            "Digest": row.image.manifest.to_string(),
            "CreatedAt": row.image.created,
            "CreatedSince": times::since(row.image.created.as_deref(), now),
            "Size": output::size(row.image.size),
        });
        format!("{object}\n")
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_filter_by_repository_and_tag() {
        let name: Reference = "localhost:5000/app:1".parse().unwrap();
        for text in ["localhost:5000/app", "localhost:5000/app:1"] {
            assert!(Wanted::parse(text).matches(Some(&name)), "{text}");
        }
        for text in ["app", "localhost:5000/app:2", "localhost"] {
            assert!(!Wanted::parse(text).matches(Some(&name)), "{text}");
        }
        let official: Reference = "busybox".parse().unwrap();
        assert!(Wanted::parse("busybox").matches(Some(&official)));
        assert!(Wanted::parse("docker.io/library/busybox").matches(Some(&official)));
        assert!(!Wanted::parse("busybox").matches(None));
    }
}
