//! Starting and ending containers, and waiting for their end.

use std::time::Duration;

use runtime::containers::{Container, ContainerError, Containers};
use runtime::shim::{Connection, NewShim, ShimOrder};
use runtime::{ProcessView, RuntimeError};

use crate::Result;

const KILL: i32 = 9;

/// Longer than the kernel takes to end what was killed, unless a disk or a server of files does not answer.
const KILL_TAKES: Duration = Duration::from_secs(10);

/// Starts a container that does not run. Before any thread exists.
///
/// A shim may be at work with it, whose command was killed, say: what comes of that is waited for.
pub fn start(containers: &Containers, container: &Container) -> Result<()> {
    let container = at_rest_or_alive(containers, container)?;
    if container.state.status.is_alive() {
        return Ok(());
    }
    match fork_shim(containers, &container)?.begin((0, 0)) {
        Ok(_) => Ok(()),
        Err(RuntimeError::ShimRefused { .. }) => start_after_another(containers, &container),
        Err(error) => Err(error.into()),
    }
}

/// Somebody has come first: who has started it, or who has held it for a moment and lets go again.
fn start_after_another(containers: &Containers, container: &Container) -> Result<()> {
    let container = at_rest_or_alive(containers, &containers.read(container.id())?)?;
    if container.state.status.is_alive() {
        return Ok(());
    }
    fork_shim(containers, &container)?.begin((0, 0))?;
    Ok(())
}

/// Waits for a shim that starts or ends the container.
pub fn at_rest_or_alive(containers: &Containers, container: &Container) -> Result<Container> {
    let gone = || ContainerError::NotFound { text: container.short_id().to_owned() };
    Ok(containers.settled(container.clone())?.ok_or_else(gone)?)
}

/// A shim for a container that exists. Before any thread exists.
pub fn fork_shim(containers: &Containers, container: &Container) -> Result<NewShim> {
    let (root, state) = (containers.root(), containers.state_directory());
    let spec = &container.definition.spec;
    let (id, processes) = (container.id(), ProcessView::needed_by(spec));
    let order = ShimOrder { root, state, id, processes, traced: false, usual: None, main: None };
    let shim = NewShim::fork(order)?;
    runtime::expect_joins(&spec.limits);
    Ok(shim)
}

/// Asks it to end, kills it after `timeout` seconds (-1: never; none: as its definition says), and returns when it has
/// ended. Nothing happens to one that does not run.
pub fn stop(container: &Container, signal: Option<i32>, timeout: Option<i64>) -> Result<()> {
    match Connection::open(container) {
        Ok(connection) => Ok(connection.stop(signal, timeout)?),
        Err(RuntimeError::NotRunning { .. }) => Ok(()),
        // It ended by itself in this moment.
        Err(_) if !container.place.has_shim() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Sends a signal to its first process. SIGKILL ends it, so this returns when it has ended, as docker's does; after ten
/// seconds at the latest.
pub fn kill(container: &Container, signal: i32) -> Result<()> {
    let connection = Connection::open(container)?;
    if signal != KILL {
        return Ok(connection.kill(signal)?);
    }
    connection.watch()?;
    connection.kill(signal)?;
    if connection.says_something_within(KILL_TAKES) {
        // The shim has gone, if not this.
        let _told = connection.ended();
    }
    Ok(())
}

/// Kills it and waits until its shim has gone.
pub fn end(container: &Container) -> Result<()> {
    let Ok(connection) = Connection::open(container) else {
        // It ended by itself in this moment, or its shim has; both leave nothing that runs.
        return Ok(());
    };
    connection.stop(Some(KILL), None)?;
    connection.gone();
    Ok(())
}

/// The exit code: of its next end, or of its last.
pub fn wait(containers: &Containers, container: &Container) -> Result<i32> {
    let watching = Connection::open(container).and_then(|connection| {
        connection.watch()?;
        connection.ended()
    });
    match watching {
        Ok(ended) => Ok(ended.exit_code),
        // It does not run, or has ended in this moment.
        Err(error) => {
            let now = containers.read(container.id())?;
            if now.state.status.is_alive() {
                return Err(error.into());
            }
            Ok(now.state.exit_code)
        }
    }
}
