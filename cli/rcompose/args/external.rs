//! `rcompose external`

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct ExternalArgs {
    #[command(subcommand)]
    pub(crate) command: ExternalCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ExternalCommand {
    /// Keep a config or secret that projects can use as `external`
    Create {
        kind: Kind,
        name: String,
        /// Where its content is; `-` for standard input
        file: PathBuf,
    },
    /// List them
    Ls,
    /// Remove one; containers keep what they have of it
    Rm { kind: Kind, name: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Config,
    Secret,
}
