//! [`spawn_child`]: fork with namespaces, for a process that has a single thread.
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{Call, Result, SysError};

/// libc's constant of this name is too narrow for its value.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// A process started by [`spawn_child`]. It must be waited for by its descriptor.
#[derive(Debug)]
pub struct Child {
    /// In the caller's PID namespace.
    pub pid: i32,
    pub pidfd: OwnedFd,
}

/// How many threads this process has.
pub fn thread_count() -> Result<usize> {
    let path = "/proc/self/task";
    // It has a directory for each, and as any directory two links besides: cheaper to ask for than to read.
    if std::fs::metadata(path).is_ok_and(|directory| directory.nlink() == 3) {
        return Ok(1);
    }
    let failed = |source| SysError::new(Call::new("readdir").path(path), source);
    Ok(std::fs::read_dir(path).map_err(failed)?.count())
}

/// Runs `body` in a new process made by `clone3` with these `CLONE_NEW*` flags, born in `cgroup`
/// if one is given. The process ends with the value of `body`; a panic in it gives 101.
///
/// Refused with `EBUSY` when this process has more than one thread: the child of a threaded
/// process finds locks held by threads that do not exist in it.
pub fn spawn_child(
    flags: i32,
    cgroup: Option<BorrowedFd<'_>>,
    body: impl FnOnce() -> u8,
) -> Result<Child> {
    spawn(flags, libc::SIGCHLD, cgroup, body)
}

/// As [`spawn_child`], of a process that is the child of our own parent: who has entered another namespace on the way can
/// hand it to the one who cannot.
pub fn spawn_sibling(
    flags: i32,
    cgroup: Option<BorrowedFd<'_>>,
    body: impl FnOnce() -> u8,
) -> Result<Child> {
    // It ends with the signal that we end with.
    spawn(flags | libc::CLONE_PARENT, 0, cgroup, body)
}

fn spawn(
    flags: i32,
    exit_signal: i32,
    cgroup: Option<BorrowedFd<'_>>,
    body: impl FnOnce() -> u8,
) -> Result<Child> {
    let call = || Call::new("clone3").text(format_args!("{flags:#x}"));
    if thread_count()? != 1 {
        return Err(SysError::new(call(), rustix::io::Errno::BUSY));
    }
    let mut pidfd: libc::c_int = -1;
    // SAFETY: all-zero is a valid `clone_args`.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags as u64 | libc::CLONE_PIDFD as u64;
    args.pidfd = (&raw mut pidfd) as u64;
    args.exit_signal = exit_signal as u64;
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: without CLONE_VM and with stack 0 this is a fork: the child continues here on a copy
    // of the memory. The process has a single thread (checked above), so no lock is left held by a
    // thread that the child lacks. `args` outlives the call and its size is passed.
    let pid = unsafe {
        libc::syscall(libc::SYS_clone3, &raw mut args, std::mem::size_of::<libc::clone_args>())
    };
    match pid {
        0 => {
            let code = catch_unwind(AssertUnwindSafe(body)).unwrap_or(101);
            // SAFETY: ends the process at once; no destructor or exit handler of the parent's runs.
            unsafe { libc::_exit(i32::from(code)) }
        }
        pid if pid > 0 => {
            // SAFETY: on success the kernel stored a descriptor that nobody else owns.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Child { pid: pid as i32, pidfd })
        }
        _ => Err(SysError::new(call(), std::io::Error::last_os_error())),
    }
}

/// Closes one descriptor that is a copy of the parent's, for a child that is to hear when the parent has closed it, too. The value that
/// owns it must not be used or dropped afterwards, which in a child that ends without destructors it is not.
pub fn close_copy(fd: BorrowedFd<'_>) -> Result<()> {
    let number = fd.as_raw_fd() as u32;
    close_range(number, number, 0)
}

/// Closes every descriptor but the first three and `keep`: for a child that shares nothing else
/// with its parent. Values owning other descriptors must not be used or dropped afterwards.
pub fn close_all_except(keep: &[BorrowedFd<'_>]) -> Result<()> {
    close_from_except(3, keep)
}

/// The same, where descriptors below `lowest` are kept too.
pub fn close_from_except(lowest: u32, keep: &[BorrowedFd<'_>]) -> Result<()> {
    let mut kept: Vec<u32> = keep.iter().map(|fd| fd.as_raw_fd() as u32).collect();
    kept.sort_unstable();
    let mut first = lowest;
    for fd in kept.into_iter().filter(|fd| *fd >= lowest) {
        if fd > first {
            close_range(first, fd - 1, 0)?;
        }
        first = fd + 1;
    }
    close_range(first, u32::MAX, 0)
}

/// Marks every descriptor from `lowest` on to be closed by exec.
pub fn close_others_on_exec(lowest: u32) -> Result<()> {
    close_range(lowest, u32::MAX, libc::CLOSE_RANGE_CLOEXEC)
}

fn close_range(first: u32, last: u32, flags: u32) -> Result<()> {
    // SAFETY: takes integers only. What is closed is the concern of the functions above.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
    if result == 0 {
        return Ok(());
    }
    let call = Call::new("close_range").text(first).text(last).text(flags);
    Err(SysError::new(call, std::io::Error::last_os_error()))
}
