//! Signal dispositions, which survive fork and (when ignored) exec.
use crate::{Call, Result, SysError};

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
