//! The names of extended attributes by descriptor and name (`listxattrat`, Linux 6.13): a third of what a path by way of /proc takes.
use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;
use rustix::path::Arg;

/// The same on all processors, as of every call that is so new.
const LISTXATTRAT: libc::c_long = 465;
static ABSENT: AtomicBool = AtomicBool::new(false);

/// The names of the attributes of `name` in `dir` itself, each with a zero behind it, as `llistxattr` gives them; `NOSYS` where the
/// kernel cannot do that, or a filter of system calls does not know it.
pub(crate) fn list_at(dir: impl AsFd, name: &OsStr, buffer: &mut [u8]) -> Result<usize, Errno> {
    if ABSENT.load(Ordering::Relaxed) {
        return Err(Errno::NOSYS);
    }
    let dir = dir.as_fd().as_raw_fd();
    name.into_with_c_str(|name: &CStr| {
        let (flags, room) = (libc::AT_SYMLINK_NOFOLLOW, buffer.len());
        // SAFETY: the kernel reads a string that ends with a zero, and writes as much as `buffer` has.
        let length = unsafe {
            libc::syscall(LISTXATTRAT, dir, name.as_ptr(), flags, buffer.as_mut_ptr(), room)
        };
        usize::try_from(length).map_err(|_| failure())
    })
}

fn failure() -> Errno {
    let error = std::io::Error::last_os_error();
    match Errno::from_io_error(&error) {
        // Filters of before answer so to what they do not know.
        Some(Errno::NOSYS | Errno::PERM) => {
            ABSENT.store(true, Ordering::Relaxed);
            Errno::NOSYS
        }
        Some(errno) => errno,
        None => Errno::IO,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn names_are_those_of_llistxattr() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        symlink("file", dir.path().join("link")).unwrap();
        let flags = rustix::fs::XattrFlags::empty();
        for name in ["user.a", "user.b"] {
            rustix::fs::setxattr(dir.path().join("file"), name, b"value", flags).unwrap();
        }
        let handle = File::open(dir.path()).unwrap();
        for name in ["file", "link", "."] {
            let (mut ours, mut theirs) = ([0; 64], [0; 64]);
            let listed = rustix::fs::llistxattr(dir.path().join(name), &mut theirs).unwrap();
            match list_at(&handle, OsStr::new(name), &mut ours) {
                // Then there is nothing to compare: `RootDir::xattrs` asks the other way.
                Err(Errno::NOSYS) => return,
                length => assert_eq!(length, Ok(listed), "{name}"),
            }
            assert_eq!(ours, theirs, "{name}");
        }
        assert_eq!(list_at(&handle, OsStr::new("file"), &mut [0; 3]), Err(Errno::RANGE));
        assert_eq!(list_at(&handle, OsStr::new("none"), &mut [0; 3]), Err(Errno::NOENT));
    }
}
