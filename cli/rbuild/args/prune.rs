//! Commands that free space.

use std::time::Duration;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct BuilderArgs {
    #[command(subcommand)]
    pub(crate) command: BuilderCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BuilderCommand {
    /// Remove build cache that no image is made of
    Prune(CachePruneArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CachePruneArgs {
    /// Also what images are made of, and cache mounts
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Only what was not used for so long: `unused-for=24h` (or `until=24h`)
    #[arg(long, value_name = "unused-for=DURATION", value_parser = unused_for)]
    pub(crate) filter: Option<Duration>,
    /// Only until the cache, mounts included, takes no more than this
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_used_space: Option<String>,
    /// Only until so much of the disk is free
    #[arg(long, value_name = "BYTES")]
    pub(crate) min_free_space: Option<String>,
    /// What the cache may take in any case
    #[arg(long, alias = "keep-storage", value_name = "BYTES")]
    pub(crate) reserved_space: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ImagePruneArgs {
    /// Also images with names that no container or build uses
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Only images that fit: made `until=TIME|AGE`, `unused-for=DURATION` (not run, built, built from, loaded or named
    /// since), `label=NAME[=VALUE]`, `label!=NAME[=VALUE]`; may be repeated
    #[arg(long = "filter", value_name = "NAME=VALUE")]
    pub(crate) filters: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SystemPruneArgs {
    /// Also images with names, the cache of what they are made of, and cache mounts
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Only images that fit (as for `image prune`), and only cache that was not used since; cache has
    /// no labels, and with `label=` stays
    #[arg(long = "filter", value_name = "NAME=VALUE")]
    pub(crate) filters: Vec<String>,
    /// Also anonymous volumes that no container has
    #[arg(long)]
    pub(crate) volumes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveLeftoversArgs {
    /// As other commands start it: standard input is the lock of the only one
    #[arg(long, hide = true)]
    pub(crate) only_one: bool,
}

fn unused_for(text: &str) -> Result<Duration, String> {
    let Some(("unused-for" | "until", age)) = text.split_once('=') else {
        return Err("only `unused-for=DURATION` and `until=DURATION` are supported".to_owned());
    };
    let nanoseconds = parser::duration::parse(age).map_err(|error| error.to_string())?;
    let nanoseconds = u64::try_from(nanoseconds).map_err(|_| "it is negative".to_owned())?;
    Ok(Duration::from_nanos(nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_durations() {
        assert_eq!(unused_for("until=1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(unused_for("unused-for=10s"), Ok(Duration::from_secs(10)));
        for wrong in ["24h", "until=x", "until=-1h", "label=a", "until=2026-01-01"] {
            assert!(unused_for(wrong).is_err(), "{wrong}");
        }
    }
}
