//! `rbuild wait`

use anyhow::Result;
use cli::environment::Environment;
use cli::{Exit, output};
use runtime::containers::Containers;
use runtime::shim::Connection;

use super::{for_each, open};
use crate::args::WaitArgs;

pub(crate) fn run(args: &WaitArgs, environment: &Environment) -> Result<Exit> {
    let (_store, containers) = open(environment)?;
    Ok(for_each(&args.containers, |text| Ok(output::line(&wait_for(&containers, text)?)?)))
}

/// The exit code: of its next end, or of its last.
fn wait_for(containers: &Containers, text: &str) -> Result<String> {
    let container = containers.find(text)?;
    let watching = Connection::open(&container).and_then(|connection| {
        connection.watch()?;
        connection.ended()
    });
    match watching {
        Ok(ended) => Ok(ended.exit_code.to_string()),
        // It does not run, or has ended in this moment.
        Err(error) => {
            let now = containers.read(container.id())?;
            if now.state.status.is_alive() {
                return Err(error.into());
            }
            Ok(now.state.exit_code.to_string())
        }
    }
}
