//! Session keyrings.
use crate::{Call, Result, SysError};

const KEYCTL_JOIN_SESSION_KEYRING: libc::c_long = 1;

const KEYCTL_GET_KEYRING_ID: libc::c_long = 0;
const KEY_SPEC_SESSION_KEYRING: libc::c_long = -3;

/// The number of this process's session keyring.
pub fn session() -> Result<i32> {
    // SAFETY: takes integers only.
    let result = unsafe {
        libc::syscall(libc::SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0)
    };
    if result >= 0 {
        return Ok(result as i32);
    }
    let call = Call::new("keyctl").text("KEYCTL_GET_KEYRING_ID");
    Err(SysError::new(call, std::io::Error::last_os_error()))
}

/// Gives this process a new, empty session keyring in place of the one it inherited.
pub fn join_new_session() -> Result<()> {
    // SAFETY: a null name asks for an anonymous keyring; nothing is read or written.
    let result = unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            KEYCTL_JOIN_SESSION_KEYRING,
            std::ptr::null::<libc::c_char>(),
        )
    };
    if result >= 0 {
        return Ok(());
    }
    let call = Call::new("keyctl").text("KEYCTL_JOIN_SESSION_KEYRING");
    Err(SysError::new(call, std::io::Error::last_os_error()))
}
