//! Netlink sockets: what they are asked for beyond the usual.
use std::os::fd::{AsFd, AsRawFd};

use crate::{Call, Result, SysError};

/// Lets the kernel say in words why it refuses a request, without sending the request back.
pub fn ask_for_reasons(socket: impl AsFd) -> Result<()> {
    for (option, name) in [(libc::NETLINK_EXT_ACK, "EXT_ACK"), (libc::NETLINK_CAP_ACK, "CAP_ACK")] {
        let on: libc::c_int = 1;
        // SAFETY: the option takes one integer, which outlives the call and whose size is passed.
        let result = unsafe {
            libc::setsockopt(
                socket.as_fd().as_raw_fd(),
                libc::SOL_NETLINK,
                option,
                (&raw const on).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
        if result != 0 {
            let call = Call::new("setsockopt").fd(&socket).text(name);
            return Err(SysError::new(call, std::io::Error::last_os_error()));
        }
    }
    Ok(())
}
