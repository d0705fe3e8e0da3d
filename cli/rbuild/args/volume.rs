//! The command lines about volumes.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

#[derive(Debug, ClapArgs)]
pub(crate) struct VolumeArgs {
    #[command(subcommand)]
    pub(crate) command: VolumeCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum VolumeCommand {
    /// Make a volume and print its name
    Create(Box<VolumeCreateArgs>),
    /// Write the files of a volume as a tar archive
    Export(VolumeExportArgs),
    /// Unpack a tar archive into a volume
    Import(VolumeImportArgs),
    /// Show volumes in full, as JSON
    Inspect(VolumeInspectArgs),
    /// List volumes
    #[command(visible_alias = "list")]
    Ls(VolumeLsArgs),
    /// Remove volumes without a name that no container has
    Prune(VolumePruneArgs),
    /// Remove volumes
    #[command(visible_alias = "remove")]
    Rm(VolumeRmArgs),
    #[command(hide = true)]
    Update(VolumeUpdateArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct VolumeCreateArgs {
    /// Name (default: a random one, and the volume counts as anonymous)
    #[arg(value_name = "VOLUME")]
    pub(crate) name: Option<String>,
    /// Who keeps it: `local`
    #[arg(short, long, default_value = "local", value_name = "DRIVER")]
    pub(crate) driver: String,
    /// Add a label
    #[arg(long = "label", value_name = "NAME[=VALUE]")]
    pub(crate) labels: Vec<String>,
    /// Where its files are: `type=KIND`, `o=OPTIONS`, `device=DEVICE`, as of `mount`
    #[arg(short, long = "opt", value_name = "NAME=VALUE")]
    pub(crate) options: Vec<String>,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
}

/// What docker knows of volumes of a swarm: refused by name.
#[derive(Debug, Default, ClapArgs)]
pub(crate) struct ClusterArgs {
    #[arg(long, hide = true)]
    availability: Option<String>,
    #[arg(long, hide = true)]
    group: Option<String>,
    #[arg(long, hide = true)]
    limit_bytes: Option<String>,
    #[arg(long, hide = true)]
    required_bytes: Option<String>,
    #[arg(long, hide = true)]
    scope: Option<String>,
    #[arg(long, hide = true)]
    secret: Vec<String>,
    #[arg(long, hide = true)]
    sharing: Option<String>,
    #[arg(long, hide = true)]
    topology_preferred: Vec<String>,
    #[arg(long, hide = true)]
    topology_required: Vec<String>,
    #[arg(long = "type", hide = true)]
    kind: Option<String>,
}

impl ClusterArgs {
    /// The first of them that was given.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let flags = [
            ("--availability", self.availability.is_some()),
            ("--group", self.group.is_some()),
            ("--limit-bytes", self.limit_bytes.is_some()),
            ("--required-bytes", self.required_bytes.is_some()),
            ("--scope", self.scope.is_some()),
            ("--secret", !self.secret.is_empty()),
            ("--sharing", self.sharing.is_some()),
            ("--topology-preferred", !self.topology_preferred.is_empty()),
            ("--topology-required", !self.topology_required.is_empty()),
            ("--type", self.kind.is_some()),
        ];
        flags.into_iter().find(|(_, given)| *given).map(|(flag, _)| flag)
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct VolumeExportArgs {
    #[arg(value_name = "VOLUME")]
    pub(crate) name: String,
    /// Tar archive; `-` or nothing for stdout
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct VolumeImportArgs {
    /// Made if it does not exist
    #[arg(value_name = "VOLUME")]
    pub(crate) name: String,
    /// Tar archive, compressed or not, or `-` for stdin
    #[arg(value_name = "FILE", default_value = "-")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct VolumeInspectArgs {
    /// `json` or a template
    #[arg(short, long)]
    pub(crate) format: Option<String>,
    #[arg(required = true, value_name = "VOLUME")]
    pub(crate) volumes: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct VolumeLsArgs {
    /// Only those that fit: `dangling=true|false`, `driver=`, `label=NAME[=VALUE]`, `name=`
    #[arg(short, long = "filter", value_name = "FILTER")]
    pub(crate) filters: Vec<String>,
    /// `table`, `table TEMPLATE`, `json` (an object a line) or a template for each line
    #[arg(long)]
    pub(crate) format: Option<String>,
    /// Names only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Those of a swarm: refused by name
    #[arg(long, hide = true)]
    pub(crate) cluster: bool,
}

/// Only volumes of a swarm can be changed.
#[derive(Debug, ClapArgs)]
pub(crate) struct VolumeUpdateArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    _all: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct VolumePruneArgs {
    /// Also those with names
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Only those that fit: `label=NAME[=VALUE]`, `label!=NAME[=VALUE]`, `all=true`
    #[arg(long = "filter", value_name = "FILTER")]
    pub(crate) filters: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) force: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct VolumeRmArgs {
    /// Do not mind those that do not exist
    #[arg(short, long)]
    pub(crate) force: bool,
    #[arg(required = true, value_name = "VOLUME")]
    pub(crate) volumes: Vec<String>,
}
