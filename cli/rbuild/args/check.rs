//! `rbuild check` as typed.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

#[derive(Debug, ClapArgs)]
pub(crate) struct CheckArgs {
    /// Directory with the build context, or `-` for a Dockerfile on stdin
    #[arg(value_name = "PATH | -", default_value = ".")]
    pub(crate) context: PathBuf,
    /// Dockerfile (default: `PATH/Dockerfile`), or `-` for stdin
    #[arg(short, long)]
    pub(crate) file: Option<PathBuf>,
    /// Check only this stage and those it needs (default: all)
    #[arg(long, value_name = "STAGE")]
    pub(crate) target: Option<String>,
    /// Set a build argument; without a value it is taken from the environment
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]")]
    pub(crate) build_args: Vec<String>,
    /// Platforms to check for, separated by commas
    #[arg(long)]
    pub(crate) platform: Option<String>,
    /// Another source: `name=DIR`, `name=oci-layout://DIR` or `name=docker-image://IMAGE`
    #[arg(long = "build-context", value_name = "NAME=SOURCE")]
    pub(crate) build_contexts: Vec<String>,
    /// Fail where BuildKit takes a mistake in silence, instead of warning
    #[arg(long)]
    pub(crate) strict: bool,
    /// Also check what BuildKit does not: downloads into pipes, floating base images and the like
    #[arg(long)]
    pub(crate) extra: bool,
    /// How to print what was found
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: CheckFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckFormat {
    /// For people
    Text,
    /// As `docker build --call check,format=json`
    Json,
    /// SARIF 2.1.0, for code scanners
    Sarif,
}
