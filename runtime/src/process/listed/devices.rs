//! The devices that every container has, those of its list, and the links beside them.
use std::path::{Path, PathBuf};

use sys::RootDir;
use sys::root_dir::FileKind;

use crate::process::{Launch, given_devices};
use crate::spec::{Device, DeviceKind, Listed, ListedSource};
use crate::zygote::message::{Step, StepError};

/// What the runtime specification wants to be there: name, major, minor.
const ALWAYS: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

const LINKS: [(&str, &str); 5] = [
    ("dev/fd", "/proc/self/fd"),
    ("dev/stdin", "/proc/self/fd/0"),
    ("dev/stdout", "/proc/self/fd/1"),
    ("dev/stderr", "/proc/self/fd/2"),
    ("dev/ptmx", "pts/ptmx"),
];

/// A /dev of the host's has everything, and is not to be changed.
pub(super) fn are_the_hosts(listed: &Listed) -> bool {
    listed.mounts.iter().any(|mount| {
        mount.target == Path::new("/dev") && matches!(mount.source, ListedSource::Bind { .. })
    })
}

pub(super) fn make_all(launch: &Launch<'_>, root: &RootDir) -> Result<(), StepError> {
    let step = "make /dev";
    root.create_dir_all("dev", 0o755).step(step)?;
    root.subdir_nofollow("dev").step(step)?;
    let listed = &launch.spec.devices;
    let usual = ALWAYS.iter().map(|(path, major, minor)| Device {
        path: PathBuf::from(path),
        kind: DeviceKind::Character,
        major: *major,
        minor: *minor,
        mode: 0o666,
        uid: 0,
        gid: 0,
    });
    let usual = usual.filter(|device| listed.iter().all(|other| other.path != device.path));
    for device in usual.chain(listed.iter().cloned()) {
        given_devices::make(root, &device)
            .step(format!("make device `{}`", device.path.display()))?;
    }
    for (name, target) in LINKS {
        link(root, name, target).step(format!("make /{name}"))?;
    }
    Ok(())
}

/// Images that bring their own keep it, but for a node that would be another's terminals.
fn link(root: &RootDir, name: &str, target: &str) -> sys::Result<()> {
    match root.metadata(name) {
        Ok(found) if name == "dev/ptmx" && found.kind != FileKind::Symlink => {
            root.remove_file(name)?;
        }
        Ok(_) => return Ok(()),
        Err(_) => {}
    }
    root.symlink(target, name)
}
