//! Bound directories whose later mounts are to be seen on the other side.
//!
//! This namespace's mounts follow the host's until they are made private; a copy made before goes on following
//! (`slave`). For `shared` the copy is made in the namespace of whoever started the zygote, where the original is.
use std::collections::HashMap;
use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::sched::{CloneFlags, setns};
use rustix::fs::{AtFlags, StatxFlags, statx};
use sys::RootDir;
use sys::mount::{MountChange, change_mount, clone_mount};

use super::open_place;
use crate::spec::{Mount, MountSource, PropagationKind, Submounts};
use crate::zygote::message::{Step, StepError};

/// Copies of the sources that are followed, by their position among the mounts.
pub(super) fn open_all(mounts: &[Mount]) -> Result<HashMap<usize, OwnedFd>, StepError> {
    let mut opened = HashMap::new();
    for (position, mount) in mounts.iter().enumerate() {
        let MountSource::Path { source, subpath, options } = &mount.source else { continue };
        let recursive = options.submounts != Submounts::Left;
        let open = || open_source(source, subpath.as_deref(), options.propagation.kind, recursive);
        let copy = match options.propagation.kind {
            PropagationKind::Private => continue,
            PropagationKind::Slave => open()?,
            PropagationKind::Shared => in_the_callers_namespace(open)?,
        };
        opened.insert(position, copy);
    }
    Ok(opened)
}

fn open_source(
    source: &Path,
    subpath: Option<&Path>,
    kind: PropagationKind,
    recursive: bool,
) -> Result<OwnedFd, StepError> {
    let step = || format!("follow mounts of `{}`", source.display());
    let mut place = open_place(source)?;
    if let Some(subpath) = subpath {
        place = RootDir::from_fd(place).place_fd(subpath).step(step())?;
    }
    let peers = peers(&place).step(step())?;
    let fits = match kind {
        PropagationKind::Private => true,
        PropagationKind::Slave => peers.contains("shared:") || peers.contains("master:"),
        PropagationKind::Shared => peers.contains("shared:"),
    };
    if !fits {
        return Err("it is not on a shared mount (`mount --make-shared` makes it one)")
            .step(step());
    }
    let copy = clone_mount(place, recursive).step(step())?;
    if kind == PropagationKind::Slave {
        let propagation = libc::MS_SLAVE;
        change_mount(&copy, MountChange { propagation, recursive, ..MountChange::default() })
            .step(step())?;
    }
    Ok(copy)
}

/// The optional fields of the mount that a place is on.
fn peers(place: &OwnedFd) -> std::io::Result<String> {
    let found = statx(place, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)?;
    let id = found.stx_mnt_id.to_string();
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let line = mounts.lines().find(|line| line.split(' ').next() == Some(&id));
    let optional = line.and_then(|line| line.split(" - ").next()).unwrap_or_default();
    Ok(optional.split(' ').skip(6).collect::<Vec<_>>().join(" "))
}

/// Goes there, and comes back.
fn in_the_callers_namespace(
    act: impl FnOnce() -> Result<OwnedFd, StepError>,
) -> Result<OwnedFd, StepError> {
    let step = "visit the host's mounts";
    let own = File::open("/proc/self/ns/mnt").step(step)?;
    let caller = parent("self").and_then(|zygote| parent(&zygote)).step(step)?;
    let theirs = File::open(format!("/proc/{caller}/ns/mnt")).step(step)?;
    setns(theirs.as_fd(), CloneFlags::CLONE_NEWNS).step(step)?;
    let result = act();
    setns(own.as_fd(), CloneFlags::CLONE_NEWNS).step(step)?;
    result
}

/// The parent of a process, as the host counts.
fn parent(process: &str) -> std::io::Result<String> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    Ok(parent.unwrap_or_default().trim().to_owned())
}
