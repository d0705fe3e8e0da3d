//! Network namespaces: made by a thread, which stays in its own.
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};

use nix::sched::{CloneFlags, setns, unshare};

use crate::containers::{Container, ProcessName};

/// Of the thread: others may be elsewhere.
const OWN: &str = "/proc/thread-self/ns/net";
const NETWORK: CloneFlags = CloneFlags::CLONE_NEWNET;

/// A new namespace with nothing but a loopback interface that is down.
pub(super) fn make() -> io::Result<OwnedFd> {
    let own = File::open(OWN)?;
    unshare(NETWORK)?;
    let made = File::open(OWN);
    setns(own, NETWORK)?;
    Ok(made?.into())
}

/// Does something within a namespace. Sockets that are opened there stay there.
pub(super) fn within<T>(
    namespace: impl AsFd,
    body: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    let own = File::open(OWN)?;
    setns(namespace, NETWORK)?;
    let done = body();
    // Without a way back everything that follows would happen in the container.
    setns(own, NETWORK)?;
    done
}

/// The namespace of a container that runs.
pub(crate) fn of_container(container: &Container) -> io::Result<OwnedFd> {
    let gone = || io::Error::new(ErrorKind::NotFound, "it is not running");
    let process: ProcessName = container.state.process.ok_or_else(gone)?;
    let opened = File::open(format!("/proc/{}/ns/net", process.pid));
    // Only if the process is still there is the number known to have been its own.
    match opened {
        Ok(file) if process.is_alive() => Ok(file.into()),
        Ok(_) => Err(gone()),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(gone()),
        Err(error) => Err(error),
    }
}
