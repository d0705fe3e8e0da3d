//! Another program in a container that runs.

use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;

use runtime::containers::{Container, Containers, Status};
use runtime::events::Event;
use runtime::{CapabilitySet, ContainerSpec, EngineId, Execution, NetworkMode, Seccomp, Stdio};
use serde::{Deserialize, Serialize};
use store::Store;

use crate::names;
use crate::networks::networks_of;
use crate::request::{Variable, set_variable};
use crate::{EngineError, Result};

/// What to run, as whom and with what.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ExecRequest {
    pub command: Vec<OsString>,
    pub env: Vec<Variable>,
    pub user: Option<String>,
    pub working_directory: Option<PathBuf>,
    pub terminal: bool,
    /// All capabilities and no filter.
    pub privileged: bool,
}

/// The specification of the program: the container's, with what the request says otherwise.
pub fn program(request: &ExecRequest, container: &Container) -> Result<ContainerSpec> {
    let mut spec = container.definition.spec.clone();
    spec.args = request.command.clone();
    // The container has one.
    spec.init = false;
    if request.terminal {
        set_variable(&mut spec.env, &Variable::Set("TERM=xterm".to_owned()));
    }
    request.env.iter().for_each(|variable| set_variable(&mut spec.env, variable));
    if let Some(user) = &request.user {
        spec.user = user.clone();
        // That user's own, unless somebody has said otherwise.
        spec.env.retain(|variable| {
            !variable.starts_with("HOME=") || request.env.contains(&Variable::Set(variable.clone()))
        });
    }
    if let Some(directory) = &request.working_directory {
        if !directory.is_absolute() {
            return Err(EngineError::RelativeDirectory { path: directory.clone() });
        }
        spec.cwd = directory.clone();
    }
    if request.privileged {
        spec.capabilities = CapabilitySet::all();
        spec.seccomp = Seccomp::Unconfined;
    }
    Ok(spec)
}

/// Starts it. Before any thread exists. Who waits for its end notes that too.
pub fn start(
    store: &Store,
    container: &Container,
    spec: &ContainerSpec,
    stdio: Stdio,
) -> Result<Execution> {
    if container.state.status == Status::Paused {
        return Err(EngineError::Paused { name: container.definition.name.clone() });
    }
    if container.state.status != Status::Running {
        return Err(EngineError::NotRunning { name: container.definition.name.clone() });
    }
    if administers_more(spec, container) {
        let owner = Containers::open(store.root(), store.state()).owner_of_network(container)?;
        networks_of(store)?.administered(owner.id())?;
    }
    let id = names::random_id()?;
    let event =
        |action: String| Event::of_container(&container.definition, action).with("execID", &id);
    let words: Vec<_> = spec.args.iter().map(|word| word.to_string_lossy()).collect();
    let words = words.join(" ");
    event(format!("exec_create: {words}")).note(store.state());
    let engine = EngineId::of_root(store.root())?;
    let execution = runtime::exec(&engine, container, spec, stdio)?;
    event(format!("exec_start: {words}")).note(store.state());
    Ok(execution.noting_its_end(event("exec_die".to_owned()), store.state()))
}

/// It may do with the container's interfaces what the container itself may not.
fn administers_more(spec: &ContainerSpec, container: &Container) -> bool {
    spec.network == NetworkMode::Sandbox
        && spec.administers_networks()
        && !container.definition.spec.administers_networks()
}

/// Nobody is attached: it reads nothing, and what it writes is lost.
pub fn start_detached(
    store: &Store,
    container: &Container,
    spec: &ContainerSpec,
) -> Result<Execution> {
    let null = || {
        let path = "/dev/null";
        let file = File::options().read(true).write(true).open(path);
        let file = file.map_err(|source| EngineError::Read { path: path.into(), source });
        file.map(Into::into)
    };
    let stdio = Stdio::Fds { stdin: null()?, stdout: null()?, stderr: null()? };
    start(store, container, spec, stdio)
}
