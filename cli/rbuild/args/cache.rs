//! The arguments of `cache`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::CachePruneArgs;

#[derive(Debug, Args)]
pub(crate) struct CacheArgs {
    #[command(subcommand)]
    pub(crate) command: CacheCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// List the steps and cache mounts that are kept
    Ls(CacheLsArgs),
    /// Write the files of a cache mount as a tar archive
    Export(CacheExportArgs),
    /// Fill a cache mount from a tar archive
    Import(CacheImportArgs),
    /// Remove build cache that no image is made of, or cache mounts by their IDs
    Prune(CachePruneOrMountsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CacheLsArgs {
    /// Only cache mounts
    #[arg(long)]
    pub(crate) mounts: bool,
    /// `table`, `table TEMPLATE`, `json` (an object a line) or a template for each line
    #[arg(long)]
    pub(crate) format: Option<String>,
    /// Only the names
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Do not shorten the keys of steps
    #[arg(long)]
    pub(crate) no_trunc: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CacheExportArgs {
    /// The ID of the mount (`RUN --mount=type=cache,id=ID`; without `id` it is the target), or its name in `cache ls`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Write here instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CacheImportArgs {
    /// The ID of the mount, or its name in `cache ls`. What is in it now is replaced
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// The archive, compressed or not (default: stdin)
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// `uid` of the mount, where the Dockerfile gives one
    #[arg(long)]
    pub(crate) uid: Option<u32>,
    /// `gid` of the mount, where the Dockerfile gives one
    #[arg(long)]
    pub(crate) gid: Option<u32>,
    /// `mode` of the mount, where the Dockerfile gives one
    #[arg(long, value_name = "OCTAL")]
    pub(crate) mode: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CachePruneOrMountsArgs {
    #[command(flatten)]
    pub(crate) prune: CachePruneArgs,
    /// Only this cache mount, by its ID or its name in `cache ls`; may be repeated
    #[arg(long = "mount", value_name = "ID",
          conflicts_with_all = ["all", "filter", "max_used_space", "min_free_space", "reserved_space"])]
    pub(crate) mounts: Vec<String>,
}
