//! The command lines that look at what there is.

use std::path::PathBuf;

use clap::{ArgAction, Args as ClapArgs};

#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct PsArgs {
    /// Also those that do not run, and those of `run`
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Show the list again whenever it changes
    #[arg(long)]
    pub(crate) follow: bool,
    /// IDs only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Names of services only
    #[arg(long)]
    pub(crate) services: bool,
    /// Only those in this state
    #[arg(long, value_name = "STATE")]
    pub(crate) status: Vec<String>,
    /// `status=STATE`
    #[arg(long, value_name = "FILTER")]
    pub(crate) filter: Option<String>,
    /// `table`, `table TEMPLATE`, `json` (an object a line) or a template for each line
    #[arg(long)]
    pub(crate) format: Option<String>,
    /// Those of services that the project does not have as well
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", action = ArgAction::Set)]
    pub(crate) orphans: bool,
    /// Whole IDs and commands
    #[arg(long)]
    pub(crate) no_trunc: bool,
    #[arg(value_name = "SERVICE")]
    pub(crate) names: Vec<String>,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct LsArgs {
    /// Also projects of which nothing runs
    #[arg(short, long)]
    pub(crate) all: bool,
    /// `name=PART`
    #[arg(long, value_name = "FILTER")]
    pub(crate) filter: Option<String>,
    /// `table` or `json`
    #[arg(long, default_value = "table")]
    pub(crate) format: String,
    /// Names only
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct LogsArgs {
    /// Go on with what is written from now on
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Which container of the service
    #[arg(long, value_name = "N")]
    pub(crate) index: Option<u32>,
    /// Without colours
    #[arg(long)]
    pub(crate) no_color: bool,
    /// Without the names of containers
    #[arg(long)]
    pub(crate) no_log_prefix: bool,
    /// Only what was written since a time (`2026-01-02T03:04:05Z`) or an age (`10m`)
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only what was written before
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Only the last lines of each container
    #[arg(
        short = 'n',
        long,
        value_name = "N",
        default_value = "all",
        allow_negative_numbers = true
    )]
    pub(crate) tail: String,
    /// With times
    #[arg(short, long)]
    pub(crate) timestamps: bool,
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct ImagesArgs {
    /// `table` or `json`
    #[arg(long, default_value = "table")]
    pub(crate) format: String,
    /// IDs only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct PortArgs {
    /// `tcp` or `udp`
    #[arg(long, default_value = "tcp")]
    pub(crate) protocol: String,
    /// Which container of the service
    #[arg(long, value_name = "N")]
    pub(crate) index: Option<u32>,
    #[arg(value_name = "SERVICE")]
    pub(crate) service: String,
    #[arg(value_name = "PRIVATE_PORT")]
    pub(crate) port: u16,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct VolumesArgs {
    /// `table`, `table TEMPLATE`, `json` (an object a line) or a template for each line
    #[arg(long)]
    pub(crate) format: Option<String>,
    /// Names only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct ExportArgs {
    /// Which container of the service
    #[arg(long, value_name = "N")]
    pub(crate) index: Option<u32>,
    /// File to write the archive to (default: stdout)
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[arg(value_name = "SERVICE")]
    pub(crate) service: String,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct CommitArgs {
    /// Which container of the service
    #[arg(long, value_name = "N")]
    pub(crate) index: Option<u32>,
    /// Who made it
    #[arg(short, long)]
    pub(crate) author: Option<String>,
    /// Instruction of a Dockerfile to apply to the image
    #[arg(short, long, value_name = "INSTRUCTION")]
    pub(crate) change: Vec<String>,
    /// What the image is
    #[arg(short, long)]
    pub(crate) message: Option<String>,
    /// Let the processes stand still meanwhile
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", action = ArgAction::Set)]
    pub(crate) pause: bool,
    #[arg(value_name = "SERVICE")]
    pub(crate) service: String,
    /// Name of the image
    #[arg(value_name = "REPOSITORY[:TAG]")]
    pub(crate) name: Option<String>,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct BuildArgs {
    /// Set a build argument
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]")]
    pub(crate) build_args: Vec<String>,
    /// Say what BuildKit's rules find in the Dockerfiles, and build nothing
    #[arg(long)]
    pub(crate) check: bool,
    /// Use no cached step
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Ask registries for newer base images
    #[arg(long)]
    pub(crate) pull: bool,
    /// Send the images to their registries
    #[arg(long)]
    pub(crate) push: bool,
    /// Agent for steps that ask for one: `ID[=SOCKET]`
    #[arg(long, value_name = "AGENT")]
    pub(crate) ssh: Vec<String>,
    /// Has no effect: images are built at once anyway
    #[arg(long, hide = true)]
    pub(crate) parallel: bool,
    /// Say nothing
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Build what the services depend on as well
    #[arg(long)]
    pub(crate) with_dependencies: bool,
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
}
