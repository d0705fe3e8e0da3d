//! `rcompose config`

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct ConfigArgs {
    /// Only these services and what they depend on
    #[arg(value_name = "SERVICE")]
    pub(crate) services_wanted: Vec<String>,
    /// Form of the output
    #[arg(long, value_enum)]
    pub(crate) format: Option<DocumentFormat>,
    /// Write to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Only check; print nothing
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Leave variables as they are written
    #[arg(long)]
    pub(crate) no_interpolate: bool,
    /// Add no defaults
    #[arg(long)]
    pub(crate) no_normalize: bool,
    /// Leave relative paths relative
    #[arg(long)]
    pub(crate) no_path_resolution: bool,
    /// Do not check references between services and resources
    #[arg(long)]
    pub(crate) no_consistency: bool,
    /// Do not read env files of services
    #[arg(long)]
    pub(crate) no_env_resolution: bool,
    /// Replace tags of images by digests
    #[arg(long)]
    pub(crate) resolve_image_digests: bool,
    /// Print an override file with the digests of images
    #[arg(long)]
    pub(crate) lock_image_digests: bool,
    #[command(flatten)]
    pub(crate) listing: Listing,
}

/// What to list instead of the project.
#[derive(Clone, Debug, Default, ClapArgs)]
#[group(multiple = false)]
pub(crate) struct Listing {
    /// Names of services
    #[arg(long)]
    pub(crate) services: bool,
    /// Names of images
    #[arg(long)]
    pub(crate) images: bool,
    /// Names of volumes
    #[arg(long)]
    pub(crate) volumes: bool,
    /// Names of networks
    #[arg(long)]
    pub(crate) networks: bool,
    /// Names of models
    #[arg(long)]
    pub(crate) models: bool,
    /// Names of profiles
    #[arg(long)]
    pub(crate) profiles: bool,
    /// Compose's hash of services: `*`, or names with commas
    #[arg(long, value_name = "SERVICES")]
    pub(crate) hash: Option<String>,
    /// Variables that the files ask for
    #[arg(long)]
    pub(crate) variables: bool,
    /// Variables that are there to replace them
    #[arg(long)]
    pub(crate) environment: bool,
    /// Attributes of the project that rcompose does not honour yet
    #[arg(long)]
    pub(crate) unsupported: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DocumentFormat {
    Yaml,
    Json,
}
