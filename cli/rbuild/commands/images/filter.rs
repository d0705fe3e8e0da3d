//! `--filter` of `rbuild images`, and the name behind it. Filters of different names must all fit; of several
//! `reference=` one must.

use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use builder::glob::{Glob, has_wildcards};
use store::{ImageSummary, Reference, Store};

use super::super::labels::Label;
use super::super::times::{self, Instant};
use crate::args::ImagesArgs;

/// What an image of the list must be like.
#[derive(Debug, Default)]
pub(super) struct Filter {
    dangling: Option<bool>,
    labels: Vec<Label>,
    /// Made before each of these.
    before: Vec<Instant>,
    /// Made after each of these.
    since: Vec<Instant>,
    references: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    glob: Glob,
    /// The text, if it has no wildcards: then it may also be a name with its registry.
    in_full: Option<String>,
}

impl Filter {
    /// Images that are named in filters are looked up.
    pub(super) fn of(args: &ImagesArgs, store: &Store) -> Result<Filter> {
        let mut filter = Filter::default();
        if let Some(name) = &args.name {
            filter.references.push(Pattern::parse(name)?);
        }
        for text in &args.filters {
            filter.add(text, store).with_context(|| format!("cannot use `--filter {text}`"))?;
        }
        Ok(filter)
    }

    fn add(&mut self, text: &str, store: &Store) -> Result<()> {
        let (name, value) = text.split_once('=').context("it is not of the form name=value")?;
        let (name, value) = (name.trim().to_lowercase(), value.trim());
        match name.as_str() {
            "dangling" => self.dangling = Some(truth(value)?),
            "label" => self.labels.push(Label::parse(value)),
            "before" => self.before.push(made(store, value)?),
            "since" => self.since.push(made(store, value)?),
            "until" => {
                let moment = times::moment(value, SystemTime::now());
                self.before.push(moment.context("its value is no time and no duration")?);
            }
            "reference" => self.references.push(Pattern::parse(value)?),
            _ => bail!(
                "the filters are `dangling`, `label`, `before`, `since`, `until` and `reference`"
            ),
        }
        Ok(())
    }

    pub(super) fn admits(&self, image: &ImageSummary, name: Option<&Reference>) -> bool {
        let made = times::instant(image.created.as_deref());
        self.dangling.is_none_or(|dangling| dangling == image.names.is_empty())
            && self.labels.iter().all(|label| label.is_among(&image.labels))
            && self.before.iter().all(|moment| made < *moment)
            && self.since.iter().all(|moment| made > *moment)
            && (self.references.is_empty() || name.is_some_and(|name| self.names(name)))
    }

    fn names(&self, name: &Reference) -> bool {
        self.references.iter().any(|pattern| pattern.fits(name))
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Pattern> {
        let glob = Glob::parse(text)?;
        let in_full = (!has_wildcards(text)).then(|| text.to_owned());
        Ok(Pattern { glob, in_full })
    }

    /// With or without tag; wildcards see the name as people write it.
    fn fits(&self, name: &Reference) -> bool {
        let as_written = [name.familiar(), name.familiar_name()];
        let full = [name.to_string(), name.name()];
        as_written.iter().any(|form| self.glob.matches(form))
            || self.in_full.as_ref().is_some_and(|text| full.contains(text))
    }
}

fn truth(text: &str) -> Result<bool> {
    match text.to_lowercase().as_str() {
        "1" | "t" | "true" => Ok(true),
        "0" | "f" | "false" => Ok(false),
        _ => bail!("its value is neither `true` nor `false`"),
    }
}

fn made(store: &Store, image: &str) -> Result<Instant> {
    Ok(times::instant(store.resolve(image)?.config.created.as_deref()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use store::{Digest, Platform};

    use super::*;

    fn image(names: &[&str], created: Option<&str>, labels: &[(&str, &str)]) -> ImageSummary {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        ImageSummary {
            id: Digest::of(b"id"),
            manifest: Digest::of(b"manifest"),
            names: names.iter().map(|name| name.parse().unwrap()).collect(),
            platform: Platform::host(),
            created: created.map(str::to_owned),
            size: 0,
            layers: 0,
            labels: labels.iter().map(owned).collect::<BTreeMap<_, _>>(),
        }
    }

    #[test]
    fn names_fit_as_written_and_in_full() {
        let table = [
            ("localhost:5000/team/app:1", "localhost:5000/team/app", true),
            ("localhost:5000/team/app:1", "localhost:5000/team/app:1", true),
            ("localhost:5000/team/app:1", "localhost:5000/*/app", true),
            ("localhost:5000/team/app:1", "localhost:5000/*", false),
            ("localhost:5000/team/app:1", "*/*/*:1", true),
            ("localhost:5000/team/app:1", "app", false),
            ("localhost:5000/team/app:1", "localhost:5000/team/app:2", false),
            ("busybox", "busybox", true),
            ("busybox", "busybox:latest", true),
            ("busybox", "docker.io/library/busybox", true),
            ("busybox", "busy*", true),
            ("busybox", "b[tu]sybox", true),
            ("busybox", "*:*", true),
            ("busybox", "*/*/busybox", false),
            ("busybox", "busy", false),
        ];
        for (name, text, expected) in table {
            let filter =
                Filter { references: vec![Pattern::parse(text).unwrap()], ..Filter::default() };
            let found = image(&[name], None, &[]);
            assert_eq!(filter.admits(&found, found.names.first()), expected, "{text} {name}");
            assert!(!filter.admits(&image(&[], None, &[]), None), "{text}");
        }
    }

    #[test]
    fn all_labels_must_be_there() {
        let found = image(&[], None, &[("a", "1")]);
        for (labels, expected) in [(&["a"][..], true), (&["a", "c"], false)] {
            let labels = labels.iter().map(|text| Label::parse(text)).collect();
            let filter = Filter { labels, ..Filter::default() };
            assert_eq!(filter.admits(&found, None), expected);
        }
    }

    #[test]
    fn times_exclude_the_moment_itself() {
        let moment = (86_400, 0);
        let table = [
            (Some("1970-01-01T23:59:59.9Z"), true, false),
            (Some("1970-01-02T00:00:00Z"), false, false),
            (Some("1970-01-02T00:00:00.1Z"), false, true),
            (None, true, false),
        ];
        for (created, before, since) in table {
            let found = image(&[], created, &[]);
            let earlier = Filter { before: vec![moment], ..Filter::default() };
            let later = Filter { since: vec![moment], ..Filter::default() };
            assert_eq!(earlier.admits(&found, None), before, "{created:?}");
            assert_eq!(later.admits(&found, None), since, "{created:?}");
        }
    }

    #[test]
    fn dangling_images_have_no_name() {
        for (dangling, names, expected) in [
            (true, vec![], true),
            (true, vec!["a"], false),
            (false, vec![], false),
            (false, vec!["a"], true),
        ] {
            let filter = Filter { dangling: Some(dangling), ..Filter::default() };
            let found = image(&names, None, &[]);
            assert_eq!(filter.admits(&found, found.names.first()), expected);
        }
    }
}
