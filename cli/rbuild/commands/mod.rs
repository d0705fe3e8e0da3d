//! One file for each command: resolves the arguments, calls a library, shows the result.

mod version;

use cli::Exit;
use cli::report::Report;

use crate::args::Command;

/// Runs a command; a failure is reported here.
pub(crate) fn run(command: Command) -> Exit {
    let result = match command {
        Command::Version => version::run(),
        _ => Err(anyhow::anyhow!("not connected yet")),
    };
    result.unwrap_or_else(|err| {
        Report::of(err.as_ref()).print();
        Exit::Failure
    })
}
