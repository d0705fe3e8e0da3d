//! Another program in a container that runs.

use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;

use runtime::containers::{Container, Status};
use runtime::{CapabilitySet, ContainerSpec, EngineId, Execution, Seccomp, Stdio};
use serde::{Deserialize, Serialize};

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

/// Starts it. Before any thread exists.
pub fn start(
    engine: &EngineId,
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
    Ok(runtime::exec(engine, container, spec, stdio)?)
}

/// Nobody is attached: it reads nothing, and what it writes is lost.
pub fn start_detached(
    engine: &EngineId,
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
    start(engine, container, spec, stdio)
}
