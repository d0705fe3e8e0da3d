//! `rcompose`: reads compose files. Stacks are not run yet; commands that would are refused by name.

mod args;
mod commands;
mod disk;

use std::process::ExitCode;

use args::Args;
use clap::Parser;
use cli::report;

fn main() -> ExitCode {
    let exit = match Args::try_parse() {
        Ok(args) => commands::run(args),
        Err(error) => report::usage(&error),
    };
    exit.into()
}
