//! Kernel settings of the container's own namespaces, written before its program starts.
//!
//! Through the descriptor of the /proc that was just mounted, without crossing another mount or following a
//! link: whatever the image or its mounts put there, nothing else is written.
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use crate::spec::{ContainerSpec, NetworkMode, UserIds};
use crate::zygote::message::{Step, StepError};

/// All groups that there are, but for those that are none.
const LAST_GROUP: u32 = i32::MAX as u32;

pub(super) fn write_all(spec: &ContainerSpec, proc: &OwnedFd) -> Result<(), StepError> {
    if spec.network != NetworkMode::Host {
        for (path, value) in open_network(spec) {
            match write(proc, path, &value) {
                // Kernels without it let nobody do less.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                other => other.step(format!("set sysctl `{path}`"))?,
            }
        }
    }
    write_asked(spec, proc)
}

/// Docker's, for networks of containers' own: low ports and pings need no privilege.
fn open_network(spec: &ContainerSpec) -> [(&'static str, String); 2] {
    // Groups that the container has not cannot be named.
    let last = spec.user_namespace.as_ref().and_then(UserIds::last_group).unwrap_or(LAST_GROUP);
    [
        ("net/ipv4/ip_unprivileged_port_start", "0".to_owned()),
        ("net/ipv4/ping_group_range", format!("0 {last}")),
    ]
}

/// Those of the specification.
pub(super) fn write_asked(spec: &ContainerSpec, proc: &OwnedFd) -> Result<(), StepError> {
    for sysctl in &spec.sysctls {
        write(proc, &sysctl.path(), &sysctl.value)
            .step(format!("set sysctl `{}` to `{}`", sysctl.name, sysctl.value))?;
    }
    Ok(())
}

fn write(proc: &OwnedFd, path: &str, value: &str) -> std::io::Result<()> {
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_XDEV
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let file = openat2(proc, Path::new("sys").join(path), flags, Mode::empty(), resolve)?;
    File::from(file).write_all(value.as_bytes())
}
