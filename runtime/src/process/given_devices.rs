//! Devices of the host that the container is given, or all of them.
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::fs::{major, minor};
use sys::RootDir;
use sys::mount::{attach, clone_mount};
use sys::root_dir::{FileKind, NodeKind};

use super::{Launch, open_place};
use crate::spec::{Device, DeviceKind, MachineAccess};
use crate::zygote::message::{Step, StepError};

/// What the container has its own of.
const SKIPPED: [&str; 9] =
    ["pts", "ptmx", "shm", "fd", "mqueue", "console", ".lxc", ".lxd-mounts", ".udev"];

pub(super) fn make_all(launch: &Launch<'_>, root: &RootDir) -> Result<(), StepError> {
    let mut devices = Vec::new();
    if launch.spec.machine == MachineAccess::Privileged {
        collect(Path::new("/dev"), &mut devices).step("list the host's devices")?;
    }
    for device in devices.iter().chain(&launch.spec.devices) {
        make(root, device).step(format!("make device `{}`", device.path.display()))?;
    }
    Ok(())
}

pub(super) fn make(root: &RootDir, device: &Device) -> Result<(), String> {
    let text = |error: sys::SysError| error.to_string();
    let path = &device.path;
    if let Some(parent) = path.parent() {
        root.create_dir_all(parent, 0o755).map_err(text)?;
    }
    let (major, minor) = (device.major, device.minor);
    let kind = match device.kind {
        DeviceKind::Character => NodeKind::CharDevice { major, minor },
        DeviceKind::Block => NodeKind::BlockDevice { major, minor },
    };
    match root.mknod(path, kind, device.mode) {
        Ok(()) => root.set_owner(path, device.uid, device.gid).map_err(text),
        Err(error) if error.errno() == Some(libc::EEXIST) => already_there(root, device),
        // Inside another container, which may not make nodes.
        Err(error) if error.errno() == Some(libc::EPERM) => show(root, device),
        Err(error) => Err(error.to_string()),
    }
}

/// The same device may be there: one of the usual ones, or from the start before.
fn already_there(root: &RootDir, device: &Device) -> Result<(), String> {
    let found = root.metadata(&device.path).map_err(|error| error.to_string())?;
    let wanted = match device.kind {
        DeviceKind::Character => FileKind::CharDevice,
        DeviceKind::Block => FileKind::BlockDevice,
    };
    let numbers = (found.rdev_major(), found.rdev_minor());
    if found.kind == wanted && numbers == (device.major, device.minor) {
        return Ok(());
    }
    Err("the image has something else there".to_owned())
}

/// The host's own node, if it is at the same place.
fn show(root: &RootDir, device: &Device) -> Result<(), String> {
    let found = fs::symlink_metadata(&device.path).map_err(|error| error.to_string())?;
    if (major(found.rdev()), minor(found.rdev())) != (device.major, device.minor) {
        return Err("no nodes can be made here, and the host has another device there".to_owned());
    }
    let node = open_place(&device.path).map_err(|error| error.cause)?;
    root.create_file(&device.path, 0o600).map_err(|error| error.to_string())?;
    let place = root.place_fd(&device.path).map_err(|error| error.to_string())?;
    clone_mount(node, false)
        .and_then(|copy| {
            super::user_mounts::make_read_only(&copy, false)?;
            attach(copy, place)
        })
        .map_err(|error| error.to_string())
}

/// The nodes below a directory of the host.
fn collect(directory: &Path, devices: &mut Vec<Device>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let skipped = entry.file_name().to_str().is_some_and(|name| SKIPPED.contains(&name));
        let found = entry.metadata()?;
        let kind = found.file_type();
        if kind.is_dir() && !skipped {
            collect(&entry.path(), devices)?;
        } else if !skipped && (kind.is_char_device() || kind.is_block_device()) {
            devices.push(Device {
                path: entry.path(),
                kind: if kind.is_block_device() {
                    DeviceKind::Block
                } else {
                    DeviceKind::Character
                },
                major: major(found.rdev()),
                minor: minor(found.rdev()),
                mode: found.mode() & 0o7777,
                uid: found.uid(),
                gid: found.gid(),
            });
        }
    }
    Ok(())
}
