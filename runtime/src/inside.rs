//! Looking into a container that runs: its files, its processes, what it uses.
use std::path::PathBuf;

use sys::RootDir;

use crate::cgroup::Usage;
use crate::containers::{Container, ProcessName};
use crate::engine::EngineId;
use crate::error::RuntimeError;
use crate::exec::Room;
use crate::spec::UserIds;
use crate::user_namespace::acting_as;
use crate::zygote::message::StepError;

fn first_process(container: &Container) -> Result<ProcessName, RuntimeError> {
    let not_running = || RuntimeError::NotRunning { id: container.short_id().to_owned() };
    container.state.process.filter(|process| process.is_alive()).ok_or_else(not_running)
}

/// Its root as its processes see it, mounts included. Paths below it lead nowhere else.
pub(crate) fn root_of(container: &Container) -> Result<RootDir, RuntimeError> {
    let process = first_process(container)?;
    let path = PathBuf::from(format!("/proc/{}/root", process.pid));
    let root = RootDir::open(&path);
    // Only now is the number known to be that of the process which is meant.
    first_process(container)?;
    root.map_err(|source| RuntimeError::Read { path, source: source.into() })
}

/// Does something with that root. With users of its own, what is made there is their root's, as far as this thread makes
/// it, and owners are seen as they are outside: see [`ContainerSpec::user_namespace`].
///
/// [`ContainerSpec::user_namespace`]: crate::ContainerSpec::user_namespace
pub fn with_root_of<T>(
    container: &Container,
    act: impl FnOnce(&RootDir) -> T,
) -> Result<T, RuntimeError> {
    let root = root_of(container)?;
    let ids = container.definition.spec.user_namespace.as_ref();
    match ids.and_then(UserIds::root) {
        None => Ok(act(&root)),
        Some(own) => acting_as(own, || act(&root)).map_err(failed(container)),
    }
}

/// What its cgroups have counted.
pub fn usage_of(engine: &EngineId, container: &Container) -> Result<Usage, RuntimeError> {
    Ok(room(engine, container)?.leaf.usage())
}

/// All its processes, by their numbers on the host.
pub fn processes_of(engine: &EngineId, container: &Container) -> Result<Vec<i32>, RuntimeError> {
    Ok(room(engine, container)?.leaf.processes())
}

fn room(engine: &EngineId, container: &Container) -> Result<Room, RuntimeError> {
    first_process(container)?;
    Room::of(engine, container).map_err(failed(container))
}

fn failed(container: &Container) -> impl Fn(StepError) -> RuntimeError {
    |error| RuntimeError::Start {
        id: container.short_id().to_owned(),
        step: error.step,
        cause: error.cause,
        failure: error.failure,
    }
}
