//! Standard streams: the caller's descriptors, or a terminal from the container's own devpts.
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, fchown, fstat, mknodat, openat};
use rustix::process::Uid;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use sys::RootDir;
use sys::mount::{attach, clone_mount};

use super::{ChildStdio, Launch};
use crate::zygote::message::{Step, StepError};

/// The major number of pseudo-terminals; devpts is theirs alone.
const TERMINAL_MAJOR: u32 = 136;

#[derive(Debug)]
pub(super) struct Terminal {
    /// Goes to the caller.
    pub(super) near: OwnedFd,
    /// Becomes the container's standard streams and /dev/console.
    pub(super) far: OwnedFd,
}

/// Makes the terminal if the container wants one. The far end is opened through the near end and
/// mounted by descriptor, so that no path can be swapped in between.
pub(super) fn open(
    launch: &Launch<'_>,
    root: &RootDir,
    devpts: &OwnedFd,
    owner: u32,
) -> Result<Option<Terminal>, StepError> {
    let ChildStdio::Terminal { rows, columns } = launch.stdio else { return Ok(None) };
    let step = "open a terminal";
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let near = openat(devpts, "ptmx", flags, Mode::empty()).step(step)?;
    unlockpt(&near).step(step)?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let far = ioctl_tiocgptpeer(&near, flags).step(step)?;
    let found = fstat(&far).step(step)?;
    if rustix::fs::major(found.st_rdev) != TERMINAL_MAJOR {
        return Err("it is no pseudo-terminal").step(step);
    }
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&near, size).step(step)?;
    fchown(&far, Some(Uid::from_raw(owner)), None).step(step)?;

    let step = "make /dev/console";
    let dev = root.subdir_nofollow("dev").step(step)?;
    mknodat(&dev, "console", FileType::RegularFile, Mode::from_raw_mode(0o600), 0).step(step)?;
    let place = dev.place_fd("console").step(step)?;
    attach(clone_mount(&far, false).step(step)?, place).step(step)?;
    Ok(Some(Terminal { near, far }))
}

/// Makes descriptors 0, 1 and 2. Pipes become the user's, so that opening /dev/stdout works.
pub(super) fn connect(
    stdio: ChildStdio<'_>,
    terminal: Option<OwnedFd>,
    owner: u32,
) -> Result<(), StepError> {
    let step = "connect standard streams";
    match (stdio, &terminal) {
        (ChildStdio::Descriptors(descriptors), _) => {
            for descriptor in descriptors {
                let mode = fstat(descriptor).step(step)?.st_mode;
                if FileType::from_raw_mode(mode) == FileType::Fifo {
                    fchown(descriptor, Some(Uid::from_raw(owner)), None).step(step)?;
                }
            }
            let [stdin, stdout, stderr] = descriptors;
            duplicate(stdin, stdout, stderr).step(step)
        }
        (ChildStdio::Terminal { .. }, Some(far)) => {
            rustix::process::ioctl_tiocsctty(far).step(step)?;
            duplicate(far.as_fd(), far.as_fd(), far.as_fd()).step(step)
        }
        (ChildStdio::Terminal { .. }, None) => Err("no terminal was made").step(step),
    }
}

fn duplicate(stdin: impl AsFd, stdout: impl AsFd, stderr: impl AsFd) -> rustix::io::Result<()> {
    rustix::stdio::dup2_stdin(stdin)?;
    rustix::stdio::dup2_stdout(stdout)?;
    rustix::stdio::dup2_stderr(stderr)
}
