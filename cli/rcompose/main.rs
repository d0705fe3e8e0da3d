//! `rcompose`: runs stacks of containers as compose files describe them.

mod args;
mod commands;
mod disk;

use std::process::ExitCode;

use args::Args;
use clap::Parser;
use cli::report;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    match words.split_first() {
        Some((verb, words)) if verb == runtime::shim::VERB => return cli::shim::run(words).into(),
        Some((verb, words)) if verb == cli::networks::VERB => {
            return cli::networks::run_sweep(words).into();
        }
        _ => {}
    }
    let exit = match Args::try_parse() {
        Ok(args) => commands::run(args),
        Err(error) => report::usage(&error),
    };
    exit.into()
}
