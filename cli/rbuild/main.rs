//! `rbuild`: builds OCI images from Dockerfiles and runs them.

mod args;
mod commands;

use std::process::ExitCode;

use args::{Args, ArgsError};
use cli::Exit;
use cli::report::{self, Report};

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    match words.split_first() {
        Some((verb, words)) if verb == runtime::shim::VERB => {
            return cli::shim::run_words(words).into();
        }
        Some((verb, words)) if verb == cli::networks::VERB => {
            return cli::networks::run_sweep(words).into();
        }
        Some((verb, [])) if verb == commands::run::floor::VERB => {
            return commands::run::floor::run().into();
        }
        _ => {}
    }
    if let Some(words) = commands::oci::words(std::env::args_os()) {
        return commands::oci::run(words).into();
    }
    let exit = match Args::parse(std::env::args_os()) {
        Ok(args) => commands::run(args.command),
        Err(ArgsError::Clap(err)) => report::usage(&err),
        Err(ArgsError::Refused(flag)) => {
            Report::error(flag.to_string()).hint(flag.hint()).print();
            Exit::Failure
        }
    };
    exit.into()
}
