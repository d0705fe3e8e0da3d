//! Which system calls change files or make descriptors, and which arguments say what file.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::libc;

/// The arguments of a system call as it enters the kernel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) number: i64,
    pub(super) args: [u64; 6],
}

/// How a call names the file that it changes.
#[derive(Clone, Copy, Debug)]
enum Names {
    Path(usize),
    /// As `Path`, if the argument after it has flags that make a file.
    OpensPath(usize),
    /// A directory's descriptor and the argument after it.
    At(usize),
    Fd(usize),
    /// As `At`, if these flags (of argument `.1`, or of the structure it points to) make a file.
    Opens(usize, FlagsAt),
    /// Whatever it is given: mounts.
    Nothing,
}

#[derive(Clone, Copy, Debug)]
enum FlagsAt {
    Argument(usize),
    Pointer(usize),
}

/// Calls that change files or mounts. Calls that name two files are known by the first.
const CHANGES: &[(i64, &str, Names)] = &[
    (libc::SYS_open, "open", Names::OpensPath(0)),
    (libc::SYS_creat, "creat", Names::Path(0)),
    (libc::SYS_openat, "openat", Names::Opens(0, FlagsAt::Argument(2))),
    (libc::SYS_openat2, "openat2", Names::Opens(0, FlagsAt::Pointer(2))),
    (libc::SYS_write, "write", Names::Fd(0)),
    (libc::SYS_writev, "writev", Names::Fd(0)),
    (libc::SYS_pwrite64, "pwrite64", Names::Fd(0)),
    (libc::SYS_copy_file_range, "copy_file_range", Names::Fd(2)),
    (libc::SYS_sendfile, "sendfile", Names::Fd(0)),
    (libc::SYS_splice, "splice", Names::Fd(2)),
    (libc::SYS_ioctl, "ioctl", Names::Fd(0)),
    (libc::SYS_ftruncate, "ftruncate", Names::Fd(0)),
    (libc::SYS_truncate, "truncate", Names::Path(0)),
    (libc::SYS_fallocate, "fallocate", Names::Fd(0)),
    (libc::SYS_fsync, "fsync", Names::Fd(0)),
    (libc::SYS_fdatasync, "fdatasync", Names::Fd(0)),
    (libc::SYS_syncfs, "syncfs", Names::Fd(0)),
    (libc::SYS_rename, "rename", Names::Path(0)),
    (libc::SYS_renameat, "renameat", Names::At(0)),
    (libc::SYS_renameat2, "renameat2", Names::At(0)),
    (libc::SYS_link, "link", Names::Path(1)),
    (libc::SYS_linkat, "linkat", Names::At(2)),
    (libc::SYS_symlink, "symlink", Names::Path(1)),
    (libc::SYS_symlinkat, "symlinkat", Names::At(1)),
    (libc::SYS_unlink, "unlink", Names::Path(0)),
    (libc::SYS_unlinkat, "unlinkat", Names::At(0)),
    (libc::SYS_rmdir, "rmdir", Names::Path(0)),
    (libc::SYS_mkdir, "mkdir", Names::Path(0)),
    (libc::SYS_mkdirat, "mkdirat", Names::At(0)),
    (libc::SYS_mknod, "mknod", Names::Path(0)),
    (libc::SYS_mknodat, "mknodat", Names::At(0)),
    (libc::SYS_chmod, "chmod", Names::Path(0)),
    (libc::SYS_fchmod, "fchmod", Names::Fd(0)),
    (libc::SYS_fchmodat, "fchmodat", Names::At(0)),
    (libc::SYS_chown, "chown", Names::Path(0)),
    (libc::SYS_lchown, "lchown", Names::Path(0)),
    (libc::SYS_fchown, "fchown", Names::Fd(0)),
    (libc::SYS_fchownat, "fchownat", Names::At(0)),
    (libc::SYS_utimensat, "utimensat", Names::At(0)),
    (libc::SYS_setxattr, "setxattr", Names::Path(0)),
    (libc::SYS_lsetxattr, "lsetxattr", Names::Path(0)),
    (libc::SYS_fsetxattr, "fsetxattr", Names::Fd(0)),
    (libc::SYS_removexattr, "removexattr", Names::Path(0)),
    (libc::SYS_lremovexattr, "lremovexattr", Names::Path(0)),
    (libc::SYS_fremovexattr, "fremovexattr", Names::Fd(0)),
    (libc::SYS_mount, "mount", Names::Nothing),
    (libc::SYS_umount2, "umount2", Names::Nothing),
    (libc::SYS_fsmount, "fsmount", Names::Nothing),
    (libc::SYS_move_mount, "move_mount", Names::Nothing),
    (libc::SYS_pivot_root, "pivot_root", Names::Nothing),
];

/// Calls that make a descriptor without naming a file.
const DESCRIPTORS: &[(i64, &str)] = &[
    (libc::SYS_pipe2, "pipe2"),
    (libc::SYS_socket, "socket"),
    (libc::SYS_socketpair, "socketpair"),
    (libc::SYS_dup, "dup"),
    (libc::SYS_dup3, "dup3"),
    (libc::SYS_memfd_create, "memfd_create"),
    (libc::SYS_eventfd2, "eventfd2"),
    (libc::SYS_epoll_create1, "epoll_create1"),
    (libc::SYS_pidfd_open, "pidfd_open"),
    (libc::SYS_signalfd4, "signalfd4"),
    (libc::SYS_fsopen, "fsopen"),
    (libc::SYS_fsmount, "fsmount"),
    (libc::SYS_open_tree, "open_tree"),
];

impl Call {
    /// The call in words if it makes a descriptor, of a file only if that is below one of `roots`.
    pub(super) fn descriptor_below(&self, pid: i32, roots: &[PathBuf]) -> Option<String> {
        if let Some((_, name)) = DESCRIPTORS.iter().find(|(number, _)| *number == self.number) {
            return Some((*name).to_owned());
        }
        let (name, path) = match self.number {
            libc::SYS_open => ("open", absolute(pid, None, &self.text(pid, 0))),
            libc::SYS_openat => ("openat", absolute(pid, Some(self.args[0]), &self.text(pid, 1))),
            libc::SYS_openat2 => ("openat2", absolute(pid, Some(self.args[0]), &self.text(pid, 1))),
            _ => return None,
        };
        let below = roots.iter().any(|root| path.starts_with(root));
        below.then(|| format!("{name} {}", path.display()))
    }

    /// The call in words if it changes a mount, or a file below one of `roots`.
    pub(super) fn change_below(&self, pid: i32, roots: &[PathBuf]) -> Option<String> {
        let (_, name, names) = CHANGES.iter().find(|(number, ..)| *number == self.number)?;
        let makes = u64::from((libc::O_CREAT | libc::O_TRUNC).cast_unsigned());
        let path = match *names {
            Names::Nothing => return Some((*name).to_owned()),
            Names::Path(at) => absolute(pid, None, &self.text(pid, at)),
            Names::At(at) => absolute(pid, Some(self.args[at]), &self.text(pid, at + 1)),
            Names::Fd(at) => absolute(pid, Some(self.args[at]), b""),
            Names::OpensPath(at) if self.args[at + 1] & makes == 0 => return None,
            Names::OpensPath(at) => absolute(pid, None, &self.text(pid, at)),
            Names::Opens(at, flags) => {
                if self.flags(pid, flags) & makes == 0 {
                    return None;
                }
                absolute(pid, Some(self.args[at]), &self.text(pid, at + 1))
            }
        };
        let below = roots.iter().any(|root| path.starts_with(root));
        below.then(|| format!("{name} {}", path.display()))
    }

    fn text(&self, pid: i32, at: usize) -> Vec<u8> {
        if self.args[at] == 0 {
            return Vec::new();
        }
        let mut text = Vec::new();
        let mut address = self.args[at];
        while text.len() < 4096 {
            // Up to the end of the page: the next may not be there.
            let mut piece = vec![0; 4096 - (address % 4096) as usize];
            let Ok(read) = memory(pid).and_then(|memory| memory.read_at(&mut piece, address))
            else {
                break;
            };
            if let Some(end) = piece[..read].iter().position(|byte| *byte == 0) {
                text.extend_from_slice(&piece[..end]);
                break;
            }
            text.extend_from_slice(&piece[..read]);
            address += read as u64;
        }
        text
    }

    fn flags(&self, pid: i32, at: FlagsAt) -> u64 {
        match at {
            FlagsAt::Argument(at) => self.args[at],
            FlagsAt::Pointer(at) => {
                let mut flags = [0; 8];
                let read = memory(pid).and_then(|m| m.read_exact_at(&mut flags, self.args[at]));
                read.map_or(0, |()| u64::from_ne_bytes(flags))
            }
        }
    }
}

fn memory(pid: i32) -> std::io::Result<File> {
    File::open(format!("/proc/{pid}/mem"))
}

/// As the tracer sees it. Paths of a container's own file system do not come out below any directory of ours.
fn absolute(pid: i32, dir: Option<u64>, path: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    let path = Path::new(std::ffi::OsStr::from_bytes(path));
    if path.is_absolute() {
        return path.to_owned();
    }
    let link = match dir.map(|dir| dir as i32) {
        Some(fd) if fd != libc::AT_FDCWD => format!("/proc/{pid}/fd/{fd}"),
        _ => format!("/proc/{pid}/cwd"),
    };
    let dir = fs::read_link(link).unwrap_or_default();
    if path.as_os_str().is_empty() { dir } else { dir.join(path) }
}
