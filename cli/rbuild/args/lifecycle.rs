//! The command lines about containers that exist, and what `run` and `create` say about a container's life.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args as ClapArgs, Subcommand};

use super::archives::ExportArgs;
use super::container::{CreateArgs, RunArgs};
use super::network::PortArgs;
use super::verbs::{CommitArgs, CpArgs, DiffArgs, PauseArgs, StatsArgs, TopArgs, UpdateArgs};

/// What becomes of the container, as opposed to what it is.
#[derive(Debug, Default, ClapArgs)]
pub(crate) struct LifecycleArgs {
    /// Name of the container (default: a random one)
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Remove the container when it ends
    #[arg(long)]
    pub(crate) rm: bool,
    /// Start it again when it ends: `no`, `on-failure[:N]`, `always` or `unless-stopped`
    #[arg(long, value_name = "POLICY")]
    pub(crate) restart: Option<String>,
    /// Add a label
    #[arg(short, long = "label", value_name = "NAME[=VALUE]")]
    pub(crate) labels: Vec<String>,
    /// Read labels from a file, one a line
    #[arg(long, value_name = "FILE")]
    pub(crate) label_file: Vec<PathBuf>,
    /// Write the container's ID to this file, which must not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) cidfile: Option<PathBuf>,
    /// Signal that asks the container to end (default: the image's, else SIGTERM)
    #[arg(long, value_name = "SIGNAL")]
    pub(crate) stop_signal: Option<String>,
    /// Seconds from that signal to SIGKILL; -1 is never
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub(crate) stop_timeout: Option<i64>,
    /// Command that tells whether the container does its work
    #[arg(long, value_name = "COMMAND")]
    pub(crate) health_cmd: Option<String>,
    /// Time between two runs of it (default: 30s)
    #[arg(long, value_name = "DURATION")]
    pub(crate) health_interval: Option<String>,
    /// Failures in a row that mean unhealthy (default: 3)
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) health_retries: Option<i64>,
    /// How long one run may take (default: 30s)
    #[arg(long, value_name = "DURATION")]
    pub(crate) health_timeout: Option<String>,
    /// Time to start up, in which failures do not count (default: 0s)
    #[arg(long, value_name = "DURATION")]
    pub(crate) health_start_period: Option<String>,
    /// Time between two runs in the start period (default: 5s)
    #[arg(long, value_name = "DURATION")]
    pub(crate) health_start_interval: Option<String>,
    /// Do without the image's health check
    #[arg(long)]
    pub(crate) no_healthcheck: bool,
    /// Where output is kept: `json-file` or `none`
    #[arg(long, value_name = "DRIVER")]
    pub(crate) log_driver: Option<String>,
    /// `max-size=SIZE`, `max-file=N`, `labels=NAMES`, `env=NAMES`
    #[arg(long = "log-opt", value_name = "NAME=VALUE")]
    pub(crate) log_options: Vec<String>,
}

/// How a client is attached.
#[derive(Debug, Default, ClapArgs)]
pub(crate) struct ClientArgs {
    /// Pass signals on to the container
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = ArgAction::Set)]
    pub(crate) sig_proxy: Option<bool>,
    /// Keys that detach from the container (default: ctrl-p,ctrl-q)
    #[arg(long, value_name = "KEYS")]
    pub(crate) detach_keys: Option<String>,
}

/// Containers by name or ID.
#[derive(Debug, ClapArgs)]
pub(crate) struct StartArgs {
    /// Attach to its output, and pass signals on to it
    #[arg(short, long)]
    pub(crate) attach: bool,
    /// Attach to its standard input
    #[arg(short, long)]
    pub(crate) interactive: bool,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
    #[arg(required = true, value_name = "CONTAINER")]
    pub(crate) containers: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct StopArgs {
    /// Signal to send first (default: the container's stop signal)
    #[arg(short, long)]
    pub(crate) signal: Option<String>,
    /// Seconds until SIGKILL; -1 is never
    #[arg(short, long, alias = "time", value_name = "SECONDS", allow_negative_numbers = true)]
    pub(crate) timeout: Option<i64>,
    #[arg(required = true, value_name = "CONTAINER")]
    pub(crate) containers: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct KillArgs {
    /// Signal to send
    #[arg(short, long, default_value = "KILL")]
    pub(crate) signal: String,
    #[arg(required = true, value_name = "CONTAINER")]
    pub(crate) containers: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RmArgs {
    /// Kill the containers that run; do not mind those that do not exist
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Remove their anonymous volumes too, as far as no other container has them
    #[arg(short, long)]
    pub(crate) volumes: bool,
    #[arg(required = true, value_name = "CONTAINER")]
    pub(crate) containers: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct WaitArgs {
    #[arg(required = true, value_name = "CONTAINER")]
    pub(crate) containers: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RenameArgs {
    #[arg(value_name = "CONTAINER")]
    pub(crate) container: String,
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

#[derive(Debug, Default, ClapArgs)]
pub(crate) struct PsArgs {
    /// Also those that do not run
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Only those that fit: `name=`, `id=`, `label=`, `status=`, `exited=`, `ancestor=`, `health=`, `before=`, `since=`, `volume=`, `network=`
    #[arg(short, long = "filter", value_name = "FILTER")]
    pub(crate) filters: Vec<String>,
    /// `table`, `table TEMPLATE`, `json` (an object a line) or a template for each line
    #[arg(long)]
    pub(crate) format: Option<String>,
    /// The N containers made last, whatever they do
    #[arg(short = 'n', long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) last: Option<i64>,
    /// The container made last, whatever it does
    #[arg(short, long)]
    pub(crate) latest: bool,
    /// Whole IDs and commands
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// IDs only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// How much disk each container takes
    #[arg(short, long)]
    pub(crate) size: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct LogsArgs {
    /// Go on with what is written from now on
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only what was written since a time (`2026-01-02T03:04:05Z`) or an age (`10m`)
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only what was written before
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Only the last lines
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
    /// With what `--log-opt labels=` and `env=` ask for
    #[arg(long)]
    pub(crate) details: bool,
    #[arg(value_name = "CONTAINER")]
    pub(crate) container: String,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ExecArgs {
    /// Do not wait for it
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Set an environment variable; without a value it is taken from the environment
    #[arg(short, long = "env", value_name = "NAME[=VALUE]")]
    pub(crate) env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Vec<PathBuf>,
    /// Keep stdin open
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Give it all capabilities and no seccomp filter
    #[arg(long)]
    pub(crate) privileged: bool,
    /// Give it a terminal
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// User, as name or number: `user[:group]`
    #[arg(short, long)]
    pub(crate) user: Option<String>,
    /// Working directory
    #[arg(short, long, value_name = "DIR")]
    pub(crate) workdir: Option<String>,
    /// Keys that leave the program running (default: ctrl-p,ctrl-q)
    #[arg(long, value_name = "KEYS")]
    pub(crate) detach_keys: Option<String>,
    #[arg(value_name = "CONTAINER")]
    pub(crate) container: String,
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "CMD"
    )]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AttachArgs {
    #[command(flatten)]
    pub(crate) client: ClientArgs,
    /// Do not attach to standard input
    #[arg(long)]
    pub(crate) no_stdin: bool,
    #[arg(value_name = "CONTAINER")]
    pub(crate) container: String,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ContainerPruneArgs {
    /// Only those that fit: made `until=TIME`, ended `unused-for=DURATION` ago, `label=NAME[=VALUE]`, `label!=NAME[=VALUE]`
    #[arg(long = "filter", value_name = "FILTER")]
    pub(crate) filters: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) force: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ContainerInspectArgs {
    /// `json` or a template
    #[arg(short, long)]
    pub(crate) format: Option<String>,
    /// How much disk each container takes
    #[arg(short, long)]
    pub(crate) size: bool,
    #[arg(required = true, value_name = "CONTAINER")]
    pub(crate) containers: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ManageArgs {
    #[command(subcommand)]
    pub(crate) command: ContainerCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ContainerCommand {
    /// Attach to a container that runs
    Attach(AttachArgs),
    /// Make an image of a container
    Commit(CommitArgs),
    /// Copy files between a container and this machine
    Cp(CpArgs),
    /// Make a container without starting it
    Create(Box<CreateArgs>),
    /// Show what a container has changed of its image
    Diff(DiffArgs),
    /// Run another program in a container
    Exec(Box<ExecArgs>),
    /// Write the files of a container as a tar archive
    Export(ExportArgs),
    /// Show containers in full, as JSON
    Inspect(ContainerInspectArgs),
    /// Send containers a signal
    Kill(KillArgs),
    /// Show what a container has written
    Logs(LogsArgs),
    /// List containers
    #[command(visible_aliases = ["list", "ps"])]
    Ls(PsArgs),
    /// Let all processes of containers stand still
    Pause(PauseArgs),
    /// Show the published ports of a container
    Port(PortArgs),
    /// Remove all containers that do not run
    Prune(ContainerPruneArgs),
    /// Give a container another name
    Rename(RenameArgs),
    /// Stop containers and start them again
    Restart(StopArgs),
    /// Remove containers
    #[command(visible_alias = "remove")]
    Rm(RmArgs),
    /// Run a command in a new container
    Run(Box<RunArgs>),
    /// Start containers that do not run
    Start(StartArgs),
    /// Show what containers use
    Stats(StatsArgs),
    /// Stop containers
    Stop(StopArgs),
    /// Show the processes of a container
    Top(TopArgs),
    /// Let the processes of containers go on
    Unpause(PauseArgs),
    /// Change limits and restart policies of containers
    Update(Box<UpdateArgs>),
    /// Wait for containers to end and print their exit codes
    Wait(WaitArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SystemInstallArgs {
    /// Directory of the unit
    #[arg(long, value_name = "DIR", default_value = "/etc/systemd/system")]
    pub(crate) unit_dir: PathBuf,
    /// Print the unit instead of writing it
    #[arg(long)]
    pub(crate) print: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SystemStartArgs {}

#[derive(Debug, ClapArgs)]
pub(crate) struct SystemStatusArgs {
    /// `json` or a template
    #[arg(short, long)]
    pub(crate) format: Option<String>,
}
