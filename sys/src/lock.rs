//! Locks on single bytes of a file.
use std::os::fd::{AsFd, AsRawFd};

use crate::{Call, Result, SysError};

/// Locks one byte, which need not exist, for whoever holds `file` or a copy of it: until the last of them is closed.
/// False if another opening of the file has it locked.
pub fn try_lock_byte(file: impl AsFd, byte: u64) -> Result<bool> {
    let range = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        // The highest bit would be a sign.
        l_start: (byte & i64::MAX as u64) as libc::off_t,
        l_len: 1,
        l_pid: 0,
    };
    // SAFETY: the structure is initialised, outlives the call and is what this command takes.
    let result =
        unsafe { libc::fcntl(file.as_fd().as_raw_fd(), libc::F_OFD_SETLK, &raw const range) };
    if result == 0 {
        return Ok(true);
    }
    let error = std::io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EAGAIN | libc::EACCES) => Ok(false),
        _ => Err(SysError::new(Call::new("fcntl").fd(file).text("F_OFD_SETLK"), error)),
    }
}
