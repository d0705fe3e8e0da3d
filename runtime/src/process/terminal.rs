//! Standard streams: the caller's descriptors, or a terminal from the container's own devpts.
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    FileType, Mode, OFlags, fchown, fcntl_getfl, fstat, fstatfs, makedev, mknodat, openat,
};
use rustix::process::{Gid, Uid};
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
    let terminal = open_in(devpts, (rows, columns), owner)?;

    let step = "make /dev/console";
    let dev = root.subdir_nofollow("dev").step(step)?;
    match mknodat(&dev, "console", FileType::RegularFile, Mode::from_raw_mode(0o600), 0) {
        // A /dev that is the image's own, which may have one.
        Err(rustix::io::Errno::EXIST) if launch.spec.listed.is_some() => {}
        made => made.step(step)?,
    }
    let place = dev.place_fd("console").step(step)?;
    attach(clone_mount(&terminal.far, false).step(step)?, place).step(step)?;
    Ok(Some(terminal))
}

/// Where the container has no devpts.
pub(super) fn none(launch: &Launch<'_>) -> Result<Option<Terminal>, StepError> {
    match launch.stdio {
        ChildStdio::Descriptors(_) => Ok(None),
        ChildStdio::Terminal { .. } => {
            Err("no `devpts` is mounted on /dev/pts").step("open a terminal")
        }
    }
}

/// A terminal of that devpts.
pub(super) fn open_in(
    devpts: impl AsFd,
    (rows, columns): (u16, u16),
    owner: u32,
) -> Result<Terminal, StepError> {
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
    Ok(Terminal { near, far })
}

/// Where pipes without a name live; those with a name are somebody's files.
const PIPEFS_MAGIC: i64 = 0x5049_5045;

/// Makes descriptors 0, 1 and 2. Pipes become the user's, so that opening /dev/stdout works. The
/// host's /dev/null becomes the container's, whose owner and mode are its own to change.
pub(super) fn connect(
    stdio: ChildStdio<'_>,
    terminal: Option<OwnedFd>,
    owner: u32,
) -> Result<(), StepError> {
    let step = "connect standard streams";
    match (stdio, &terminal) {
        (ChildStdio::Descriptors(descriptors), _) => {
            let mut own = [const { None }; 3];
            for (descriptor, own) in descriptors.iter().zip(&mut own) {
                let found = fstat(descriptor).step(step)?;
                let kind = FileType::from_raw_mode(found.st_mode);
                if kind == FileType::CharacterDevice && found.st_rdev == makedev(1, 3) {
                    *own = Some(reopen_null(*descriptor).step(step)?);
                } else if kind == FileType::Fifo
                    && fstatfs(descriptor).step(step)?.f_type == PIPEFS_MAGIC
                {
                    fchown(descriptor, Some(Uid::from_raw(owner)), None).step(step)?;
                }
            }
            let [stdin, stdout, stderr] =
                std::array::from_fn(|n| own[n].as_ref().map_or(descriptors[n], AsFd::as_fd));
            duplicate(stdin, stdout, stderr).step(step)
        }
        (ChildStdio::Terminal { .. }, Some(far)) => {
            rustix::process::ioctl_tiocsctty(far).step(step)?;
            duplicate(far.as_fd(), far.as_fd(), far.as_fd()).step(step)
        }
        (ChildStdio::Terminal { .. }, None) => Err("no terminal was made").step(step),
    }
}

/// Makes pipes root's of a user namespace, who can give them to whom they like.
pub(super) fn give_pipes(
    stdio: ChildStdio<'_>,
    (user, group): (Uid, Gid),
) -> Result<(), StepError> {
    let ChildStdio::Descriptors(descriptors) = stdio else { return Ok(()) };
    let step = "connect standard streams";
    for descriptor in descriptors {
        let kind = FileType::from_raw_mode(fstat(descriptor).step(step)?.st_mode);
        if kind == FileType::Fifo && fstatfs(descriptor).step(step)?.f_type == PIPEFS_MAGIC {
            fchown(descriptor, Some(user), Some(group)).step(step)?;
        }
    }
    Ok(())
}

/// The container's /dev/null, which was made there or checked to be that device.
fn reopen_null(like: BorrowedFd<'_>) -> rustix::io::Result<OwnedFd> {
    let access = fcntl_getfl(like)? & OFlags::ACCMODE;
    rustix::fs::open(c"/dev/null", access | OFlags::CLOEXEC | OFlags::NOCTTY, Mode::empty())
}

fn duplicate(stdin: impl AsFd, stdout: impl AsFd, stderr: impl AsFd) -> rustix::io::Result<()> {
    rustix::stdio::dup2_stdin(stdin)?;
    rustix::stdio::dup2_stdout(stdout)?;
    rustix::stdio::dup2_stderr(stderr)
}
