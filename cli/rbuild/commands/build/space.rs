//! After a build: the cache keeps to its limit (`docs/decisions/0006-space.md`).

use std::num::NonZero;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use builder::cache::{self, CacheLimit, CacheSelection};
use cli::environment::Environment;
use cli::report::Report;
use store::usage::Disk;

use crate::commands::{open_store, settings};

const VARIABLE: &str = "RBUILD_CACHE_CAP";
const AGE: &str = "RBUILD_CACHE_AGE";
const WORKERS: &str = "RBUILD_WORKERS";

/// What `--cache-max-size` or else `$RBUILD_CACHE_CAP` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cap {
    Default,
    Bytes(u64),
    /// Of the disk.
    Percent(u64),
    Off,
}

pub(super) fn cap(typed: Option<&str>, environment: &Environment) -> Result<Cap> {
    let (text, name) = match typed {
        Some(_) => (typed, "`--cache-max-size`"),
        None => (environment.text(VARIABLE), VARIABLE),
    };
    parse(text)
        .with_context(|| format!("{name} is a size (`20g`), a part of the disk (`15%`) or `off`"))
}

/// What `--cache-max-age` or else `$RBUILD_CACHE_AGE` says; none without them, and for `off`.
pub(super) fn age(typed: Option<&str>, environment: &Environment) -> Result<Option<Duration>> {
    let (text, name) = match typed {
        Some(_) => (typed, "`--cache-max-age`"),
        None => (environment.text(AGE), AGE),
    };
    let Some(text) = text.filter(|text| *text != "off") else { return Ok(None) };
    let age = parser::duration::parse(text).ok().and_then(|nanos| u64::try_from(nanos).ok());
    match age {
        Some(nanos) => Ok(Some(Duration::from_nanos(nanos))),
        None => bail!("{name} is a time (`1440h`) or `off`, not `{text}`"),
    }
}

/// How many threads read, hash and compress, if `$RBUILD_WORKERS` says so. The bytes are the same on any number.
pub(super) fn workers(environment: &Environment) -> Result<Option<NonZero<usize>>> {
    let count = environment.text(WORKERS).map(str::parse).transpose();
    count
        .with_context(|| format!("{WORKERS} is the number of threads that read, hash and compress"))
}

fn parse(text: Option<&str>) -> Result<Cap> {
    let Some(text) = text else { return Ok(Cap::Default) };
    if text == "off" {
        return Ok(Cap::Off);
    }
    match text.strip_suffix('%') {
        Some(percent) => Ok(Cap::Percent(percent.trim().parse()?)),
        None => Ok(Cap::Bytes(settings::bytes(text)?)),
    }
}

fn limit(cap: Cap, disk: &Disk) -> Option<CacheLimit> {
    let default = CacheLimit::default_of(disk);
    match cap {
        Cap::Off => None,
        Cap::Default => Some(default),
        Cap::Bytes(bytes) => Some(default.capped(bytes)),
        Cap::Percent(percent) => Some(default.capped((disk.size / 100).saturating_mul(percent))),
    }
}

/// A failure is no failure of the build. The build's own handle of the store must be closed by now: what it used is
/// not in use any more.
pub(super) fn keep_within(cap: Cap, age: Option<Duration>, environment: &Environment) {
    let kept = open_store(environment).and_then(|store| {
        if age.is_some() {
            let old = CacheSelection { all: true, unused_for: age, limit: None };
            cache::prune(&store, Some(old))?;
        }
        match limit(cap, &store.disk()?) {
            Some(limit) => Ok(cache::keep_within(&store, limit).map(drop)?),
            None => Ok(()),
        }
    });
    if let Err(error) = kept {
        let report =
            Report::warning(format!("the build cache was not brought within its limit: {error:#}"));
        report.print();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_is_a_size_a_part_or_off() {
        let disk = Disk { size: 1000, used: 0, free: 1000 };
        let most = |text| limit(parse(Some(text)).unwrap(), &disk).and_then(|limit| limit.max_used);
        assert_eq!(most("1k"), Some(1024));
        assert_eq!(most("0"), Some(0));
        assert_eq!(most("15%"), Some(150));
        assert_eq!(most("9999999999999999999%"), Some(u64::MAX));
        assert_eq!(most("off"), None);
        assert_eq!(limit(Cap::Default, &disk).unwrap().max_used, Some(600));
        for wrong in ["", "much", "-1", "%", "10x"] {
            assert!(parse(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
