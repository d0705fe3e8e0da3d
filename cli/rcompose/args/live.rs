//! The command lines that follow what happens, and that copy files.

use std::ffi::OsString;

use clap::{ArgAction, Args as ClapArgs};
use cli::stats::StatsFlags;

#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct EventsArgs {
    /// An object a line
    #[arg(long)]
    pub(crate) json: bool,
    /// What has happened since a time (`2026-01-02T03:04:05Z`) or an age (`10m`), too
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// End at this time
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct StatsArgs {
    #[command(flatten)]
    pub(crate) flags: StatsFlags,
    #[arg(value_name = "SERVICE")]
    pub(crate) service: Option<String>,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct CpArgs {
    /// Containers of `run` as well
    #[arg(long)]
    pub(crate) all: bool,
    /// Owners stay what they are
    #[arg(short, long)]
    pub(crate) archive: bool,
    /// A symbolic link stands for what it leads to
    #[arg(short = 'L', long)]
    pub(crate) follow_link: bool,
    /// Which container of the service; all by default, the first to copy from
    #[arg(long, value_name = "N")]
    pub(crate) index: Option<u32>,
    /// `SERVICE:PATH`, a path here, or `-` for an archive on standard input
    #[arg(value_name = "SOURCE")]
    pub(crate) source: OsString,
    /// `SERVICE:PATH`, a path here, or `-` for an archive on standard output
    #[arg(value_name = "DESTINATION", allow_hyphen_values = true)]
    pub(crate) destination: OsString,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct WatchArgs {
    /// Do not bring the services up first
    #[arg(long)]
    pub(crate) no_up: bool,
    /// Remove images that lose their name when another is built
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", action = ArgAction::Set)]
    pub(crate) prune: bool,
    /// Say nothing of builds
    #[arg(long)]
    pub(crate) quiet: bool,
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct VersionArgs {
    /// `pretty` or `json`
    #[arg(short, long, default_value = "pretty")]
    pub(crate) format: String,
    /// The number alone
    #[arg(long)]
    pub(crate) short: bool,
}
