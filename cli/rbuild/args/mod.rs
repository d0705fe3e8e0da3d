//! The command line as it was typed. Nothing is looked up or checked against the system here;
//! each command resolves its own arguments into a request.

mod alone;
mod archives;
mod cache;
mod check;
mod confinement;
mod connections;
mod container;
mod image;
mod lifecycle;
mod manifest;
mod network;
mod prune;
mod refused;
mod registry;
mod store;
mod verbs;
mod volume;

use std::ffi::OsString;
use std::path::PathBuf;

use cli::manual::{CompletionArgs, ManualArgs};

use clap::{Args as ClapArgs, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

pub(crate) use archives::{
    ArchiveFormat, ConvertArgs, ExportArgs, FormArgs, ImportArgs, LoadArgs, SaveArgs,
};
pub(crate) use cache::{
    CacheArgs, CacheCommand, CacheExportArgs, CacheImportArgs, CacheLsArgs, CachePruneOrMountsArgs,
};
pub(crate) use check::{CheckArgs, CheckFormat};
pub(crate) use cli::refused::RefusedFlag;
pub(crate) use confinement::{ConfinementArgs, LimitArgs};
pub(crate) use connections::ConnectionArgs;
pub(crate) use container::{ContainerArgs, CreateArgs, RunArgs};
pub(crate) use image::{
    HistoryArgs, ImageArgs, ImageCommand, ImageInspectArgs, ImagesArgs, InspectArgs, ObjectType,
    RmiArgs, TagArgs,
};
pub(crate) use lifecycle::{
    AttachArgs, ContainerCommand, ContainerInspectArgs, ContainerPruneArgs, ExecArgs, KillArgs,
    LifecycleArgs, LogsArgs, ManageArgs, PsArgs, RenameArgs, RmArgs, StartArgs, StopArgs,
    SystemInstallArgs, SystemStartArgs, SystemStatusArgs, WaitArgs,
};
pub(crate) use manifest::{
    DescribedArgs, ManifestAddArgs, ManifestAnnotateArgs, ManifestArgs, ManifestCommand,
    ManifestCreateArgs, ManifestExistsArgs, ManifestInspectArgs, ManifestPushArgs,
    ManifestRemoveArgs, ManifestRmArgs, TrustArgs,
};
pub(crate) use network::{
    GraphForm, NetworkArgs, NetworkCommand, NetworkConnectArgs, NetworkCreateArgs,
    NetworkDisconnectArgs, NetworkInspectArgs, NetworkLsArgs, NetworkPruneArgs, NetworkRmArgs,
    PortArgs,
};
pub(crate) use prune::{
    BuilderArgs, BuilderCommand, CachePruneArgs, ImagePruneArgs, RemoveLeftoversArgs,
    SystemPruneArgs,
};
pub(crate) use registry::{LoginArgs, LogoutArgs, PullArgs, PullPolicy, PushArgs};
pub(crate) use store::{StoreArgs, StoreCheckArgs, StoreCommand};
pub(crate) use verbs::{
    CommitArgs, CpArgs, DiffArgs, EventsArgs, PauseArgs, StatsArgs, TopArgs, UpdateArgs,
};
pub(crate) use volume::{
    VolumeArgs, VolumeCommand, VolumeCreateArgs, VolumeExportArgs, VolumeImportArgs,
    VolumeInspectArgs, VolumeLsArgs, VolumePruneArgs, VolumeRmArgs,
};

/// Builds OCI images from Dockerfiles and runs them, without a daemon.
#[derive(Debug, Parser)]
#[command(name = "rbuild", version, disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Why the command line was not understood.
#[derive(Debug)]
pub(crate) enum ArgsError {
    /// Clap's own error, help and version included.
    Clap(Box<clap::Error>),
    Refused(RefusedFlag),
}

impl Args {
    /// Reads the command line; docker's flags that are not supported yet are refused by name.
    pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Args, ArgsError> {
        let words: Vec<OsString> = words.into_iter().collect();
        match alone::parse(&words) {
            Some(args) => Ok(args),
            None => Args::parse_all(&words),
        }
    }

    fn parse_all(words: &[OsString]) -> Result<Args, ArgsError> {
        let command = refused::declare(Args::command());
        let matches = command.try_get_matches_from(words).map_err(boxed)?;
        if let Some(flag) = refused::find(&matches) {
            return Err(ArgsError::Refused(flag));
        }
        Args::from_arg_matches(&matches).map_err(boxed)
    }
}

fn boxed(error: clap::Error) -> ArgsError {
    ArgsError::Clap(Box::new(error))
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build an image from a Dockerfile
    Build(Box<BuildArgs>),
    /// Look for mistakes in a Dockerfile without building it
    Check(Box<CheckArgs>),
    /// Print the syntax tree of a Dockerfile
    Parse(ParseArgs),
    /// List images
    Images(ImagesArgs),
    /// Show images in full, as JSON
    Inspect(InspectArgs),
    /// Show the steps an image was built by
    History(HistoryArgs),
    /// Give an image another name
    Tag(TagArgs),
    /// Remove images
    Rmi(RmiArgs),
    /// Get images from a registry
    Pull(PullArgs),
    /// Send an image to a registry
    Push(PushArgs),
    /// Log in to a registry
    Login(LoginArgs),
    /// Forget the credentials for a registry
    Logout(LogoutArgs),
    /// Lists of images for several platforms: `create`, `add`, `annotate`, `inspect`, `push`, `remove`, `rm`, `exists`
    Manifest(Box<ManifestArgs>),
    /// Load images from an archive
    Load(LoadArgs),
    /// Save images to an archive
    Save(SaveArgs),
    /// Make an image of a tar archive of a root filesystem
    Import(ImportArgs),
    /// Convert images between archives, directories and the store
    Convert(ConvertArgs),
    /// Write the files of a container, or of an image, as a tar archive
    Export(ExportArgs),
    /// Run a command in a new container
    Run(Box<RunArgs>),
    /// Make a container without starting it
    Create(Box<CreateArgs>),
    /// Start containers that do not run
    Start(StartArgs),
    /// Stop containers
    Stop(StopArgs),
    /// Stop containers and start them again
    Restart(StopArgs),
    /// Send containers a signal
    Kill(KillArgs),
    /// Remove containers
    Rm(RmArgs),
    /// List containers
    Ps(PsArgs),
    /// Show what a container has written
    Logs(LogsArgs),
    /// Run another program in a container
    Exec(Box<ExecArgs>),
    /// Wait for containers to end and print their exit codes
    Wait(WaitArgs),
    /// Attach to a container that runs
    Attach(AttachArgs),
    /// Give a container another name
    Rename(RenameArgs),
    /// Let all processes of containers stand still
    Pause(PauseArgs),
    /// Let the processes of containers go on
    Unpause(PauseArgs),
    /// Change limits and restart policies of containers
    Update(Box<UpdateArgs>),
    /// Show the processes of a container
    Top(TopArgs),
    /// Show what containers use
    Stats(StatsArgs),
    /// Copy files between a container and this machine
    Cp(CpArgs),
    /// Show what a container has changed of its image
    Diff(DiffArgs),
    /// Make an image of a container
    Commit(CommitArgs),
    /// Networks: `create`, `ls`, `inspect`, `connect`, `disconnect`, `rm`, `prune`, `reload`, `rules`
    Network(NetworkArgs),
    /// Show the published ports of a container
    Port(PortArgs),
    /// Show what happens to containers, images, networks and volumes, as it happens
    Events(EventsArgs),
    /// Volumes: `create`, `ls`, `inspect`, `rm`, `prune`, `export`, `import`
    Volume(VolumeArgs),
    /// Everything about containers: `ls`, `inspect`, `rm` and the rest
    Container(ManageArgs),
    /// What the build cache holds; cache mounts by their IDs
    Cache(CacheArgs),
    /// The build cache (`cache prune`, as docker calls it)
    Builder(BuilderArgs),
    /// Everything about images: `ls`, `inspect`, `rm` and the rest
    Image(ImageArgs),
    /// The store as a whole
    System(SystemArgs),
    /// Show how much space what takes (`system df`)
    Df(DfArgs),
    /// Remove what is not used (`system prune`)
    Prune(SystemPruneArgs),
    /// Show this machine and the store
    Info(InfoArgs),
    /// The directory with images, layers and cache
    Store(StoreArgs),
    /// Show the version
    Version(VersionArgs),
    /// Print a script that completes commands and flags in a shell
    Completion(CompletionArgs),
    /// Write the manual pages, one for each command
    Man(ManualArgs),
}

#[derive(Debug, Default, ClapArgs)]
pub(crate) struct BuildArgs {
    /// Build context: a directory, a tar archive, a git repository (`URL#REF:DIR`), an http(s) URL of an archive or a
    /// Dockerfile, or `-` for one of them on stdin
    #[arg(value_name = "PATH | URL | -")]
    pub(crate) context: PathBuf,
    /// Dockerfile (default: `PATH/Dockerfile`), or `-` for stdin
    #[arg(short, long)]
    pub(crate) file: Option<PathBuf>,
    /// Name the image (`name:tag`); may be repeated
    #[arg(short, long, value_name = "NAME")]
    pub(crate) tag: Vec<String>,
    /// Stage to build (default: the last one)
    #[arg(long, value_name = "STAGE")]
    pub(crate) target: Option<String>,
    /// Set a build argument; without a value it is taken from the environment
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]")]
    pub(crate) build_args: Vec<String>,
    /// Add a label to the image
    #[arg(long = "label", value_name = "NAME=VALUE")]
    pub(crate) labels: Vec<String>,
    /// Platforms to build for, separated by commas; RUN for another processor needs an interpreter in binfmt_misc
    #[arg(long)]
    pub(crate) platform: Option<String>,
    /// Do not use the cache
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Do not use the cache for these stages
    #[arg(long, value_name = "STAGE", value_delimiter = ',')]
    pub(crate) no_cache_filter: Vec<String>,
    /// Ask a cache in a registry, or an image with its cache in it, for what this store does not have: `type=registry,ref=NAME`, or `NAME`
    #[arg(long, value_name = "SPEC")]
    pub(crate) cache_from: Vec<String>,
    /// Send the cache of this build to a registry: `type=registry,ref=NAME[,mode=min|max]`; or put it into the image: `type=inline`
    #[arg(long, value_name = "SPEC")]
    pub(crate) cache_to: Vec<String>,
    /// Tell for every step whether the cache had it, and why or why not
    #[arg(long)]
    pub(crate) explain: bool,
    /// Bring the cache within this size afterwards: `20g`, `15%` of the disk, `off` (default: $RBUILD_CACHE_CAP)
    #[arg(long, value_name = "SIZE")]
    pub(crate) cache_max_size: Option<String>,
    /// Forget afterwards what the cache has and nobody used for so long: `1440h`, `off` (default: $RBUILD_CACHE_AGE)
    #[arg(long, value_name = "TIME")]
    pub(crate) cache_max_age: Option<String>,
    /// How to show progress (default: $BUILDKIT_PROGRESS, else auto)
    #[arg(long, value_name = "MODE")]
    pub(crate) progress: Option<ProgressMode>,
    /// Give RUN steps a secret: `id=ID[,src=FILE|env=NAME]`
    #[arg(long = "secret", value_name = "SPEC")]
    pub(crate) secrets: Vec<String>,
    /// Let RUN steps use the keys of an ssh agent (default: that of $SSH_AUTH_SOCK)
    #[arg(long, value_name = "ID[=SOCKET]")]
    pub(crate) ssh: Vec<String>,
    /// Add a line to /etc/hosts of RUN steps
    #[arg(long = "add-host", value_name = "HOST:IP")]
    pub(crate) add_hosts: Vec<String>,
    /// Network of RUN steps: `default` (one of the builds' own, behind NAT, unless $RBUILD_NETWORK says otherwise), `host` or `none`
    #[arg(long, value_name = "MODE")]
    pub(crate) network: Option<String>,
    /// Let RUN steps ask for more: `network.host`, `security.insecure`
    #[arg(long, value_name = "ENTITLEMENT")]
    pub(crate) allow: Vec<String>,
    /// Size of /dev/shm in RUN steps
    #[arg(long, value_name = "BYTES")]
    pub(crate) shm_size: Option<String>,
    /// Limits of RUN steps: `name=soft[:hard]`
    #[arg(long = "ulimit", value_name = "LIMIT")]
    pub(crate) ulimits: Vec<String>,
    /// Another source: `name=DIR`, `name=ARCHIVE`, `name=URL` (an archive or a git repository), `name=oci-layout://DIR` or
    /// `name=docker-image://IMAGE`
    #[arg(long = "build-context", value_name = "NAME=SOURCE")]
    pub(crate) build_contexts: Vec<String>,
    /// Write the image ID to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) iidfile: Option<PathBuf>,
    /// Write what was built to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) metadata_file: Option<PathBuf>,
    /// Has no effect: images always go into the store
    #[arg(long, num_args = 0..=1, require_equals = true, value_name = "BOOL")]
    pub(crate) load: Option<Option<bool>>,
    /// Ask the registries for newer versions of all images
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) pull: Option<bool>,
    /// Push the image to the registries of its names, as `--output type=registry` does
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) push: Option<bool>,
    /// Has no effect: signatures of docker's content trust are not looked at
    #[arg(long, num_args = 0..=1, require_equals = true, hide = true)]
    pub(crate) disable_content_trust: Option<Option<bool>>,
    /// `--tls-verify=false`: take any certificate of a registry, and plain HTTP where there is no TLS
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) tls_verify: Option<bool>,
    /// Also write the result: `type=oci|docker|tar|local[,dest=PATH]`, or push it: `type=registry`
    #[arg(short, long = "output", value_name = "SPEC")]
    pub(crate) outputs: Vec<String>,
    #[command(flatten)]
    pub(crate) form: FormArgs,
    /// Show no progress, print the image ID
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Has no effect: no step leaves a container behind
    #[arg(long, num_args = 0..=1, require_equals = true, hide = true)]
    pub(crate) rm: Option<Option<bool>>,
    /// Has no effect: no step leaves a container behind
    #[arg(long, num_args = 0..=1, require_equals = true, hide = true)]
    pub(crate) force_rm: Option<Option<bool>>,
    /// Same inputs, same image: as with SOURCE_DATE_EPOCH=0, unless it or the Dockerfile says otherwise
    #[arg(long)]
    pub(crate) reproducible: bool,
    /// Fail where BuildKit takes a mistake in silence, instead of warning
    #[arg(long)]
    pub(crate) strict: bool,
    /// Only look for mistakes in the Dockerfile, as `rbuild check` does
    #[arg(long, num_args = 0..=1, require_equals = true, value_name = "BOOL")]
    pub(crate) check: Option<Option<bool>>,
    /// What to do: `build`, `check[,format=text|json|sarif]`, `outline[,format=text|json]`, `targets[,format=text|json]`
    #[arg(long, value_name = "METHOD")]
    pub(crate) call: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressMode {
    /// `tty` when stderr is a terminal, else `plain`
    Auto,
    /// Live, rewriting its lines
    Tty,
    /// A line for each event
    Plain,
    /// Only errors
    Quiet,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ParseArgs {
    /// Dockerfile, or `-` for stdin
    pub(crate) file: PathBuf,
    #[arg(long, value_enum, default_value = "json")]
    pub(crate) format: TreeFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TreeFormat {
    /// The syntax tree with the position of every part
    Json,
    /// One line for each instruction, as BuildKit's parser dumps it
    Sexpr,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SystemArgs {
    #[command(subcommand)]
    pub(crate) command: SystemCommand,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct InfoArgs {
    /// `json` or a template
    #[arg(short, long)]
    pub(crate) format: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DfArgs {
    /// Every image with what it shares and has alone, and every entry of the build cache
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// `table`, `table TEMPLATE`, `json` (an object a line) or a template for each line; with `--verbose` `json` or a
    /// template for everything
    #[arg(long)]
    pub(crate) format: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct VersionArgs {
    /// `json` or a template
    #[arg(short, long)]
    pub(crate) format: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SystemCommand {
    /// Recompute every digest and size in the store, as `rbuild store check` does
    Check(StoreCheckArgs),
    /// Show how much space what takes
    Df(DfArgs),
    /// Show what happens to containers, images, networks and volumes, as it happens
    Events(EventsArgs),
    /// Show this machine and the store
    Info(InfoArgs),
    /// Start at boot what is to run then: write a unit for systemd
    Install(SystemInstallArgs),
    /// Remove what is not used: images without names, the build cache
    Prune(SystemPruneArgs),
    /// Start the containers whose restart policy says so; for the boot of the machine
    Start(SystemStartArgs),
    /// Show which containers run, and which wait for `system start`
    Status(SystemStatusArgs),
    /// Wait until the bytes of everything that was removed are gone and what was made is on the disk, which else happens in the background
    RemoveLeftovers(RemoveLeftoversArgs),
}
