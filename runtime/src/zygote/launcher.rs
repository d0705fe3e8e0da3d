//! The launcher's program in a sealed memfd: a file that nobody can write, not even root.
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;

/// Built by build.rs from launcher/launcher.rs.
const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/launcher"));

pub(crate) fn sealed() -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let memfd = match memfd_create("launcher", flags | MemfdFlags::EXEC) {
        // Before Linux 6.3 every memfd is executable.
        Err(Errno::INVAL) => memfd_create("launcher", flags),
        other => other,
    }?;
    let mut rest = PROGRAM;
    while !rest.is_empty() {
        let written = rustix::io::write(&memfd, rest)?;
        rest = &rest[written..];
    }
    let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    fcntl_add_seals(&memfd, seals)?;
    Ok(memfd)
}
