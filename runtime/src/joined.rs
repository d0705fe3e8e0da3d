//! Namespaces of another container that this one shares.
use std::fs::File;
use std::os::fd::OwnedFd;

use nix::sched::{CloneFlags, setns};

use crate::containers::Containers;
use crate::spec::{ContainerSpec, NamespaceMode};
use crate::zygote::message::{Step, StepError};

/// Namespaces of the containers they are shared with. By their files, not by a descriptor of the process: a shim does not
/// know the host's numbers, but sees the host's /proc.
#[derive(Debug, Default)]
pub(crate) struct Joined {
    pub(crate) pid: Option<OwnedFd>,
    pub(crate) ipc: Option<SharedIpc>,
    /// Namespaces that are joined as they are: an OCI runtime is told of them by files.
    pub(crate) others: Vec<(CloneFlags, OwnedFd)>,
}

/// An IPC namespace, and the mount namespace that has its shared memory.
#[derive(Debug)]
pub(crate) struct SharedIpc {
    pub(crate) ipc: OwnedFd,
    pub(crate) mounts: OwnedFd,
}

impl Joined {
    /// They have to run.
    pub(crate) fn find(containers: &Containers, spec: &ContainerSpec) -> Result<Joined, StepError> {
        let mut joined = Joined::default();
        if let NamespaceMode::Container(id) = &spec.namespaces.pid {
            joined.pid = namespaces_of(containers, id, ["pid"])?.pop();
        }
        if let NamespaceMode::Container(id) = &spec.namespaces.ipc {
            let mut found = namespaces_of(containers, id, ["ipc", "mnt"])?;
            if let (Some(mounts), Some(ipc)) = (found.pop(), found.pop()) {
                joined.ipc = Some(SharedIpc { ipc, mounts });
            }
        }
        Ok(joined)
    }

    /// Whether processes that are not ours see those that we start.
    pub(crate) fn is_watched(&self) -> bool {
        self.pid.is_some()
    }

    /// Does something whose child is born in the PID namespace that is shared; we stay in ours.
    pub(crate) fn in_pid_namespace<T>(
        &self,
        act: impl FnOnce() -> Result<T, StepError>,
    ) -> Result<T, StepError> {
        let Some(namespace) = &self.pid else { return act() };
        let step = "enter the other container's PID namespace";
        let own = File::open("/proc/self/ns/pid").step(step)?;
        setns(namespace, CloneFlags::CLONE_NEWPID).step(step)?;
        let done = act();
        setns(&own, CloneFlags::CLONE_NEWPID).step("stay in the own PID namespace")?;
        done
    }
}

fn namespaces_of<const N: usize>(
    containers: &Containers,
    id: &str,
    kinds: [&str; N],
) -> Result<Vec<OwnedFd>, StepError> {
    let step = "find the container whose namespace is shared";
    let container = containers.read(id).step(step)?;
    let name = &container.definition.name;
    let gone = || format!("container `{name}` is not running");
    let process = container.state.process.ok_or_else(gone).step(step)?;
    let open = |kind: &str| File::open(format!("/proc/{}/ns/{kind}", process.pid));
    let opened: std::io::Result<Vec<OwnedFd>> =
        kinds.iter().map(|kind| open(kind).map(OwnedFd::from)).collect();
    // Only now is the number known to be that of the process which is meant.
    match process.is_alive() {
        true => opened.step(step),
        false => Err(gone()).step(step),
    }
}
