//! Signal dispositions, which survive fork and (when ignored) exec.
use rustix::process::Signal;

use crate::{Call, Result, SysError};

/// Those that the kernel has besides the ones with names, and that the C library leaves to programs.
const REAL_TIME: std::ops::RangeInclusive<i32> = 34..=64;

/// The signal of this number, real-time signals included; none for the two that the C library keeps to itself.
pub fn by_number(number: i32) -> Option<Signal> {
    if REAL_TIME.contains(&number) {
        // SAFETY: not zero, and not one of the C library's own.
        return Some(unsafe { Signal::from_raw_unchecked(number) });
    }
    Signal::from_named_raw(number)
}

/// The kernel's signal action: all-zero means the default one.
#[repr(C)]
struct Action {
    handler: usize,
    flags: u64,
    restorer: usize,
    mask: u64,
}

/// Gives every signal its default action and unblocks all: what a program expects to start with.
/// (Rust's runtime ignores SIGPIPE, for one.) By system call, because the C library keeps two
/// signals to itself, which may have been inherited ignored.
pub fn reset_all() -> Result<()> {
    let default = Action { handler: libc::SIG_DFL, flags: 0, restorer: 0, mask: 0 };
    for signal in 1..=64 {
        // SAFETY: installs no handler; the action has the kernel's layout and the mask's size is
        // passed. SIGKILL and SIGSTOP answer with an error, which is right.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                &raw const default,
                std::ptr::null_mut::<Action>(),
                std::mem::size_of::<u64>(),
            )
        };
    }
    // SAFETY: the set is initialised by sigemptyset before it is read.
    let result = unsafe {
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut())
    };
    if result == 0 {
        return Ok(());
    }
    Err(SysError::new(Call::new("sigprocmask"), std::io::Error::last_os_error()))
}

/// Ignores these signals in this process and its future children.
pub fn ignore(signals: &[i32]) {
    for signal in signals {
        // SAFETY: SIG_IGN installs no handler.
        unsafe { libc::signal(*signal, libc::SIG_IGN) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_numbers() {
        for number in [1, 9, 31, 34, 64] {
            assert_eq!(by_number(number).map(Signal::as_raw), Some(number));
        }
        for number in [-1, 0, 32, 33, 65] {
            assert_eq!(by_number(number), None);
        }
    }
}
