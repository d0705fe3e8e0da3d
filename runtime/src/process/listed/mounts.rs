//! The mounts of the list, in its order.
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, fstat};
use sys::RootDir;
use sys::mount::{
    MountChange, Setting, attach, change_mount, clone_mount, map_owners, new_mount_of,
};

use super::copy_up;
use crate::process::stubs::Targets;
use crate::process::{Launch, base_mounts, open_place};
use crate::spec::{
    Listed, ListedMount, ListedSource, MountAttributes, Propagation, PropagationKind,
};
use crate::user_namespace::new_namespace;
use crate::zygote::message::{Step, StepError};

/// The roots of mounts that are the container's own beyond doubt.
#[derive(Default)]
pub(super) struct KernelMounts {
    pub(super) proc: Option<OwnedFd>,
    pub(super) devpts: Option<OwnedFd>,
}

/// Copies of what is bound, by position.
pub(in crate::process) fn open_sources(
    mounts: &[ListedMount],
) -> Result<HashMap<usize, OwnedFd>, StepError> {
    let mut opened = HashMap::new();
    for (position, mount) in mounts.iter().enumerate() {
        if let ListedSource::Bind { source, recursive } = &mount.source {
            let copy = clone_mount(open_place(source)?, *recursive)
                .step(format!("use `{}`", source.display()))?;
            if let Some((ids, recursive)) = &mount.owners {
                let step = || format!("map the owners of `{}`", source.display());
                let namespace = new_namespace(ids).step(step())?;
                map_owners(&copy, namespace, *recursive).step(step())?;
            }
            opened.insert(position, copy);
        }
    }
    Ok(opened)
}

pub(super) fn mount_all(
    launch: &Launch<'_>,
    listed: &Listed,
    root: &RootDir,
    targets: &mut Targets<'_>,
    mut sources: HashMap<usize, OwnedFd>,
) -> Result<KernelMounts, StepError> {
    let mut kernel = KernelMounts::default();
    for (position, mount) in listed.mounts.iter().enumerate() {
        let step = || format!("mount `{}`", mount.target.display());
        match &mount.source {
            ListedSource::Bind { .. } => {
                let copy = sources.remove(&position).ok_or("it was not opened").step(step())?;
                bind(targets, mount, &copy)?;
            }
            ListedSource::Filesystem { kind, .. } => {
                let made = filesystem(root, targets, mount)?;
                match (kind.as_str(), mount.target.to_str()) {
                    ("proc", Some("/proc")) => kernel.proc = Some(made),
                    ("devpts", Some("/dev/pts")) => kernel.devpts = Some(made),
                    _ => {}
                }
            }
            ListedSource::Cgroups => {
                let place = targets.place(&mount.target, true)?;
                base_mounts::mount_cgroups_at(launch, &place, mount.attributes.set)?;
            }
        }
        if launch.withhold_devices() {
            let place = root.place_fd(&mount.target).step(step())?;
            let set = libc::MOUNT_ATTR_NODEV;
            change_mount(place, MountChange { set, recursive: true, ..MountChange::default() })
                .step(step())?;
        }
    }
    Ok(kernel)
}

fn bind(targets: &mut Targets<'_>, mount: &ListedMount, copy: &OwnedFd) -> Result<(), StepError> {
    let step = || format!("mount `{}`", mount.target.display());
    change(copy, mount.attributes, false).step(step())?;
    change(copy, mount.below, true).step(step())?;
    spread(copy, mount.propagation).step(step())?;
    let mode = fstat(copy).step(step())?.st_mode;
    let is_dir = FileType::from_raw_mode(mode) == FileType::Directory;
    attach(copy, targets.place(&mount.target, is_dir)?).step(step())
}

fn change(mount: &OwnedFd, wanted: MountAttributes, recursive: bool) -> sys::Result<()> {
    if wanted == MountAttributes::default() {
        return Ok(());
    }
    let MountAttributes { set, clear } = wanted;
    change_mount(mount, MountChange { set, clear, recursive, propagation: 0 })
}

fn spread(mount: &OwnedFd, wanted: Option<Propagation>) -> sys::Result<()> {
    let Propagation { kind, recursive } =
        wanted.unwrap_or(Propagation { kind: PropagationKind::Private, recursive: true });
    let propagation = match kind {
        PropagationKind::Private => libc::MS_PRIVATE,
        PropagationKind::Slave => libc::MS_SLAVE,
        PropagationKind::Shared => libc::MS_SHARED,
    };
    change_mount(mount, MountChange { propagation, recursive, ..MountChange::default() })
}

fn filesystem(
    root: &RootDir,
    targets: &mut Targets<'_>,
    mount: &ListedMount,
) -> Result<OwnedFd, StepError> {
    let step = || format!("mount `{}`", mount.target.display());
    let ListedSource::Filesystem { kind, source, settings } = &mount.source else {
        return Err("it is no file system").step(step());
    };
    let covered = targets.mode_of(&mount.target);
    let (mut all, inherited) = (settings_of(settings), mode_for(kind, settings, covered));
    all.extend(inherited.as_deref().map(|mode| Setting::Text("mode", mode)));
    let first = if mount.copy_up { 0 } else { mount.attributes.set };
    let made = new_mount_of(kind, source, &all, first).step(step())?;
    if mount.copy_up {
        copy_up::fill(root, &mount.target, &made).step(step())?;
        // It may be read-only now.
        change(&made, mount.attributes, false).step(step())?;
    }
    change(&made, mount.below, true).step(step())?;
    attach(&made, place_of(kind, root, targets, &mount.target)?).step(step())?;
    if mount.propagation.is_some() {
        spread(&made, mount.propagation).step(step())?;
    }
    Ok(made)
}

/// The kernel's own file systems are where their names say, or else masks would cover something else.
fn place_of(
    kind: &str,
    root: &RootDir,
    targets: &mut Targets<'_>,
    target: &Path,
) -> Result<OwnedFd, StepError> {
    if !matches!(kind, "proc" | "sysfs") {
        return targets.place(target, true);
    }
    let step = || format!("mount `{}`", target.display());
    root.create_dir_all(target, 0o755).step(step())?;
    let directory = root.subdir_nofollow(target).step(step())?;
    directory.as_fd().try_clone_to_owned().step(step())
}

fn settings_of(settings: &[String]) -> Vec<Setting<'_>> {
    let words = settings.iter().map(|text| (text, text.split_once('=')));
    words
        .map(|(text, parts)| match parts {
            Some((name, value)) => Setting::Text(name, value),
            None => Setting::Flag(text),
        })
        .collect()
}

/// A tmpfs looks like the directory that it covers, unless it is told otherwise.
fn mode_for(kind: &str, settings: &[String], covered: Option<u32>) -> Option<String> {
    let told = settings.iter().any(|setting| setting.starts_with("mode="));
    (kind == "tmpfs" && !told).then_some(covered).flatten().map(|mode| format!("{mode:o}"))
}
