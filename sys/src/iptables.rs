//! The tables of the old iptables, which netlink does not show.
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::{Call, Result, SysError};

const NAME: usize = 32;
/// `struct ipt_getinfo`, and `struct ipt_get_entries` without what follows it.
const INFO: usize = 84;
const HEAD: usize = 40;
const GET_INFO: libc::c_int = 64;
const GET_ENTRIES: libc::c_int = 65;
/// Between asking for the length and for the content somebody may change the table.
const ATTEMPTS: usize = 8;

/// A table as the kernel keeps it.
#[derive(Clone, Debug)]
pub struct OldTable {
    /// Where each hook's chain begins and where its policy is, its last entry; for the five hooks in the kernel's order.
    pub chains: [(usize, usize); 5],
    /// Rules, one behind the other: `struct ipt_entry`.
    pub entries: Vec<u8>,
}

/// The table of this name in the calling thread's network namespace. Asking for one that nobody uses makes it.
pub fn table(name: &str) -> Result<OldTable> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .map_err(|errno| SysError::new(Call::new("socket").text("AF_INET"), errno))?;
    let mut attempt = 1;
    loop {
        let info = ask(&socket, GET_INFO, "IPT_SO_GET_INFO", named(name, INFO))?;
        let number = |at: usize| {
            let bytes = info.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(0, u32::from_ne_bytes)
        };
        let size = number(INFO - 4);
        let mut request = named(name, HEAD + size as usize);
        request[NAME..NAME + 4].copy_from_slice(&size.to_ne_bytes());
        match ask(&socket, GET_ENTRIES, "IPT_SO_GET_ENTRIES", request) {
            Err(error) if error.errno() == Some(libc::EAGAIN) && attempt < ATTEMPTS => attempt += 1,
            reply => {
                // Behind the name: the hooks in use, where each begins, where each one's policy is.
                let place = |at: usize| number(at) as usize;
                let chains = [0, 1, 2, 3, 4]
                    .map(|hook| (place(NAME + 4 + 4 * hook), place(NAME + 24 + 4 * hook)));
                return Ok(OldTable { chains, entries: reply?.split_off(HEAD) });
            }
        }
    }
}

fn named(name: &str, length: usize) -> Vec<u8> {
    let mut request = vec![0; length];
    // The last byte stays zero.
    request[..NAME - 1].iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
    request
}

/// The reply has the request's length.
fn ask(socket: &OwnedFd, option: libc::c_int, name: &str, mut request: Vec<u8>) -> Result<Vec<u8>> {
    let mut length = request.len() as libc::socklen_t;
    // SAFETY: the kernel reads and writes at most `length` bytes at the pointer, which are the vector's.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_IP,
            option,
            request.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result == 0 {
        return Ok(request);
    }
    let call = Call::new("getsockopt").fd(socket).text(name);
    Err(SysError::new(call, std::io::Error::last_os_error()))
}
