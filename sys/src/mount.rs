//! Mounts by descriptor: nothing is named twice, so nothing can be swapped in between.
use std::iter;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::io::Errno;
use rustix::mount::{
    self, FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, OpenTreeFlags,
    UnmountFlags,
};

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
    set_attributes(&mount, &attributes, change.recursive)
        .map_err(|error| SysError::new(call_of(&mount).text(format_args!("{change:?}")), error))
}

/// Files whose owner is 0 on the disk belong to root of this user namespace, and so on. The mount must be mounted nowhere.
pub fn map_owners(mount: impl AsFd, user_namespace: impl AsFd, recursive: bool) -> Result<()> {
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_IDMAP,
        attr_clr: 0,
        propagation: 0,
        userns_fd: user_namespace.as_fd().as_raw_fd() as u64,
    };
    set_attributes(&mount, &attributes, recursive).map_err(|error| {
        // What the file system, or the kernel, does not know.
        SysError::new(call_of(&mount).text("MOUNT_ATTR_IDMAP"), error)
    })
}

fn call_of(mount: &impl AsFd) -> Call {
    Call::new("mount_setattr").fd(mount)
}

fn set_attributes(
    mount: &impl AsFd,
    attributes: &libc::mount_attr,
    recursive: bool,
) -> std::io::Result<()> {
    let mut flags = libc::AT_EMPTY_PATH;
    if recursive {
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
            std::ptr::from_ref(attributes),
            std::mem::size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// One setting of a file system that is to be mounted.
#[derive(Clone, Copy, Debug)]
pub enum Setting<'a> {
    Flag(&'a str),
    Text(&'a str, &'a str),
    Descriptor(&'a str, BorrowedFd<'a>),
}

/// Mounts a new file system nowhere: the descriptor is its root, to be [`attach`]ed.
/// `attributes` are `MOUNT_ATTR_*` bits.
pub fn new_mount(kind: &'static str, settings: &[Setting<'_>], attributes: u64) -> Result<OwnedFd> {
    new_mount_of(kind, kind, settings, attributes)
}

/// As [`new_mount`], of what a device has or a server offers.
pub fn new_mount_of(
    kind: &str,
    source: &str,
    settings: &[Setting<'_>],
    attributes: u64,
) -> Result<OwnedFd> {
    let context = mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)
        .map_err(|errno| SysError::new(Call::new("fsopen").path(kind), errno))?;
    for setting in iter::once(&Setting::Text("source", source)).chain(settings) {
        let result = match setting {
            Setting::Flag(key) => mount::fsconfig_set_flag(&context, *key),
            Setting::Text(key, value) => mount::fsconfig_set_string(&context, *key, *value),
            Setting::Descriptor(key, fd) => mount::fsconfig_set_fd(&context, *key, *fd),
        };
        result.map_err(|errno| configuration_error(kind, &context, Some(setting), errno))?;
    }
    mount::fsconfig_create(&context)
        .map_err(|errno| configuration_error(kind, &context, None, errno))?;
    let attributes = MountAttrFlags::from_bits_retain(attributes as u32);
    mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
        .map_err(|errno| SysError::new(Call::new("fsmount").path(kind), errno))
}

/// With what the file system itself says about it, if anything.
fn configuration_error(
    kind: &str,
    context: &OwnedFd,
    setting: Option<&Setting<'_>>,
    errno: Errno,
) -> SysError {
    let call = Call::new("fsconfig").path(kind);
    let mut call = match setting {
        Some(Setting::Flag(key)) => call.text(key),
        Some(Setting::Text(key, value)) => call.text(format_args!("{key}={value}")),
        Some(Setting::Descriptor(key, fd)) => call.text(key).fd(fd),
        None => call.text("create"),
    };
    let mut message = [0; 512];
    while let Ok(length @ 1..) = rustix::io::read(context, &mut message) {
        call = call.text(String::from_utf8_lossy(&message[..length]).trim_end());
    }
    SysError::new(call, errno)
}

/// A copy of the mount, or of the part of it below `place`, attached nowhere.
pub fn clone_mount(place: impl AsFd, recursive: bool) -> Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | EMPTY_PATH;
    flags.set(OpenTreeFlags::AT_RECURSIVE, recursive);
    mount::open_tree(&place, c"", flags)
        .map_err(|errno| SysError::new(Call::new("open_tree").fd(&place).text("clone"), errno))
}

const EMPTY_PATH: OpenTreeFlags = OpenTreeFlags::AT_EMPTY_PATH;

/// Mounts a detached mount over the file or directory that `target` stands for.
pub fn attach(mounted: impl AsFd, target: impl AsFd) -> Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    mount::move_mount(&mounted, c"", &target, c"", flags)
        .map_err(|errno| SysError::new(Call::new("move_mount").fd(&mounted).fd(&target), errno))
}

/// `mount(2)`, for kernels where the newer calls lack an option.
pub fn mount_by_path(kind: &str, target: &Path, options: &str) -> Result<()> {
    let options_text = std::ffi::CString::new(options).map_err(|_| {
        SysError::new(Call::new("mount").path(kind).path(target).path(options), Errno::INVAL)
    })?;
    mount::mount(kind, target, kind, MountFlags::empty(), Some(options_text.as_c_str())).map_err(
        |errno| SysError::new(Call::new("mount").path(kind).path(target).path(options), errno),
    )
}

/// Unmounts what is on `target` as soon as nobody uses it.
pub fn detach(target: &Path) -> Result<()> {
    mount::unmount(target, UnmountFlags::DETACH)
        .map_err(|errno| SysError::new(Call::new("umount2").path(target).text("MNT_DETACH"), errno))
}

/// Makes the mount `root` the root of this mount namespace, and lets go of the old one.
pub fn change_root(root: impl AsFd) -> Result<()> {
    let at = |name: &'static str| Call::new(name).fd(&root);
    rustix::process::fchdir(&root).map_err(|errno| SysError::new(at("fchdir"), errno))?;
    // The old root lands on top of the new one, where it can be unmounted without a name.
    rustix::process::pivot_root(c".", c".")
        .map_err(|errno| SysError::new(at("pivot_root"), errno))?;
    detach(Path::new("."))?;
    rustix::process::chdir(c"/").map_err(|errno| SysError::new(Call::new("chdir").path("/"), errno))
}
