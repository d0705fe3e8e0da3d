//! Parts of /proc and /sys that are hidden or read-only: as Docker has them, or as they are listed.
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, StatxFlags, fstat, makedev, statx};
use sys::RootDir;
use sys::mount::{Setting, attach, clone_mount, new_mount};

use super::base_mounts::BaseMounts;
use super::user_mounts;
use crate::zygote::message::{Step, StepError};

pub(crate) const MASKED: [&str; 12] = [
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

pub(crate) const READ_ONLY: [&str; 5] =
    ["proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger"];

const EMPTY: u64 = libc::MOUNT_ATTR_RDONLY
    | libc::MOUNT_ATTR_NOSUID
    | libc::MOUNT_ATTR_NODEV
    | libc::MOUNT_ATTR_NOEXEC;

pub(super) fn mask_all(root: &RootDir, base: &BaseMounts) -> Result<(), StepError> {
    let masked: Vec<PathBuf> =
        MASKED.iter().map(PathBuf::from).chain(thermal_throttles()).collect();
    let views = Views::new(root, [("proc", Some(&base.proc)), ("sys", Some(&base.sys))])?;
    cover(&views, &masked, &READ_ONLY.map(PathBuf::from))
}

/// Where paths are looked for. Those of file systems that are the container's own beyond doubt are looked for in them: whoever
/// exchanges the directories they are mounted on meanwhile would have them left uncovered.
pub(super) struct Views<'a> {
    root: &'a RootDir,
    own: Vec<View>,
}

struct View {
    name: &'static str,
    tree: RootDir,
    /// Something else is mounted there now, which has such paths too.
    hidden: bool,
}

impl<'a> Views<'a> {
    pub(super) fn new(
        root: &'a RootDir,
        own: [(&'static str, Option<&OwnedFd>); 2],
    ) -> Result<Views<'a>, StepError> {
        let mut views = Views { root, own: Vec::new() };
        for (name, mount) in own {
            let Some(mount) = mount else { continue };
            let step = || format!("look into /{name}");
            let seen = root.subdir(name).ok().and_then(|seen| mount_id(&seen).ok());
            let hidden = seen != Some(mount_id(mount).step(step())?);
            let tree = RootDir::from_fd(mount.try_clone().step(step())?);
            views.own.push(View { name, tree, hidden });
        }
        Ok(views)
    }

    /// What exists by this name.
    fn places(&self, path: &Path) -> sys::Result<Vec<OwnedFd>> {
        let path = path.strip_prefix("/").unwrap_or(path);
        let view = self.own.iter().find(|view| path.starts_with(view.name));
        let mut places = Vec::new();
        if let Some(View { name, tree, .. }) = view {
            places.extend(existing(tree, path.strip_prefix(name).unwrap_or(path))?);
        }
        if view.is_none_or(|view| view.hidden) {
            places.extend(existing(self.root, path)?);
        }
        Ok(places)
    }
}

fn mount_id(place: impl AsFd) -> rustix::io::Result<u64> {
    Ok(statx(place, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)?.stx_mnt_id)
}

/// Covers what exists: files by the host's /dev/null, directories by one empty tmpfs. Both are
/// read-only: the device works nevertheless, but its owner and mode stay the host's to change.
pub(super) fn cover(
    views: &Views<'_>,
    masked: &[PathBuf],
    unwritable: &[PathBuf],
) -> Result<(), StepError> {
    // Opened in this mount namespace: the zygote's cannot be mounted here.
    let device = open_null().step("open /dev/null")?;
    // Once attached they can be copied; before Linux 6.15 what is attached nowhere cannot.
    let (mut null, mut empty) = (None, None);
    for path in masked {
        let step = || format!("mask `{}`", path.display());
        for place in views.places(path).step(step())? {
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
    }
    for path in unwritable {
        let step = || format!("make `{}` read-only", path.display());
        for place in views.places(path).step(step())? {
            let copy = clone_mount(&place, true).step(step())?;
            user_mounts::make_read_only(&copy, true).step(step())?;
            attach(copy, place).step(step())?;
        }
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
