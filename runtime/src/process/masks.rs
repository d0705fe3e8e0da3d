//! Parts of /proc and /sys that are hidden or read-only: as Docker has them, or as they are listed.
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, fstat, makedev};
use sys::RootDir;
use sys::mount::{Setting, attach, clone_mount, new_mount};

use super::user_mounts;
use crate::zygote::message::{Step, StepError};

const MASKED: [&str; 12] = [
    "proc/acpi",
    "proc/asound",
    "proc/interrupts",
    "proc/kcore",
    "proc/keys",
    "proc/latency_stats",
    "proc/sched_debug",
    "proc/scsi",
    "proc/timer_list",
    "proc/timer_stats",
    "sys/devices/virtual/powercap",
    "sys/firmware",
];

const READ_ONLY: [&str; 5] = ["proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger"];

const EMPTY: u64 = libc::MOUNT_ATTR_RDONLY
    | libc::MOUNT_ATTR_NOSUID
    | libc::MOUNT_ATTR_NODEV
    | libc::MOUNT_ATTR_NOEXEC;

pub(super) fn mask_all(root: &RootDir) -> Result<(), StepError> {
    let masked: Vec<PathBuf> =
        MASKED.iter().map(PathBuf::from).chain(thermal_throttles()).collect();
    cover(root, &masked, &READ_ONLY.map(PathBuf::from))
}

/// Covers what exists: files by the host's /dev/null, directories by one empty tmpfs. Both are
/// read-only: the device works nevertheless, but its owner and mode stay the host's to change.
pub(super) fn cover(
    root: &RootDir,
    masked: &[PathBuf],
    unwritable: &[PathBuf],
) -> Result<(), StepError> {
    // Opened in this mount namespace: the zygote's cannot be mounted here.
    let device = open_null().step("open /dev/null")?;
    // Once attached they can be copied; before Linux 6.15 what is attached nowhere cannot.
    let (mut null, mut empty) = (None, None);
    for path in masked {
        let step = || format!("mask `{}`", path.display());
        let Some(place) = existing(root, path).step(step())? else { continue };
        let mode = fstat(&place).step(step())?.st_mode;
        let is_dir = FileType::from_raw_mode(mode) == FileType::Directory;
        let first = if is_dir { &mut empty } else { &mut null };
        let cover = match (&first, is_dir) {
            (Some(first), _) => clone_mount(first, false),
            (None, true) => new_mount("tmpfs", &[Setting::Text("size", "4k")], EMPTY),
            (None, false) => read_only_null(&device),
        }
        .step(step())?;
        attach(&cover, place).step(step())?;
        first.get_or_insert(cover);
    }
    for path in unwritable {
        let step = || format!("make `{}` read-only", path.display());
        let Some(place) = existing(root, path).step(step())? else { continue };
        let copy = clone_mount(&place, true).step(step())?;
        user_mounts::make_read_only(&copy, true).step(step())?;
        attach(copy, place).step(step())?;
    }
    Ok(())
}

fn read_only_null(device: &OwnedFd) -> sys::Result<OwnedFd> {
    let copy = clone_mount(device, false)?;
    user_mounts::make_read_only(&copy, false)?;
    Ok(copy)
}

/// Nothing that is there stays uncovered because it could not be opened.
fn existing(root: &RootDir, path: &Path) -> sys::Result<Option<OwnedFd>> {
    match root.place_fd(path) {
        Err(error) if matches!(error.errno(), Some(libc::ENOENT | libc::ENOTDIR)) => Ok(None),
        other => other.map(Some),
    }
}

/// One for each processor of the host that has them.
fn thermal_throttles() -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir("/sys/devices/system/cpu") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| {
            name.strip_prefix("cpu").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
        })
        .map(|name| format!("sys/devices/system/cpu/{name}/thermal_throttle").into())
        .collect()
}

/// The host's /dev/null, and nothing that someone put there.
pub(crate) fn open_null() -> io::Result<OwnedFd> {
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    let found = fstat(&null)?;
    let is_device = FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice;
    if is_device && found.st_rdev == makedev(1, 3) {
        return Ok(null);
    }
    Err(io::Error::other("/dev/null is not the null device"))
}
