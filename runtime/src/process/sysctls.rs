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

/// Neither links nor other mounts.
const RESOLVE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_XDEV)
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS);

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
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let file = openat2(proc, Path::new("sys").join(path), flags, Mode::empty(), RESOLVE)?;
    File::from(file).write_all(value.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::{fs, io};

    use super::*;

    /// Whatever leads elsewhere is not followed: by a link, by what is mounted there, by a magic link.
    #[test]
    fn cve_2025_52881_nothing_is_written_by_way_of_a_link() {
        let directory = tempfile::tempdir().unwrap();
        let place = |name: &str| directory.path().join(name);
        fs::create_dir_all(place("proc/sys/net")).unwrap();
        fs::write(place("outside"), "before").unwrap();
        fs::write(place("proc/sys/net/own"), "before").unwrap();
        symlink(place("outside"), place("proc/sys/net/link")).unwrap();
        symlink("../../../outside", place("proc/sys/net/relative")).unwrap();
        symlink(directory.path(), place("proc/sys/net/directory")).unwrap();
        let proc = OwnedFd::from(File::open(place("proc")).unwrap());
        write(&proc, "net/own", "after!").unwrap();
        assert_eq!(fs::read(place("proc/sys/net/own")).unwrap(), b"after!");
        let failed = |path: &str| write(&proc, path, "after!").unwrap_err().raw_os_error();
        for path in ["net/link", "net/relative", "net/directory/outside"] {
            assert_eq!(failed(path), Some(libc::ELOOP), "{path}");
        }
        assert_eq!(failed("../../outside"), Some(libc::EXDEV));
        assert_eq!(fs::read(place("outside")).unwrap(), b"before");
        // Another file system is another's, whoever mounted it.
        let root = OwnedFd::from(File::open("/").unwrap());
        let into = openat2(&root, "proc/version", OFlags::RDONLY, Mode::empty(), RESOLVE);
        assert_eq!(
            into.map(drop).map_err(io::Error::from).unwrap_err().raw_os_error(),
            Some(libc::EXDEV)
        );
    }
}
