//! The nodes of a container's /dev.
use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, makedev, mkdirat, mknodat, openat};
use sys::mount::{attach, clone_mount};

use super::user_mounts;
use crate::zygote::message::{Step, StepError};

/// Name, major, minor; all are character devices that anybody may read and write.
pub(crate) const HARMLESS: [(&str, u32, u32); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

/// What BuildKit gives a RUN with `--security=insecure` besides, whether or not a driver is behind it.
const OF_MACHINE: [(&str, u32, u32); 6] = [
    ("kmsg", 1, 11),
    ("cuse", 10, 203),
    ("fuse", 10, 229),
    ("kvm", 10, 232),
    ("net/tun", 10, 200),
    ("loop-control", 10, 237),
];
const LOOP_MAJOR: u32 = 7;
/// Loop devices beyond those that the machine has: setting one up needs its node.
const MORE_LOOPS: u32 = 8;

pub(super) fn make_harmless(dev: &OwnedFd) -> Result<(), StepError> {
    for (name, major, minor) in HARMLESS {
        let device = Device { kind: FileType::CharacterDevice, name, major, minor };
        device.make(dev).step(format!("make /dev/{name}"))?;
    }
    Ok(())
}

/// Where this machine may not make nodes (inside another container), those that it does not have itself are left out.
pub(super) fn make_of_machine(dev: &OwnedFd) -> Result<(), StepError> {
    mkdirat(dev, "net", Mode::from_raw_mode(0o755)).step("make /dev/net")?;
    let kind = FileType::CharacterDevice;
    for (name, major, minor) in OF_MACHINE {
        Device { kind, name, major, minor }.make_if_there(dev)?;
    }
    for minor in 0..loops() + MORE_LOOPS {
        let name = format!("loop{minor}");
        let kind = FileType::BlockDevice;
        Device { kind, name: &name, major: LOOP_MAJOR, minor }.make_if_there(dev)?;
    }
    Ok(())
}

/// How many loop devices the machine has.
fn loops() -> u32 {
    let Ok(entries) = fs::read_dir("/sys/block") else { return 0 };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let numbers = names.filter_map(|name| name.strip_prefix("loop")?.parse::<u32>().ok());
    numbers.max().map_or(0, |last| last + 1)
}

struct Device<'a> {
    kind: FileType,
    name: &'a str,
    major: u32,
    minor: u32,
}

impl Device<'_> {
    fn make_if_there(&self, dev: &OwnedFd) -> Result<(), StepError> {
        match self.make(dev) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            made => made.step(format!("make /dev/{}", self.name)),
        }
    }

    /// A node; inside another container, which may not make nodes, the host's own mounted here.
    fn make(&self, dev: &OwnedFd) -> io::Result<()> {
        let mode = Mode::from_raw_mode(0o666);
        let number = makedev(self.major, self.minor);
        match mknodat(dev, self.name, self.kind, mode, number) {
            Err(rustix::io::Errno::PERM) => {}
            result => return Ok(result?),
        }
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let node = openat(CWD, format!("/dev/{}", self.name), flags, Mode::empty())?;
        if fstat(&node)?.st_rdev != number {
            return Err(io::Error::other(format!("the host's /dev/{} is not it", self.name)));
        }
        mknodat(dev, self.name, FileType::RegularFile, mode, 0)?;
        let place = openat(dev, self.name, flags, Mode::empty())?;
        let copy = clone_mount(&node, false)?;
        // The device can be written all the same; its owner and mode stay the host's.
        user_mounts::make_read_only(&copy, false)?;
        Ok(attach(copy, &place)?)
    }
}
