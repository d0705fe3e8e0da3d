//! `rcompose`: runs stacks of containers as compose files describe them.

mod args;
mod commands;
mod disk;

use std::process::ExitCode;

use args::Args;
use clap::Parser;
use cli::report;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == runtime::shim::VERB) {
        return cli::shim::run(&words.collect::<Vec<_>>()).into();
    }
    let exit = match Args::try_parse() {
        Ok(args) => commands::run(args),
        Err(error) => report::usage(&error),
    };
    exit.into()
}
