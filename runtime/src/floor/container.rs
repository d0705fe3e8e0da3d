//! The bare calls by which a process becomes a container that is as locked down as ours.
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::sched::{CloneFlags, unshare};
use rustix::fs::{FileType, Mode, OFlags, makedev, mkdirat, mknodat, openat, symlinkat};
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::thread::{self, CapabilitySet as Bits, CapabilitySets};
use sys::mount::{MountChange, Setting, attach, change_mount, clone_mount, new_mount};
use sys::seccomp::{Flags, Instruction, install};

use super::{Tree, open};
use crate::capabilities::CapabilitySet;
use crate::phases::{Phase, Phases};
use crate::process::{HARMLESS, LINKS, MASKED, READ_ONLY, mount_layers};

/// Those that end here.
pub(super) const PHASES: [Phase; 7] = [
    Phase::Clone,
    Phase::Apart,
    Phase::Rootfs,
    Phase::Base,
    Phase::Cover,
    Phase::Root,
    Phase::Privileges,
];

const QUIET: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC;

pub(super) fn become_one(tree: &Tree, filter: &[Instruction], phases: &Phases) -> io::Result<()> {
    phases.end(Phase::Clone);
    rustix::process::setsid()?;
    unshare(CloneFlags::CLONE_NEWCGROUP)?;
    phases.end(Phase::Apart);
    let root = overlay(tree)?;
    phases.end(Phase::Rootfs);
    base(&root)?;
    phases.end(Phase::Base);
    cover(&root)?;
    phases.end(Phase::Cover);
    sys::mount::change_root(&root)?;
    phases.end(Phase::Root);
    lose_privileges(filter)?;
    phases.end(Phase::Privileges);
    Ok(())
}

fn overlay(tree: &Tree) -> io::Result<OwnedFd> {
    mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let lowers = vec![open(&tree.lower)?];
    let upper = (open(&tree.place.join("upper"))?, open(&tree.place.join("work"))?);
    // As this kernel has it: the ways differ.
    mount_layers(lowers, upper, &tree.lower)
        .map_err(|error| io::Error::other(format!("{}: {}", error.step, error.cause)))
}

fn inside(root: &OwnedFd, path: &str) -> io::Result<OwnedFd> {
    Ok(openat(root, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)
}

fn mount(
    root: &OwnedFd,
    kind: &'static str,
    target: &str,
    settings: &[Setting<'_>],
    attributes: u64,
) -> io::Result<OwnedFd> {
    let mounted = new_mount(kind, settings, attributes)?;
    attach(&mounted, inside(root, target)?)?;
    Ok(mounted)
}

fn base(root: &OwnedFd) -> io::Result<()> {
    mount(root, "proc", "proc", &[], QUIET)?;
    let dev =
        mount(root, "tmpfs", "dev", &[Setting::Text("mode", "755")], libc::MOUNT_ATTR_NOSUID)?;
    let mode = Mode::from_raw_mode(0o666);
    for (name, major, minor) in HARMLESS {
        mknodat(&dev, name, FileType::CharacterDevice, mode, makedev(major, minor))?;
    }
    for (name, target) in LINKS {
        symlinkat(target, &dev, name)?;
    }
    for name in ["pts", "mqueue", "shm"] {
        mkdirat(&dev, name, Mode::from_raw_mode(0o755))?;
    }
    mount(&dev, "devpts", "pts", &[Setting::Text("ptmxmode", "0666")], QUIET)?;
    mount(&dev, "mqueue", "mqueue", &[], QUIET)?;
    mount(&dev, "tmpfs", "shm", &[Setting::Text("mode", "1777")], QUIET)?;
    mount(root, "sysfs", "sys", &[], QUIET | libc::MOUNT_ATTR_RDONLY)?;
    // Not every kernel has it.
    let _without = mount(root, "cgroup2", "sys/fs/cgroup", &[], QUIET | libc::MOUNT_ATTR_RDONLY);
    Ok(())
}

/// One empty file and one empty directory for all that is hidden; a copy of itself for what is read-only.
fn cover(root: &OwnedFd) -> io::Result<()> {
    let read_only =
        MountChange { set: libc::MOUNT_ATTR_RDONLY, recursive: true, ..MountChange::default() };
    let null = clone_mount(open(Path::new("/dev/null"))?, false)?;
    let empty = new_mount("tmpfs", &[], QUIET | libc::MOUNT_ATTR_RDONLY)?;
    let (mut null, mut empty) = (Some(null), Some(empty));
    let (mut first_file, mut first_directory) = (None, None);
    for path in MASKED {
        let Ok(place) = inside(root, path) else { continue };
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&place)?.st_mode);
        let (fresh, first) = match kind {
            FileType::Directory => (&mut empty, &mut first_directory),
            _ => (&mut null, &mut first_file),
        };
        let cover = match (fresh.take(), &*first) {
            (Some(fresh), _) => fresh,
            (None, Some(first)) => clone_mount(first, false)?,
            (None, None) => continue,
        };
        attach(&cover, place)?;
        first.get_or_insert(cover);
    }
    for path in READ_ONLY {
        let Ok(place) = inside(root, path) else { continue };
        let copy = clone_mount(&place, true)?;
        change_mount(&copy, read_only)?;
        attach(copy, place)?;
    }
    Ok(())
}

fn lose_privileges(filter: &[Instruction]) -> io::Result<()> {
    rustix::system::sethostname(b"floor")?;
    sys::interface::bring_loopback_up()?;
    install(filter, Flags::default())?;
    let kept = Bits::from_bits_retain(CapabilitySet::docker_default().bits());
    for number in 0..u64::BITS - 1 {
        let capability = Bits::from_bits_retain(1 << number);
        if !kept.contains(capability) {
            // Beyond the last one that this kernel knows.
            let Ok(()) = thread::remove_capability_from_bounding_set(capability) else { break };
        }
    }
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: Bits::empty() };
    Ok(thread::set_capabilities(None, sets)?)
}
