//! The arguments of `store`.

use clap::{Args as ClapArgs, Subcommand};

#[derive(Debug, ClapArgs)]
pub(crate) struct StoreArgs {
    #[command(subcommand)]
    pub(crate) command: StoreCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Recompute every digest and size in the store
    Check(StoreCheckArgs),
}

/// Of `store check` and of `system check`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Ends with 0 if nothing is wrong (any more), with 1 if something is, or an image is lost."
)]
pub(crate) struct StoreCheckArgs {
    /// Remove what can be made again, make damaged layers again where another form of them is there, and move
    /// what is left of lost images to `damaged/` in the store
    #[arg(long)]
    pub(crate) repair: bool,
}
