//! The command line of the commands that make containers.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args as ClapArgs};

use super::PullPolicy;
use super::confinement::ConfinementArgs;
use super::connections::ConnectionArgs;
use super::lifecycle::{ClientArgs, LifecycleArgs};

#[derive(Debug, ClapArgs)]
pub(crate) struct RunArgs {
    /// Leave it to itself and print its ID
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Attach to these only: `stdin`, `stdout`, `stderr`
    #[arg(short, long, value_name = "STREAM")]
    pub(crate) attach: Vec<String>,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
    /// Print how long each phase of the start takes
    #[arg(long)]
    pub(crate) trace_start: bool,
    #[command(flatten)]
    pub(crate) container: ContainerArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    pub(crate) container: ContainerArgs,
}

/// What `run` and `create` have in common: what the container is.
#[derive(Debug, ClapArgs)]
#[command(disable_help_flag = true)]
pub(crate) struct ContainerArgs {
    /// Print help; `-h` is `--hostname`, as with docker
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
    /// Name or ID of the image
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
    /// Program and arguments instead of the image's CMD
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
    #[command(flatten)]
    pub(crate) lifecycle: LifecycleArgs,
    /// When to ask a registry for the image
    #[arg(long, value_enum, default_value = "missing", value_name = "WHEN")]
    pub(crate) pull: PullPolicy,
    /// Do not show how a pull goes on
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Keep stdin open
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Give the container a terminal
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Set an environment variable; without a value it is taken from the environment
    #[arg(short, long = "env", value_name = "NAME[=VALUE]")]
    pub(crate) env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Vec<PathBuf>,
    /// Working directory
    #[arg(short, long, value_name = "DIR")]
    pub(crate) workdir: Option<String>,
    /// User, as name or number: `user[:group]`
    #[arg(short, long)]
    pub(crate) user: Option<String>,
    /// Program instead of the image's ENTRYPOINT
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) entrypoint: Option<String>,
    /// Show a directory of this machine, or a volume, in the container: `[PATH|VOLUME:]TARGET[:OPTIONS]`
    #[arg(short, long = "volume", value_name = "SPEC")]
    pub(crate) volumes: Vec<String>,
    #[command(flatten)]
    pub(crate) connections: ConnectionArgs,
    /// Host name in the container
    #[arg(short = 'h', long, value_name = "NAME")]
    pub(crate) hostname: Option<String>,
    /// Add a line to /etc/hosts
    #[arg(long = "add-host", value_name = "HOST:IP")]
    pub(crate) add_hosts: Vec<String>,
    /// Size of /dev/shm
    #[arg(long, value_name = "BYTES")]
    pub(crate) shm_size: Option<String>,
    /// Limits: `name=soft[:hard]`
    #[arg(long = "ulimit", value_name = "LIMIT")]
    pub(crate) ulimits: Vec<String>,
    /// Mount the root filesystem read-only
    #[arg(long)]
    pub(crate) read_only: bool,
    #[command(flatten)]
    pub(crate) confinement: ConfinementArgs,
}
