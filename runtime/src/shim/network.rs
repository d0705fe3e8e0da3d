//! The container's network: its own, kept from one start to the next, or another container's.
use std::os::fd::OwnedFd;

use super::supervisor::Supervisor;
use crate::containers::{ProcessName, Status};
use crate::network::{NetworkError, NetworkSettings, Networks, Sandbox, files_of, namespace};
use crate::spec::NetworkMode;
use crate::zygote::message::{Step, StepError};

impl Supervisor {
    /// The namespace that the container's processes are to be in; none if they share the host's or make their own. Its
    /// files in /etc are part of the specification after that.
    pub(super) fn enter_network(&mut self) -> Result<Option<OwnedFd>, StepError> {
        if self.spec.network != NetworkMode::Sandbox {
            return Ok(None);
        }
        match self.container.definition.network.joined.clone() {
            Some(id) => self.join(&id).map(Some),
            None => self.open_sandbox().map(Some),
        }
    }

    fn networks(&self) -> Result<Networks, NetworkError> {
        Networks::open(self.containers.root(), self.containers.state_directory())
    }

    fn open_sandbox(&mut self) -> Result<OwnedFd, StepError> {
        let step = "connect it to its networks";
        if self.sandbox.is_none() {
            let networks = self.networks().map_err(failed(step))?;
            let shim = ProcessName::of_self().step("read /proc/self/stat")?;
            let definition = &self.container.definition;
            let sandbox = Sandbox::open(networks, definition, shim).map_err(failed(step))?;
            let files = sandbox.files(&definition.network);
            self.spec.etc.hosts = Some(files.hosts);
            self.spec.etc.resolv_conf = Some(files.resolv_conf);
            self.container.state.ports = sandbox.ports();
            self.sandbox = Some(sandbox);
        }
        let sandbox = self.sandbox.as_ref();
        let namespace = sandbox.map(|sandbox| sandbox.namespace().try_clone_to_owned());
        namespace
            .transpose()
            .step(step)?
            .ok_or_else(|| StepError::new(step, "it has none", crate::error::StartFailure::Setup))
    }

    /// Anew at each start: the other one may have been started again meanwhile.
    fn join(&mut self, id: &str) -> Result<OwnedFd, StepError> {
        let short = id.get(..12).unwrap_or(id);
        let step = format!("join the network of container {short}");
        let other = self.containers.read(id).step(step.clone())?;
        if other.state.status != Status::Running {
            return Err("it is not running").step(step);
        }
        let networks = self.networks().map_err(failed(&step))?;
        if other.definition.spec.network == NetworkMode::Sandbox {
            let files = files_of(&networks, &other.definition).map_err(failed(&step))?;
            self.spec.etc.hosts = Some(files.hosts);
            self.spec.etc.resolv_conf = Some(files.resolv_conf);
        }
        namespace::of_container(&other).step(step)
    }

    /// The files in /etc follow at the next start.
    pub(super) fn change_network(
        &mut self,
        settings: &NetworkSettings,
    ) -> Result<(), NetworkError> {
        let Some(sandbox) = &mut self.sandbox else { return Ok(()) };
        let files = sandbox.change(settings)?;
        self.spec.etc.hosts = Some(files.hosts);
        self.spec.etc.resolv_conf = Some(files.resolv_conf);
        Ok(())
    }

    /// Takes the container from its networks; what takes the kernel long is left for later.
    pub(super) fn leave_network(&mut self) {
        self.container.state.ports.clear();
        if let Some(sandbox) = self.sandbox.take() {
            // What cannot be removed now, the next command that looks at containers removes.
            self.remains = sandbox.close().ok();
        }
    }
}

/// With the hint, which the caller cannot know of.
fn failed(step: &str) -> impl Fn(NetworkError) -> StepError {
    move |error| {
        let cause = match error.hint() {
            Some(hint) => format!("{error}; {hint}"),
            None => error.to_string(),
        };
        StepError::new(step, cause, crate::error::StartFailure::Setup)
    }
}
