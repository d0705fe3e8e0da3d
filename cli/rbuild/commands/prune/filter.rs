//! `--filter` of `image prune` and `system prune`. An image goes if it fits all filters.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use store::ImageConfig;

use super::super::labels::Label;
use super::super::times::{self, Instant};

/// What may go.
#[derive(Debug, Default)]
pub(super) struct PruneFilter {
    /// Made at each of these moments, or before.
    until: Vec<Instant>,
    /// Not used since any of these moments.
    unused_since: Vec<Instant>,
    with: Vec<Label>,
    /// None of them may be there.
    without: Vec<Label>,
}

/// What the filters mean for the build cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CacheFilter {
    Everything,
    UnusedFor(Duration),
    /// Cache has no labels: nothing fits.
    Nothing,
}

impl PruneFilter {
    pub(super) fn parse(texts: &[String], now: SystemTime) -> Result<PruneFilter> {
        let mut filter = PruneFilter::default();
        for text in texts {
            filter.add(text, now).with_context(|| format!("cannot use `--filter {text}`"))?;
        }
        Ok(filter)
    }

    fn add(&mut self, text: &str, now: SystemTime) -> Result<()> {
        let (name, value) = text.split_once('=').context("it is not of the form name=value")?;
        match name {
            "until" => {
                let moment = times::moment(value, now);
                self.until.push(moment.context("its value is no time and no duration")?);
            }
            "unused-for" => {
                parser::duration::parse(value).context("its value is no duration")?;
                let moment = times::moment(value, now);
                self.unused_since.push(moment.context("its value is too long")?);
            }
            "label" => self.with.push(Label::parse(value)),
            "label!" => self.without.push(Label::parse(value)),
            _ => bail!("the filters are `until`, `unused-for`, `label` and `label!`"),
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.until.is_empty()
            && self.unused_since.is_empty()
            && self.with.is_empty()
            && self.without.is_empty()
    }

    pub(super) fn admits(&self, image: &ImageConfig, used: SystemTime) -> bool {
        let made = times::instant(image.created.as_deref());
        let used = times::of_system(used);
        let labels = &image.config.labels;
        self.until.iter().all(|moment| made <= *moment)
            && self.unused_since.iter().all(|moment| used <= *moment)
            && self.with.iter().all(|label| label.is_among(labels))
            && !self.without.iter().any(|label| label.is_among(labels))
    }

    pub(super) fn of_cache(&self, now: SystemTime) -> CacheFilter {
        let has_labels = !self.with.is_empty() || !self.without.is_empty();
        // Of cache nothing is known but when it was used.
        match self.until.iter().chain(&self.unused_since).min() {
            _ if has_labels => CacheFilter::Nothing,
            None => CacheFilter::Everything,
            Some(&(seconds, nanoseconds)) => {
                let since_1970 = Duration::new(u64::try_from(seconds).unwrap_or(0), nanoseconds);
                let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
                CacheFilter::UnusedFor(now.saturating_sub(since_1970))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use store::Platform;

    use super::*;

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(2 * 86_400)
    }

    fn filter(texts: &[&str]) -> Result<PruneFilter> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        PruneFilter::parse(&texts, now())
    }

    #[test]
    fn an_image_goes_if_it_fits_all_filters() {
        let mut image = ImageConfig::empty(&Platform::host());
        image.created = Some("1970-01-02T00:00:00Z".to_owned());
        image.config.labels = [("a".to_owned(), "1".to_owned())].into();
        let table: &[(&[&str], bool)] = &[
            (&[], true),
            (&["until=24h"], true),
            (&["until=24h1s"], false),
            (&["until=86400"], true),
            (&["until=1970-01-01"], false),
            (&["until=1h", "until=30h"], false),
            (&["label=a"], true),
            (&["label=a=2"], false),
            (&["label=a", "label=b"], false),
            (&["label!=a"], false),
            (&["label!=a=2"], true),
            (&["label!=b", "label!=a"], false),
            (&["label=a", "label!=b", "until=1h"], true),
        ];
        for (texts, expected) in table {
            assert_eq!(filter(texts).unwrap().admits(&image, now()), *expected, "{texts:?}");
        }
    }

    #[test]
    fn an_image_goes_that_was_not_used_for_long() {
        let image = ImageConfig::empty(&Platform::host());
        let used = now() - Duration::from_secs(3600);
        for (texts, expected) in [
            (vec!["unused-for=30m"], true),
            (vec!["unused-for=1h"], true),
            (vec!["unused-for=2h"], false),
            (vec!["unused-for=30m", "unused-for=2h"], false),
            (vec!["unused-for=30m", "label=a"], false),
        ] {
            assert_eq!(filter(&texts).unwrap().admits(&image, used), expected, "{texts:?}");
        }
        assert!(filter(&["unused-for=1970-01-01"]).is_err());
        let cache = filter(&["unused-for=2h", "until=1h"]).unwrap().of_cache(now());
        assert_eq!(cache, CacheFilter::UnusedFor(Duration::from_secs(7200)));
    }

    #[test]
    fn an_image_that_does_not_say_when_it_was_made_is_old() {
        let image = ImageConfig::empty(&Platform::host());
        assert!(filter(&["until=9999h"]).unwrap().admits(&image, now()));
    }

    #[test]
    fn what_the_cache_makes_of_them() {
        let table: &[(&[&str], CacheFilter)] = &[
            (&[], CacheFilter::Everything),
            (&["until=1h"], CacheFilter::UnusedFor(Duration::from_secs(3600))),
            (&["until=1h", "until=2h"], CacheFilter::UnusedFor(Duration::from_secs(7200))),
            (&["until=1970-01-09"], CacheFilter::UnusedFor(Duration::ZERO)),
            (&["until=1h", "label=a"], CacheFilter::Nothing),
            (&["label!=a"], CacheFilter::Nothing),
        ];
        for (texts, expected) in table {
            assert_eq!(filter(texts).unwrap().of_cache(now()), *expected, "{texts:?}");
        }
    }

    #[test]
    fn other_filters_are_refused_by_name() {
        for (text, says) in [
            ("dangling=true", "the filters are `until`, `unused-for`, `label` and `label!`"),
            ("until=soon", "no time and no duration"),
            ("label", "not of the form name=value"),
        ] {
            let error = filter(&[text]).unwrap_err();
            assert!(format!("{error:#}").contains(says), "{error:#}");
        }
    }
}
