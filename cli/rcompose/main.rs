//! `rcompose`: runs compose stacks. Not built yet; it says so instead of pretending.

use std::process::ExitCode;

use clap::Parser;
use cli::Exit;
use cli::report::{self, Report};

/// Runs compose stacks, without a daemon. Not built yet.
#[derive(Debug, Parser)]
#[command(name = "rcompose", version)]
struct Args {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    words: Vec<String>,
}

fn main() -> ExitCode {
    match Args::try_parse() {
        Ok(_) => {
            Report::error("rcompose is not built yet")
                .hint("`rbuild` builds and runs single images")
                .print();
            Exit::Failure.into()
        }
        Err(err) => report::usage(&err).into(),
    }
}
