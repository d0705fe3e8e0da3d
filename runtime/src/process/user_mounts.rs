//! The mounts of the specification: binds, trees, tmpfs, files in memory, and those in /etc.
use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, fchmod, fchown, fstat, openat};
use rustix::process::{Gid, Uid};
use sys::RootDir;
use sys::mount::{MountChange, Setting, attach, change_mount, clone_mount, detach, new_mount};

use super::stubs::Targets;
use super::{Launch, filesystem, open_place, overlay};
use crate::spec::{AccessTimes, Mount, MountSource, Rootfs, Submounts, Tmpfs};
use crate::zygote::message::{Step, StepError};

/// The files in /etc first, then the specification's mounts in their order.
/// `followed` are copies of sources made before, by position.
pub(super) fn mount_all(
    launch: &Launch<'_>,
    targets: &mut Targets<'_>,
    mut followed: HashMap<usize, OwnedFd>,
) -> Result<(), StepError> {
    let mut files = Files::new(launch);
    let etc = &launch.spec.etc;
    for (name, content) in
        [("hosts", &etc.hosts), ("resolv.conf", &etc.resolv_conf), ("hostname", &etc.hostname)]
    {
        if let Some(content) = content {
            let step = || format!("mount /etc/{name}");
            let source = files.make(content, 0o644, 0, 0).step(step())?;
            let target = targets.place(&Path::new("/etc").join(name), false)?;
            place_mount(launch, &source, target, read_only(etc.read_only)).step(step())?;
        }
    }
    for (position, mount) in launch.spec.mounts.iter().enumerate() {
        mount_one(launch, targets, &mut files, mount, followed.remove(&position))?;
    }
    files.close().step("unmount files")
}

/// Those that hold files of the host's, for who looks into a container that does not run.
pub(super) fn mount_files(launch: &Launch<'_>, targets: &mut Targets<'_>) -> Result<(), StepError> {
    let mut files = Files::new(launch);
    for mount in &launch.spec.mounts {
        match mount.source {
            MountSource::Path { .. }
            | MountSource::Tree { .. }
            | MountSource::Filesystem { .. } => {
                mount_one(launch, targets, &mut files, mount, None)?
            }
            MountSource::Tmpfs(_) | MountSource::File { .. } | MountSource::Own => {}
        }
    }
    Ok(())
}

/// Those that are mounted already are among the sources from now on, or the part of them that is wanted.
pub(super) fn take_filesystems(
    launch: &Launch<'_>,
    sources: &mut HashMap<usize, OwnedFd>,
) -> Result<(), StepError> {
    for (position, mounted) in launch.filesystems.into_iter().flatten() {
        let mount = &launch.spec.mounts[*position];
        let MountSource::Filesystem { subpath, .. } = &mount.source else { continue };
        let step = || format!("mount `{}`", mount.target.display());
        let mounted = mounted.try_clone().step(step())?;
        let part = part_of(launch, mounted, subpath.as_deref()).map_err(|e| within(e, step()))?;
        sources.insert(*position, part);
    }
    Ok(())
}

fn mount_one(
    launch: &Launch<'_>,
    targets: &mut Targets<'_>,
    files: &mut Files<'_>,
    mount: &Mount,
    followed: Option<OwnedFd>,
) -> Result<(), StepError> {
    let step = || format!("mount `{}`", mount.target.display());
    let mut change = read_only(mount.read_only);
    let source = match &mount.source {
        MountSource::Path { source, subpath, options } => {
            change.recursive = options.submounts == Submounts::Included;
            let all = options.submounts != Submounts::Left;
            match followed {
                Some(copy) => copy,
                None => {
                    bind_source(source, subpath.as_deref(), all).map_err(|e| within(e, step()))?
                }
            }
        }
        MountSource::Tree { .. } | MountSource::Filesystem { .. } if followed.is_some() => {
            followed.ok_or("it is not there").step(step())?
        }
        MountSource::Tree { tree, subpath } => {
            tree_source(launch, tree, subpath.as_deref()).map_err(|e| within(e, step()))?
        }
        MountSource::Tmpfs(settings) => {
            let covered = targets.mode_of(&mount.target);
            tmpfs(settings, covered).step(step())?
        }
        MountSource::File { content, mode, uid, gid } => {
            files.make(content, *mode, *uid, *gid).step(step())?
        }
        MountSource::Filesystem { filesystem, subpath } => {
            let mounted = filesystem::mount(filesystem).step(step())?;
            part_of(launch, mounted, subpath.as_deref()).map_err(|e| within(e, step()))?
        }
        MountSource::Own => clone_mount(targets.place(&mount.target, true)?, false).step(step())?,
    };
    let mode = fstat(&source).step(step())?.st_mode;
    let is_dir = FileType::from_raw_mode(mode) == FileType::Directory;
    let target = targets.place(&mount.target, is_dir)?;
    place_mount(launch, &source, target, change).step(step())
}

/// Of the mount and all below it.
fn read_only(wanted: bool) -> MountChange {
    let set = if wanted { libc::MOUNT_ATTR_RDONLY } else { 0 };
    MountChange { set, recursive: true, ..MountChange::default() }
}

fn within(error: StepError, outer: String) -> StepError {
    StepError { step: format!("{outer}: {}", error.step), ..error }
}

fn place_mount(
    launch: &Launch<'_>,
    source: &OwnedFd,
    target: OwnedFd,
    change: MountChange,
) -> sys::Result<()> {
    if change.set != 0 {
        change_mount(source, change)?;
    }
    if launch.withhold_devices() {
        let change =
            MountChange { set: libc::MOUNT_ATTR_NODEV, recursive: true, ..MountChange::default() };
        change_mount(source, change)?;
    }
    attach(source, target)
}

/// Read-only, with all that is mounted below it if `recursive`.
pub(super) fn make_read_only(mount: impl AsFd, recursive: bool) -> sys::Result<()> {
    let set = libc::MOUNT_ATTR_RDONLY;
    change_mount(mount, MountChange { set, recursive, ..MountChange::default() })
}

/// A host path, or what an untrusted path leads to without leaving it.
pub(super) fn bind_source(
    source: &Path,
    subpath: Option<&Path>,
    recursive: bool,
) -> Result<OwnedFd, StepError> {
    let place = match subpath {
        None => open_place(source)?,
        Some(subpath) => below(open_place(source)?, source, subpath)?,
    };
    clone_mount(place, recursive).step(format!("use `{}`", source.display()))
}

fn below(directory: OwnedFd, name: &Path, subpath: &Path) -> Result<OwnedFd, StepError> {
    RootDir::from_fd(directory).place_fd(subpath).step(format!(
        "open `{}` in `{}`",
        subpath.display(),
        name.display()
    ))
}

/// The mount point of what is looked into before a part of it is mounted.
const ASIDE: &str = "tree";

/// Mounted aside, looked into, and copied from there.
fn tree_source(
    launch: &Launch<'_>,
    tree: &Rootfs,
    subpath: Option<&Path>,
) -> Result<OwnedFd, StepError> {
    let root = overlay::mount(launch, tree, ASIDE)?;
    let place = match subpath {
        None => root,
        Some(subpath) => below(root, Path::new("/"), subpath)?,
    };
    let copy = clone_mount(place, true).step("copy the mount")?;
    detach(&launch.mountpoint(ASIDE)).step("unmount the tree")?;
    Ok(copy)
}

/// A path below a new mount: for that it has to be mounted somewhere. Nothing stays there, whatever comes of it.
pub(super) fn part_of(
    launch: &Launch<'_>,
    mounted: OwnedFd,
    subpath: Option<&Path>,
) -> Result<OwnedFd, StepError> {
    let Some(subpath) = subpath else { return Ok(mounted) };
    let aside = launch.mountpoint(ASIDE);
    attach(&mounted, open_place(&aside)?).step("mount it aside")?;
    let copy = below(mounted, Path::new("/"), subpath)
        .and_then(|place| clone_mount(place, true).step("copy the mount"));
    detach(&aside).step("unmount it")?;
    copy
}

/// `covered` is the mode of the directory that it is mounted on, if that exists. Which devices work is decided by
/// the cgroup, or by `place_mount` without one.
fn tmpfs(wanted: &Tmpfs, covered: Option<u32>) -> sys::Result<OwnedFd> {
    let texts = [
        ("mode", Some(format!("{:o}", wanted.mode.or(covered).unwrap_or(0o1777)))),
        ("size", wanted.size.map(|bytes| bytes.to_string())),
        ("uid", wanted.uid.map(|uid| uid.to_string())),
        ("gid", wanted.gid.map(|gid| gid.to_string())),
        ("nr_inodes", wanted.inodes.map(|count| count.to_string())),
    ];
    let settings: Vec<_> = texts
        .iter()
        .filter_map(|(key, value)| Some(Setting::Text(key, value.as_deref()?)))
        .collect();
    let mut attributes = match wanted.times {
        AccessTimes::Relative => libc::MOUNT_ATTR_RELATIME,
        AccessTimes::Never => libc::MOUNT_ATTR_NOATIME,
        AccessTimes::Always => libc::MOUNT_ATTR_STRICTATIME,
    };
    for (forbidden, attribute) in [
        (wanted.forbidden.programs, libc::MOUNT_ATTR_NOEXEC),
        (wanted.forbidden.devices, libc::MOUNT_ATTR_NODEV),
        (wanted.forbidden.set_user_id, libc::MOUNT_ATTR_NOSUID),
    ] {
        attributes |= if forbidden { attribute } else { 0 };
    }
    new_mount("tmpfs", &settings, attributes)
}

/// Files that exist in memory only, on one tmpfs for the container. It is mounted aside while
/// mounts of its files are made, which keep it alive.
struct Files<'a> {
    launch: &'a Launch<'a>,
    tmpfs: Option<OwnedFd>,
    count: usize,
}

impl<'a> Files<'a> {
    fn new(launch: &'a Launch<'a>) -> Files<'a> {
        Files { launch, tmpfs: None, count: 0 }
    }

    /// A detached mount of a new file.
    fn make(&mut self, content: &[u8], mode: u32, uid: u32, gid: u32) -> std::io::Result<OwnedFd> {
        let tmpfs = self.tmpfs()?;
        let name = self.count.to_string();
        self.count += 1;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
        let file = openat(&tmpfs, &name, flags, Mode::RUSR)?;
        let mut file = File::from(file);
        file.write_all(content)?;
        fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
        fchmod(&file, Mode::from_raw_mode(mode))?;
        let place = openat(&tmpfs, &name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let mounted = clone_mount(place, false)?;
        if mode & 0o111 == 0 {
            let set = libc::MOUNT_ATTR_NOEXEC;
            change_mount(&mounted, MountChange { set, ..MountChange::default() })?;
        }
        Ok(mounted)
    }

    fn tmpfs(&mut self) -> std::io::Result<OwnedFd> {
        if let Some(tmpfs) = &self.tmpfs {
            return tmpfs.try_clone();
        }
        let attributes = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
        let mounted = new_mount("tmpfs", &[Setting::Text("mode", "700")], attributes)?;
        let target = rustix::fs::open(
            self.launch.mountpoint("files"),
            OFlags::PATH | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        attach(&mounted, target)?;
        self.tmpfs = Some(mounted.try_clone()?);
        Ok(mounted)
    }

    /// Where a directory of the host is mounted, it would be seen there; else it goes with the old root.
    fn close(self) -> sys::Result<()> {
        let is_host = |mount: &Mount| matches!(mount.source, MountSource::Path { .. });
        match self.tmpfs {
            Some(_) if self.launch.spec.mounts.iter().any(is_host) => {
                detach(&self.launch.mountpoint("files"))
            }
            _ => Ok(()),
        }
    }
}
