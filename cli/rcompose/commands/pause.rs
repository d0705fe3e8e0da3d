//! `rcompose pause` and `unpause`

use anyhow::{Result, anyhow};
use cli::{Exit, report};
use runtime::RuntimeError;
use runtime::containers::Status;
use runtime::shim::Connection;

use super::stack::{Call, of_services};
use crate::args::ServicesArgs;

pub(super) fn pause(args: &ServicesArgs, call: Call<'_>) -> Result<Exit> {
    each(args, call, Status::Running, ("pause", "Paused", "already paused"), &Connection::pause)
}

pub(super) fn unpause(args: &ServicesArgs, call: Call<'_>) -> Result<Exit> {
    each(args, call, Status::Paused, ("unpause", "Unpaused", "not paused"), &Connection::unpause)
}

/// Those that are named and in another state are refused once the others are done; those that do not run are nobody's
/// concern.
fn each(
    args: &ServicesArgs,
    call: Call<'_>,
    from: Status,
    (verb, done, odd): (&str, &str, &str),
    act: &dyn Fn(&Connection) -> Result<(), RuntimeError>,
) -> Result<Exit> {
    let host = call.host()?;
    let project = call.project_or_remains(&host)?;
    let mut failure = None;
    for member in of_services(&host, &project, &args.services)? {
        let name = member.name();
        let status = member.container.state.status;
        if status == from && !call.manner.dry_run {
            act(&Connection::open(&member.container)?)?;
            report::print(&format!(" Container {name}  {done}"));
        } else if !args.services.is_empty() && member.is_alive() && status != from {
            let error = anyhow!("cannot {verb} container {name}: it is {odd}");
            failure = failure.or(Some(error));
        }
    }
    match failure {
        Some(error) => Err(error),
        None => Ok(Exit::Success),
    }
}
