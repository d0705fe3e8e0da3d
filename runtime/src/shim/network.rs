//! The container's network: its own, kept from one start to the next, or another container's.
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, OwnedFd};

use super::supervisor::Supervisor;
use crate::containers::{Container, ProcessName, Status};
use crate::inside::root_of;
use crate::network::{
    NetworkError, NetworkSettings, Networks, Owner, Sandbox, SandboxSpace, files_of, merged_hosts,
    namespace,
};
use crate::spec::NetworkMode;
use crate::zygote::message::{Step, StepError};

impl Supervisor {
    /// The namespace that the container's processes are to be in; none if they share the host's or make their own. Its
    /// files in /etc are part of the specification after that.
    pub(super) fn enter_network(&mut self) -> Result<Option<OwnedFd>, StepError> {
        if self.spec.network != NetworkMode::Sandbox {
            self.space = None;
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
            let owner = Owner {
                id: definition.id.clone(),
                name: definition.name.clone(),
                shim,
                administers: self.spec.administers_networks(),
            };
            let space = match (&self.starter.user, self.space.take()) {
                (Some(user), _) => SandboxSpace::Of(user),
                (None, Some(made)) => SandboxSpace::Made(made),
                (None, None) => SandboxSpace::New,
            };
            let sandbox =
                Sandbox::open(networks, owner, &definition.network, space).map_err(failed(step))?;
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
        let namespace = namespace::of_container(&other).step(step.clone())?;
        // Whoever owns it now: if it is started again after this, that is not the network that is joined.
        if self.spec.administers_networks() {
            let owner = self.containers.owner_of_network(&other).step(step.clone())?;
            networks.administered(owner.id()).map_err(failed(&step))?;
        }
        Ok(namespace)
    }

    /// The files in /etc follow, in the container that runs as far as they can be written there.
    pub(super) fn change_network(
        &mut self,
        settings: &NetworkSettings,
    ) -> Result<(), NetworkError> {
        let Some(sandbox) = &mut self.sandbox else { return Ok(()) };
        let files = sandbox.change(settings)?;
        self.container.state.ports = sandbox.ports();
        self.save();
        let hosts = self.spec.etc.hosts.replace(files.hosts.clone()).unwrap_or_default();
        let resolv_conf =
            self.spec.etc.resolv_conf.replace(files.resolv_conf.clone()).unwrap_or_default();
        let inside = |path: &str, change: &dyn Fn(Vec<u8>) -> Vec<u8>| {
            // One that the container has replaced, or that is read-only, is its own concern.
            let _unchanged = rewrite(&self.container, path, change);
        };
        inside("etc/hosts", &|current| merged_hosts(&current, &hosts, &files.hosts));
        // Once it was changed by hand it stays as it is.
        inside("etc/resolv.conf", &|current| match current == resolv_conf {
            true => files.resolv_conf.clone(),
            false => current,
        });
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

/// Changes a file of a container that runs, in place: it is a mount.
fn rewrite(
    container: &Container,
    path: &str,
    change: &dyn Fn(Vec<u8>) -> Vec<u8>,
) -> io::Result<()> {
    const LONGEST: u64 = 1 << 20;
    let root = root_of(container).map_err(io::Error::other)?;
    // Whatever it is, it is not opened before that is known.
    let place = File::from(root.place_fd(path)?);
    let found = place.metadata()?;
    if !found.is_file() || found.len() > LONGEST {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut file = File::options()
        .read(true)
        .write(true)
        .open(format!("/proc/self/fd/{}", place.as_raw_fd()))?;
    let mut current = Vec::new();
    (&file).take(LONGEST).read_to_end(&mut current)?;
    let changed = change(current.clone());
    if changed == current {
        return Ok(());
    }
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&changed)?;
    file.set_len(changed.len() as u64)
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
