//! `mount_setattr`, which rustix does not offer. The rest of the mount calls is rustix's.
use std::os::fd::{AsFd, AsRawFd};

use crate::{Call, Result, SysError};

/// Changes of a mount: `MOUNT_ATTR_*` bits and a propagation type (`MS_PRIVATE`…, 0 for no change).
#[derive(Clone, Copy, Debug, Default)]
pub struct MountChange {
    pub set: u64,
    pub clear: u64,
    pub propagation: u64,
    /// All mounts below it too.
    pub recursive: bool,
}

/// Applies `change` to the mount that `mount` is the root of.
pub fn change_mount(mount: impl AsFd, change: MountChange) -> Result<()> {
    let attributes = libc::mount_attr {
        attr_set: change.set,
        attr_clr: change.clear,
        propagation: change.propagation,
        userns_fd: 0,
    };
    let mut flags = libc::AT_EMPTY_PATH;
    if change.recursive {
        flags |= libc::AT_RECURSIVE;
    }
    // SAFETY: the path is a NUL-terminated constant; the attributes outlive the call and their size
    // is passed.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            std::mem::size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 {
        return Ok(());
    }
    let error = std::io::Error::last_os_error();
    Err(SysError::new(Call::new("mount_setattr").fd(mount).text(format_args!("{change:?}")), error))
}
