//! `rcompose`: runs stacks of containers as compose files describe them.

mod args;
mod commands;
mod disk;

use std::process::ExitCode;

use args::Args;
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
        Some((verb, _)) if verb == engine::apart::VERB => {
            let done = engine::apart::main();
            return if done { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        _ => {}
    }
    let exit = match Args::read() {
        Ok(Ok(args)) => commands::run(args),
        Ok(Err(flag)) => {
            Report::error(flag.to_string()).hint(flag.hint()).print();
            Exit::Failure
        }
        Err(error) => report::usage(&error),
    };
    exit.into()
}
