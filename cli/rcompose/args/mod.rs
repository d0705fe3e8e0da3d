//! The command line as it was typed.

mod check;
mod config;
mod external;
mod graph;
mod lifecycle;
mod live;
mod look;
mod refused;
mod up;

use clap::{
    ArgAction, Args as ClapArgs, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum,
};
use cli::manual::{CompletionArgs, ManualArgs};
use cli::refused::RefusedFlag;

pub(crate) use check::{CheckArgs, CheckFormat};
pub(crate) use config::{ConfigArgs, DocumentFormat, Listing};
pub(crate) use external::{ExternalArgs, ExternalCommand, Kind};
pub(crate) use graph::{GraphArgs, GraphFormat};
pub(crate) use lifecycle::{
    AttachArgs, ExecArgs, KillArgs, RestartArgs, RmArgs, ScaleArgs, ServicesArgs, StartArgs,
    StopArgs, WaitArgs,
};
pub(crate) use live::{CpArgs, EventsArgs, StatsArgs, VersionArgs, WatchArgs};
pub(crate) use look::{
    BuildArgs, CommitArgs, ExportArgs, ImagesArgs, LogsArgs, LsArgs, PortArgs, PsArgs, VolumesArgs,
};
pub(crate) use up::{
    CreateArgs, DownArgs, MakeArgs, PullArgs, PushArgs, RemovedImages, RunArgs, UpArgs,
};

/// Runs stacks of containers as compose files describe them.
#[derive(Debug, Parser)]
#[command(
    name = "rcompose",
    version,
    disable_version_flag = true,
    disable_help_subcommand = true,
    args_override_self = true
)]
pub(crate) struct Args {
    /// Print the version
    #[arg(short = 'v', short_alias = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
    #[command(flatten)]
    pub(crate) project: ProjectArgs,
    #[command(flatten)]
    pub(crate) manner: MannerArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Args {
    /// Reads the command line. A flag that cannot be honoured comes back by its name.
    pub(crate) fn read() -> Result<Result<Args, RefusedFlag>, clap::Error> {
        let matches = refused::declare(Args::command()).try_get_matches()?;
        if let Some(flag) = refused::find(&matches) {
            return Ok(Err(flag));
        }
        Args::from_arg_matches(&matches).map(Ok)
    }
}

/// How commands that change something go about it.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct MannerArgs {
    /// Say what would be done, and do nothing
    #[arg(long, global = true)]
    pub(crate) dry_run: bool,
    /// Steps that work at once; -1 for the default
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) parallel: Option<i64>,
    /// How progress is shown
    #[arg(long, value_name = "MODE")]
    pub(crate) progress: Option<ProgressMode>,
    /// When to use colours and to rewrite lines
    #[arg(long, value_name = "WHEN")]
    pub(crate) ansi: Option<AnsiMode>,
    /// As `--ansi never`
    #[arg(long, hide = true)]
    pub(crate) no_ansi: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressMode {
    Auto,
    Tty,
    Plain,
    Json,
    Quiet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AnsiMode {
    Never,
    Always,
    Auto,
}

/// Which project is meant.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct ProjectArgs {
    /// Compose file, later ones over earlier ones; `-` for standard input
    #[arg(short, long = "file", value_name = "FILE", allow_hyphen_values = true)]
    pub(crate) files: Vec<String>,
    /// Project name
    #[arg(short, long, value_name = "NAME")]
    pub(crate) project_name: Option<String>,
    /// Directory that relative paths start from; by default that of the first compose file
    #[arg(long, value_name = "DIR", alias = "workdir")]
    pub(crate) project_directory: Option<String>,
    /// File with variables, instead of `.env`
    #[arg(long = "env-file", value_name = "FILE")]
    pub(crate) env_files: Vec<String>,
    /// Profile to enable; `*` for all
    #[arg(long = "profile", value_name = "NAME")]
    pub(crate) profiles: Vec<String>,
    /// Keep networks, volumes and the like that no service uses
    #[arg(long)]
    pub(crate) all_resources: bool,
    /// As the old docker-compose: `_` in the names of containers; implies `config --no-normalize`
    #[arg(long)]
    pub(crate) compatibility: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make and start containers
    Up(Box<UpArgs>),
    /// Stop and remove containers, and what was made for them
    Down(DownArgs),
    /// Make containers without starting them
    Create(CreateArgs),
    /// Start containers that exist
    Start(StartArgs),
    /// Stop containers without removing them
    Stop(StopArgs),
    /// Stop and start containers
    Restart(RestartArgs),
    /// Send a signal to containers
    Kill(KillArgs),
    /// Remove containers that do not run
    Rm(RmArgs),
    /// List containers
    Ps(PsArgs),
    /// List projects
    Ls(LsArgs),
    /// Show what containers wrote
    Logs(LogsArgs),
    /// Run another program in a container
    Exec(ExecArgs),
    /// Run a program in a new container of a service
    Run(Box<RunArgs>),
    /// Attach to a container
    Attach(AttachArgs),
    /// Wait until containers end
    Wait(WaitArgs),
    /// Set the number of containers
    Scale(ScaleArgs),
    /// List images of containers
    Images(ImagesArgs),
    /// Let containers stand still
    Pause(ServicesArgs),
    /// Let them go on
    Unpause(ServicesArgs),
    /// Show the processes of containers
    Top(ServicesArgs),
    /// Show where a port is published
    Port(PortArgs),
    /// List volumes
    Volumes(VolumesArgs),
    /// Show what happens to containers
    Events(EventsArgs),
    /// Show what containers use of the machine
    Stats(StatsArgs),
    /// Copy files between containers and here
    Cp(CpArgs),
    /// Bring what changes in the files here into the containers
    Watch(WatchArgs),
    /// Build images of services
    Build(BuildArgs),
    /// Bring images of services from their registries
    Pull(PullArgs),
    /// Send images of services to their registries
    Push(PushArgs),
    /// Write the files of a container as an archive
    Export(ExportArgs),
    /// Make an image of a container
    Commit(CommitArgs),
    /// Configs and secrets that no project owns
    External(ExternalArgs),
    /// Show the project as it was understood
    #[command(alias = "convert")]
    Config(Box<ConfigArgs>),
    /// Look for mistakes that do not keep the project from loading
    Check(CheckArgs),
    /// Draw services, what they depend on, networks, volumes and ports
    Graph(GraphArgs),
    /// Show the version
    Version(VersionArgs),
    /// Print a script that completes commands and flags in a shell
    Completion(CompletionArgs),
    /// Write the manual pages, one for each command
    Man(ManualArgs),
    #[command(external_subcommand)]
    Other(Vec<String>),
}
