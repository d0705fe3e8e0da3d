//! A shim's lock and socket in the state directory.
//!
//! The socket is bound and connected by `/proc/self/fd/N/socket`: a path of its own may be longer than the 107 bytes
//! that an address holds.
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};

use crate::containers::Place;

const SOCKET: &str = "socket";
/// Those who look whether it is held hold it themselves for a moment.
const ATTEMPTS: usize = 100;

/// The lock of the container's one shim; none if there is another.
pub(crate) fn lock(place: &Place) -> io::Result<Option<File>> {
    for attempt in 0..ATTEMPTS {
        DirBuilder::new().recursive(true).mode(0o700).create(&place.runtime)?;
        let file = match File::create(place.lock_file()) {
            // The shim before this one removes its directory.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            other => other?,
        };
        match file.try_lock() {
            Ok(()) if is_at(&file, &place.lock_file()) => return Ok(Some(file)),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if attempt > 0 => sleep(Duration::from_millis(1)),
            Ok(()) | Err(TryLockError::WouldBlock) => {}
        }
    }
    Ok(None)
}

/// Whether the file is still the one of that name.
fn is_at(file: &File, path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|there| {
        file.metadata().is_ok_and(|here| (here.dev(), here.ino()) == (there.dev(), there.ino()))
    })
}

/// Listens for clients. With the lock held, a socket that is there is a dead shim's.
pub(super) fn bind_socket(place: &Place) -> io::Result<OwnedFd> {
    match fs::remove_file(place.runtime.join(SOCKET)) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let directory = File::open(&place.runtime)?;
    let socket = new_socket(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
    // Its mode is 0600, as the mask of a shim is 077.
    bind(&socket, &address(&directory)?)?;
    listen(&socket, 64)?;
    Ok(socket)
}

pub(super) fn connect_socket(place: &Place) -> io::Result<OwnedFd> {
    let directory = File::open(&place.runtime)?;
    let socket = new_socket(SocketFlags::CLOEXEC)?;
    connect(&socket, &address(&directory)?)?;
    Ok(socket)
}

fn new_socket(flags: SocketFlags) -> io::Result<OwnedFd> {
    Ok(socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?)
}

fn address(directory: &File) -> io::Result<SocketAddrUnix> {
    let number = directory.as_fd().as_raw_fd();
    Ok(SocketAddrUnix::new(format!("/proc/self/fd/{number}/{SOCKET}"))?)
}
