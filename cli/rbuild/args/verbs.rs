//! The command lines of what is done with containers' processes and files.

use std::ffi::OsString;

use clap::Args as ClapArgs;
use cli::stats::StatsFlags;

#[derive(Debug, ClapArgs)]
pub(crate) struct PauseArgs {
    #[arg(required = true, value_name = "CONTAINER")]
    pub(crate) containers: Vec<String>,
}

#[derive(Debug, Default, ClapArgs)]
pub(crate) struct UpdateArgs {
    /// Memory
    #[arg(short, long, value_name = "BYTES")]
    pub(crate) memory: Option<String>,
    /// Memory and swap together; -1 is no limit
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    pub(crate) memory_swap: Option<String>,
    /// Memory that is left to it when there is little
    #[arg(long, value_name = "BYTES")]
    pub(crate) memory_reservation: Option<String>,
    /// Number of processors' worth of time
    #[arg(long, value_name = "NUMBER")]
    pub(crate) cpus: Option<String>,
    /// Length of a period of processor time, in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    pub(crate) cpu_period: Option<u64>,
    /// Processor time in each period, in microseconds; -1 is no limit
    #[arg(long, value_name = "MICROSECONDS", allow_hyphen_values = true)]
    pub(crate) cpu_quota: Option<i64>,
    /// Share of busy processors beside others'
    #[arg(short, long, value_name = "NUMBER")]
    pub(crate) cpu_shares: Option<u64>,
    /// Processors: `0-2,4`
    #[arg(long, value_name = "LIST")]
    pub(crate) cpuset_cpus: Option<String>,
    /// Nodes of memory: `0,1`
    #[arg(long, value_name = "LIST")]
    pub(crate) cpuset_mems: Option<String>,
    /// Number of processes and threads; -1 is no limit
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub(crate) pids_limit: Option<i64>,
    /// Share of busy disks beside others'
    #[arg(long, value_name = "NUMBER")]
    pub(crate) blkio_weight: Option<u16>,
    /// Start it again when it ends: `no`, `on-failure[:N]`, `always` or `unless-stopped`
    #[arg(long, value_name = "POLICY")]
    pub(crate) restart: Option<String>,
    #[arg(required = true, value_name = "CONTAINER")]
    pub(crate) containers: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct TopArgs {
    #[arg(value_name = "CONTAINER")]
    pub(crate) container: String,
    /// Which columns, as of `ps`: `-ef` (the default), `aux`, `-o LIST`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
    pub(crate) options: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct StatsArgs {
    #[command(flatten)]
    pub(crate) flags: StatsFlags,
    /// Only these (default: all that run)
    #[arg(value_name = "CONTAINER")]
    pub(crate) containers: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CpArgs {
    /// Keep owners and groups as they are at the source
    #[arg(short, long)]
    pub(crate) archive: bool,
    /// Follow a symbolic link at the end of the source
    #[arg(short = 'L', long)]
    pub(crate) follow_link: bool,
    /// Do not say how much was copied
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// `CONTAINER:PATH`, a path of this machine, or `-` for a tar archive on stdin
    #[arg(value_name = "SOURCE")]
    pub(crate) source: OsString,
    /// `CONTAINER:PATH`, a path of this machine, or `-` for a tar archive on stdout
    #[arg(value_name = "DESTINATION")]
    pub(crate) destination: OsString,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct EventsArgs {
    /// Only those that fit: `type=`, `event=`, `container=`, `image=`, `volume=`, `label=NAME[=VALUE]`
    #[arg(short, long = "filter", value_name = "FILTER")]
    pub(crate) filters: Vec<String>,
    /// `json` (an object a line) or a template for each line
    #[arg(long)]
    pub(crate) format: Option<String>,
    /// Also those since a time (`2026-01-02T03:04:05Z`) or an age (`10m`)
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only until then
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DiffArgs {
    #[arg(value_name = "CONTAINER")]
    pub(crate) container: String,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CommitArgs {
    /// Who made the image
    #[arg(short, long)]
    pub(crate) author: Option<String>,
    /// Dockerfile instructions that describe the image; may be repeated
    #[arg(short, long = "change", value_name = "INSTRUCTION")]
    pub(crate) changes: Vec<String>,
    /// Text of the image's history entry
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) message: Option<String>,
    /// Let the container stand still meanwhile
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", value_name = "BOOL")]
    pub(crate) pause: bool,
    #[arg(value_name = "CONTAINER")]
    pub(crate) container: String,
    /// Name of the new image
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
}
