//! The IPC namespace of another container, and the shared memory that goes with it.
use std::fs::File;
use std::os::fd::OwnedFd;

use nix::sched::{CloneFlags, setns};
use sys::RootDir;
use sys::mount::clone_mount;

use crate::joined::SharedIpc;
use crate::zygote::message::{Step, StepError};

/// Joins the namespace. Returns its /dev/shm, which only the container's mount namespace has: it is entered for that, and
/// left again.
pub(super) fn join(shared: &SharedIpc) -> Result<OwnedFd, StepError> {
    let step = "share the other container's /dev/shm";
    let own = File::open("/proc/self/ns/mnt").step(step)?;
    setns(&shared.mounts, CloneFlags::CLONE_NEWNS).step(step)?;
    let memory = RootDir::open("/")
        .and_then(|root| root.place_fd("dev/shm"))
        .and_then(|place| clone_mount(place, false));
    setns(&own, CloneFlags::CLONE_NEWNS).step("stay in the own mount namespace")?;
    setns(&shared.ipc, CloneFlags::CLONE_NEWIPC).step("join the IPC namespace")?;
    memory.step(step)
}
