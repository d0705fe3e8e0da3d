//! The command line as it was typed.

mod check;
mod config;
mod graph;

use clap::{Args as ClapArgs, Parser, Subcommand};

pub(crate) use check::{CheckArgs, CheckFormat};
pub(crate) use config::{ConfigArgs, DocumentFormat, Listing};
pub(crate) use graph::{GraphArgs, GraphFormat};

/// Reads, checks and shows compose files.
#[derive(Debug, Parser)]
#[command(name = "rcompose", version, disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) project: ProjectArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
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
    /// As the old docker-compose: implies `config --no-normalize`
    #[arg(long)]
    pub(crate) compatibility: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the project as it was understood
    #[command(alias = "convert")]
    Config(Box<ConfigArgs>),
    /// Look for mistakes that do not keep the project from loading
    Check(CheckArgs),
    /// Draw services, what they depend on, networks, volumes and ports
    Graph(GraphArgs),
    /// Show the version
    Version,
    #[command(external_subcommand)]
    Other(Vec<String>),
}
