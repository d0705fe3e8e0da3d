//! What Docker mounts in every container: /proc, /dev and below, /sys, /sys/fs/cgroup.
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, mkdirat, symlinkat};
use sys::RootDir;
use sys::mount::{MountChange, Setting, attach, change_mount, clone_mount, new_mount};

use super::{Launch, devices};
use crate::cgroup::Hierarchy;
use crate::spec::{MachineAccess, NamespaceMode};
use crate::zygote::message::{Step, StepError};

const NOSUID: u64 = libc::MOUNT_ATTR_NOSUID;
const NODEV: u64 = libc::MOUNT_ATTR_NODEV;
const NOEXEC: u64 = libc::MOUNT_ATTR_NOEXEC;
const RDONLY: u64 = libc::MOUNT_ATTR_RDONLY;

pub(crate) const LINKS: [(&str, &str); 6] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
    ("core", "/proc/kcore"),
];

/// The roots of mounts that are the container's own beyond doubt.
pub(super) struct BaseMounts {
    pub(super) proc: OwnedFd,
    pub(super) sys: OwnedFd,
    /// Where its terminal comes from.
    pub(super) devpts: OwnedFd,
}

/// `shared_memory` is that of the container whose IPC namespace was joined.
pub(super) fn mount_all(
    launch: &Launch<'_>,
    root: &RootDir,
    shared_memory: Option<OwnedFd>,
) -> Result<BaseMounts, StepError> {
    let proc = mount(root, "proc", "proc", &[], NOSUID | NODEV | NOEXEC)?;
    let devpts = mount_dev(launch, root, shared_memory)?;
    let sys = mount(root, "sysfs", "sys", &[], NOSUID | NODEV | NOEXEC | read_only(launch))?;
    mount_cgroups(launch, root)?;
    Ok(BaseMounts { proc, sys, devpts })
}

fn read_only(launch: &Launch<'_>) -> u64 {
    if launch.has_machine() { 0 } else { RDONLY }
}

/// Mounts on a directory that is created when absent and must not be a symbolic link.
fn mount(
    root: &RootDir,
    kind: &'static str,
    target: &str,
    settings: &[Setting<'_>],
    attributes: u64,
) -> Result<OwnedFd, StepError> {
    let step = || format!("mount /{target}");
    root.create_dir_all(target, 0o755).step(step())?;
    let place = root.subdir_nofollow(target).step(step())?;
    let mounted = new_mount(kind, settings, attributes).step(step())?;
    attach(&mounted, &place).step(step())?;
    Ok(mounted)
}

fn mount_dev(
    launch: &Launch<'_>,
    root: &RootDir,
    shared_memory: Option<OwnedFd>,
) -> Result<OwnedFd, StepError> {
    let settings = [Setting::Text("mode", "755"), Setting::Text("size", "65536k")];
    let dev = mount(root, "tmpfs", "dev", &settings, NOSUID | libc::MOUNT_ATTR_STRICTATIME)?;
    devices::make_harmless(&dev)?;
    if launch.spec.machine == MachineAccess::Full {
        devices::make_of_machine(&dev)?;
    }
    for (name, target) in LINKS {
        symlinkat(target, &dev, name).step(format!("make /dev/{name}"))?;
    }
    for name in ["pts", "mqueue", "shm"] {
        mkdirat(&dev, name, Mode::from_raw_mode(0o755)).step(format!("make /dev/{name}"))?;
    }
    let settings = [
        Setting::Text("ptmxmode", "0666"),
        Setting::Text("mode", "0620"),
        Setting::Text("gid", "5"),
    ];
    let devpts = mount(root, "devpts", "dev/pts", &settings, NOSUID | NOEXEC)?;
    mount(root, "mqueue", "dev/mqueue", &[], NOSUID | NODEV | NOEXEC)?;
    // One of the specification's takes its place, as with Docker, instead of hiding it.
    if launch.spec.mounts.iter().all(|mount| mount.target != Path::new("/dev/shm")) {
        mount_shm(launch, root, shared_memory)?;
    }
    Ok(devpts)
}

/// With the IPC namespace of the host or of another container also its shared memory.
fn mount_shm(
    launch: &Launch<'_>,
    root: &RootDir,
    shared_memory: Option<OwnedFd>,
) -> Result<(), StepError> {
    if let Some(shared) = shared_memory {
        let step = "mount the other container's /dev/shm";
        return attach(shared, root.subdir_nofollow("dev/shm").step(step)?).step(step);
    }
    if launch.spec.namespaces.ipc == NamespaceMode::Host {
        let step = "mount the host's /dev/shm";
        let shared = clone_mount(super::open_place(Path::new("/dev/shm"))?, false).step(step)?;
        return attach(shared, root.subdir_nofollow("dev/shm").step(step)?).step(step);
    }
    let size = launch.spec.shm_size.to_string();
    let settings = [Setting::Text("mode", "1777"), Setting::Text("size", &size)];
    mount(root, "tmpfs", "dev/shm", &settings, NOSUID | NODEV | NOEXEC).map(drop)
}

/// Containers can do without.
fn mount_cgroups(launch: &Launch<'_>, root: &RootDir) -> Result<(), StepError> {
    let read_only = if launch.spec.writable_cgroups { 0 } else { read_only(launch) };
    let attributes = NOSUID | NODEV | NOEXEC | read_only;
    let Ok(place) = root.subdir_nofollow("sys/fs/cgroup") else { return Ok(()) };
    mount_cgroups_at(launch, place, attributes)
}

/// As seen from the cgroup namespace; a container that lists its mounts, and has none of its own, is shown its own groups
/// nevertheless.
pub(super) fn mount_cgroups_at(
    launch: &Launch<'_>,
    place: impl AsFd,
    attributes: u64,
) -> Result<(), StepError> {
    let shared = launch.spec.listed.is_some() && !launch.spec.namespaces.cgroup.is_own();
    let make = |kind: &'static str, settings: &[Setting<'_>], hierarchy: Option<&Hierarchy>| {
        let directory = hierarchy.and_then(|hierarchy| launch.leaf.directory_in(hierarchy));
        match directory {
            Some(directory) if shared => copy_of(directory, attributes),
            _ => new_mount(kind, settings, attributes).ok(),
        }
    };
    if launch.leaf.v1().next().is_none() {
        if let Some(mounted) = make("cgroup2", &[], launch.leaf.v2_hierarchy()) {
            attach(mounted, &place).step("mount /sys/fs/cgroup")?;
        }
        return Ok(());
    }
    let step = "mount /sys/fs/cgroup";
    let base =
        new_mount("tmpfs", &[Setting::Text("mode", "755")], NOSUID | NODEV | NOEXEC).step(step)?;
    attach(&base, &place).step(step)?;
    for hierarchy in launch.leaf.v1() {
        let settings: Vec<_> =
            hierarchy.controllers.iter().map(|name| Setting::Flag(name.as_str())).collect();
        let Some(mounted) = make("cgroup", &settings, Some(hierarchy)) else { continue };
        let name = hierarchy.controllers.join(",");
        mkdirat(&base, &name, Mode::from_raw_mode(0o755)).step(step)?;
        let directory = rustix::fs::openat(
            &base,
            &name,
            rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC,
            Mode::empty(),
        )
        .step(step)?;
        attach(mounted, directory).step(step)?;
        for controller in hierarchy.controllers.iter().filter(|c| **c != name) {
            symlinkat(&name, &base, controller).step(step)?;
        }
    }
    let read_only = MountChange { set: RDONLY, ..MountChange::default() };
    change_mount(base.as_fd(), read_only).step(step)
}

fn copy_of(directory: &Path, set: u64) -> Option<OwnedFd> {
    let copy = clone_mount(super::open_place(directory).ok()?, false).ok()?;
    change_mount(&copy, MountChange { set, ..MountChange::default() }).ok()?;
    Some(copy)
}
