//! Root filesystems and other trees: overlays of snapshots, or directories.
use std::fmt::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, open};
use sys::mount::{MountChange, Setting, attach, change_mount, clone_mount, detach, new_mount};

use super::{Launch, open_place};
use crate::spec::Rootfs;
use crate::zygote::message::{Step, StepError};

const STEP: &str = "mount overlay";

/// Mounts `tree` on the mount point of this name and returns its root.
pub(super) fn mount(launch: &Launch<'_>, tree: &Rootfs, name: &str) -> Result<OwnedFd, StepError> {
    let target = launch.mountpoint(name);
    let root = match tree {
        Rootfs::Directory { path, read_only } => mount_directory(path, *read_only, &target)?,
        Rootfs::Overlay { lowers, upper: None, .. } if lowers.len() == 1 => {
            mount_directory(&lowers[0], true, &target)?
        }
        Rootfs::Overlay { lowers, upper, work, volatile } => {
            let empty = launch.mountpoint("empty");
            let layers = Layers::open(lowers, upper.as_deref(), work.as_deref(), &empty)?;
            mount_overlay(&layers, *volatile && upper.is_some(), &target)?
        }
    };
    if launch.withhold_devices() {
        let no_devices =
            MountChange { set: libc::MOUNT_ATTR_NODEV, recursive: true, ..MountChange::default() };
        change_mount(&root, no_devices).step(STEP)?;
    }
    Ok(root)
}

fn mount_directory(path: &Path, read_only: bool, target: &Path) -> Result<OwnedFd, StepError> {
    let step = || format!("mount directory `{}`", path.display());
    let root = clone_mount(open_place(path)?, true).step(step())?;
    if read_only {
        super::user_mounts::make_read_only(&root, true).step(step())?;
    }
    attach(&root, open_place(target)?).step(step())?;
    Ok(root)
}

/// The directories of an overlay, opened: their paths are never given to the kernel, which limits
/// the length of options.
pub(super) struct Layers {
    lowers: Vec<OwnedFd>,
    upper: Option<(OwnedFd, OwnedFd)>,
}

impl Layers {
    /// Directories that are open already.
    pub(super) fn of_opened(lowers: Vec<OwnedFd>, upper: Option<(OwnedFd, OwnedFd)>) -> Layers {
        Layers { lowers, upper }
    }

    fn open(
        lowers: &[PathBuf],
        upper: Option<&Path>,
        work: Option<&Path>,
        empty: &Path,
    ) -> Result<Layers, StepError> {
        let mut opened: Vec<OwnedFd> =
            lowers.iter().map(|path| open_place(path)).collect::<Result<_, _>>()?;
        if opened.is_empty() {
            opened.push(open_place(empty)?);
        }
        let upper = match (upper, work) {
            (Some(upper), Some(work)) => Some((open_place(upper)?, open_place(work)?)),
            _ => None,
        };
        Ok(Layers { lowers: opened, upper })
    }
}

/// Snapshots are plain trees: features that leave marks in the upper directory are off.
const FEATURES: [(&str, &str); 3] =
    [("redirect_dir", "off"), ("metacopy", "off"), ("index", "off")];

/// By descriptors (Linux 6.13), else by one short path a layer (6.7), else by mount(2).
fn mount_overlay(layers: &Layers, volatile: bool, target: &Path) -> Result<OwnedFd, StepError> {
    match by_new_calls(layers, volatile).step(STEP)? {
        Some(root) => {
            attach(&root, open_place(target)?).step(STEP)?;
            Ok(root)
        }
        None => {
            by_mount(layers, volatile, target).step(STEP)?;
            open_place(target)
        }
    }
}

/// None where only mount(2) can do it.
fn by_new_calls(layers: &Layers, volatile: bool) -> sys::Result<Option<OwnedFd>> {
    // Other settings are refused for reasons of their own, which are worth reporting.
    let refused = |result: &sys::Result<OwnedFd>, errno: i32| {
        result.as_ref().is_err_and(|error| {
            error.errno() == Some(errno) && error.call.to_string().contains("lowerdir+")
        })
    };
    let mut mounted = by_descriptors(layers, volatile);
    // What a file system says that the new mount calls know only as a list of strings.
    let mut old = refused(&mounted, libc::EOPNOTSUPP);
    if refused(&mounted, libc::EINVAL) {
        mounted = by_short_paths(layers, volatile);
        old = refused(&mounted, libc::EINVAL);
    }
    if old { Ok(None) } else { mounted.map(Some) }
}

/// An overlay that is written to and need not survive a crash of the machine.
pub(crate) fn mount_layers(
    lowers: Vec<OwnedFd>,
    upper: (OwnedFd, OwnedFd),
    target: &Path,
) -> Result<OwnedFd, StepError> {
    mount_overlay(&Layers::of_opened(lowers, Some(upper)), true, target)
}

/// The same mounted nowhere; `aside` is where mount(2), which mounts somewhere, does it first.
pub(super) fn mount_nowhere(
    layers: &Layers,
    volatile: bool,
    aside: &Path,
) -> Result<OwnedFd, StepError> {
    let volatile = volatile && layers.upper.is_some();
    if let Some(root) = by_new_calls(layers, volatile).step(STEP)? {
        return Ok(root);
    }
    by_mount(layers, volatile, aside).step(STEP)?;
    let copy = open_place(aside).and_then(|root| clone_mount(root, false).step(STEP));
    detach(aside).step(STEP)?;
    copy
}

fn common_settings(volatile: bool) -> Vec<Setting<'static>> {
    let mut settings: Vec<_> =
        FEATURES.iter().map(|(key, value)| Setting::Text(key, value)).collect();
    if volatile {
        settings.push(Setting::Flag("volatile"));
    }
    settings
}

fn by_descriptors(layers: &Layers, volatile: bool) -> sys::Result<OwnedFd> {
    let mut settings = common_settings(volatile);
    for lower in &layers.lowers {
        settings.push(Setting::Descriptor("lowerdir+", lower.as_fd()));
    }
    if let Some((upper, work)) = &layers.upper {
        settings.push(Setting::Descriptor("upperdir", upper.as_fd()));
        settings.push(Setting::Descriptor("workdir", work.as_fd()));
    }
    new_mount("overlay", &settings, 0)
}

fn by_short_paths(layers: &Layers, volatile: bool) -> sys::Result<OwnedFd> {
    let path = |fd: &OwnedFd| format!("/proc/self/fd/{}", fd.as_raw_fd());
    let lowers: Vec<String> = layers.lowers.iter().map(path).collect();
    let upper = layers.upper.as_ref().map(|(upper, work)| (path(upper), path(work)));
    let mut settings = common_settings(volatile);
    settings.extend(lowers.iter().map(|lower| Setting::Text("lowerdir+", lower)));
    if let Some((upper, work)) = &upper {
        settings.push(Setting::Text("upperdir", upper));
        settings.push(Setting::Text("workdir", work));
    }
    new_mount("overlay", &settings, 0)
}

/// Options are limited to a page: 500 layers fit as numbers, seen from /proc/self/fd.
fn by_mount(layers: &Layers, volatile: bool, target: &Path) -> sys::Result<()> {
    let mut options = String::from("lowerdir=");
    for (position, lower) in layers.lowers.iter().enumerate() {
        let separator = if position == 0 { "" } else { ":" };
        let _ = write!(options, "{separator}{}", lower.as_raw_fd());
    }
    if let Some((upper, work)) = &layers.upper {
        let _ = write!(options, ",upperdir={},workdir={}", upper.as_raw_fd(), work.as_raw_fd());
    }
    for (key, value) in FEATURES {
        let _ = write!(options, ",{key}={value}");
    }
    if volatile {
        options.push_str(",volatile");
    }
    let failed = |errno| sys::SysError::new(sys::Call::new("chdir").path("/proc/self/fd"), errno);
    // Whoever starts several containers is still needed where it is.
    let before = open(c".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
    rustix::process::chdir(c"/proc/self/fd").map_err(failed)?;
    let mounted = sys::mount::mount_by_path("overlay", target, &options);
    rustix::process::fchdir(before).map_err(failed)?;
    mounted
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Each way in a child process with a mount namespace of its own.
    #[test]
    fn every_way_mounts_the_same_tree() {
        if !rustix::process::geteuid().is_root() {
            return println!("skipped: needs root");
        }
        for way in 0..3 {
            let directory = tempfile::tempdir().unwrap();
            let path = |name: &str| directory.path().join(name);
            for name in ["top", "bottom", "upper", "work", "target"] {
                fs::create_dir(path(name)).unwrap();
            }
            fs::write(path("top/a"), "top").unwrap();
            fs::write(path("bottom/a"), "bottom").unwrap();
            let lowers = [path("top"), path("bottom")];
            let upper = (path("upper"), path("work"));
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    // A thread of its own may leave the others' mount namespace.
                    nix::sched::unshare(
                        nix::sched::CloneFlags::CLONE_NEWNS | nix::sched::CloneFlags::CLONE_FS,
                    )
                    .unwrap();
                    let all = rustix::mount::MountPropagationFlags::PRIVATE
                        | rustix::mount::MountPropagationFlags::REC;
                    rustix::mount::mount_change("/", all).unwrap();
                    let layers =
                        Layers::open(&lowers, Some(&upper.0), Some(&upper.1), &path("none"))
                            .unwrap_or_else(|error| panic!("{error:?}"));
                    let result = match way {
                        0 => by_descriptors(&layers, true)
                            .and_then(|root| attach(root, open_target(&path("target")))),
                        1 => by_short_paths(&layers, true)
                            .and_then(|root| attach(root, open_target(&path("target")))),
                        _ => by_thread_mount(&layers, &path("target")),
                    };
                    if let Err(error) = result {
                        return println!("way {way}: this kernel cannot: {error}");
                    }
                    assert_eq!(fs::read_to_string(path("target/a")).unwrap(), "top");
                    fs::write(path("target/b"), "new").unwrap();
                });
            });
            println!("way {way}: {:?}", fs::read_to_string(path("upper/b")));
        }
    }

    fn open_target(path: &Path) -> OwnedFd {
        open_place(path).unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// In a thread, `/proc/self/fd` belongs to the main thread, whose descriptors are the same.
    fn by_thread_mount(layers: &Layers, target: &Path) -> sys::Result<()> {
        by_mount(layers, true, target)
    }
}
