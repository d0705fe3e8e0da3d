//! Network interfaces by ioctl.
use std::os::fd::AsRawFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::{Call, Result, SysError};

/// Brings up `lo` of the calling process's network namespace.
pub fn bring_loopback_up() -> Result<()> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .map_err(|errno| SysError::new(Call::new("socket").text("AF_INET"), errno))?;
    // SAFETY: all-zero is a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    // SAFETY: SIOCSIFFLAGS reads one `ifreq`, whose name is NUL-terminated and whose flags are set.
    let result =
        unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) };
    if result == 0 {
        return Ok(());
    }
    let call = Call::new("ioctl").text("SIOCSIFFLAGS").text("lo up");
    Err(SysError::new(call, std::io::Error::last_os_error()))
}
