//! Signal dispositions, which survive fork and (when ignored) exec.
use crate::{Call, Result, SysError};

/// Gives every signal its default action and unblocks all: what a program expects to start with.
/// (Rust's runtime ignores SIGPIPE, for one.)
pub fn reset_all() -> Result<()> {
    for signal in 1..=64 {
        // SAFETY: SIG_DFL installs no handler. SIGKILL, SIGSTOP and the C library's own two answer
        // with an error, which is right.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
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
