//! A whole tree once more.
//!
//! With files of its own for somebody who writes, or with hard links to files that never change. Owners, modes,
//! attributes, times to the nanosecond, holes, and what is linked to what are the same; sockets are left out.
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Mode, SeekFrom, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use sys::root_dir::{FileKind, Metadata, NodeKind};
use sys::{Call, RootDir, SysError};

use super::merge::{copy_attributes, is_overlay_mark};
use crate::error::{Result, io_error, sys_error};

const ACT: &str = "copy a snapshot";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Files {
    Copied,
    /// As long as both trees stay as they are.
    Linked,
}

/// Fills the empty directory `to` with all that is in `from`.
pub(super) fn duplicate(from: &RootDir, to: &RootDir, files: Files) -> Result<()> {
    let mut work = Duplicate { from, to, files, clones: true, names: HashMap::new() };
    // One directory after the other, so that the depth of a tree costs neither stack nor descriptors.
    let mut pending = vec![PathBuf::new()];
    let mut directories = Vec::new();
    while let Some(path) = pending.pop() {
        work.directory(&path, &mut pending)?;
        directories.push(path);
    }
    // Last, because adding to a directory changes its time.
    directories.iter().rev().try_for_each(|path| copy_attributes(from, path, to, path))
}

struct Duplicate<'a> {
    from: &'a RootDir,
    to: &'a RootDir,
    files: Files,
    /// Until the file system says that it cannot share blocks.
    clones: bool,
    /// Where files with several names were copied to.
    names: HashMap<(u64, u64), PathBuf>,
}

impl Duplicate<'_> {
    fn directory(&mut self, path: &Path, pending: &mut Vec<PathBuf>) -> Result<()> {
        let from = self.from.subdir_nofollow(path).map_err(sys_error(ACT))?;
        let to = self.to.subdir_nofollow(path).map_err(sys_error(ACT))?;
        for child in from.read_dir("").map_err(sys_error(ACT))? {
            let name = Path::new(&child.name);
            match child.kind {
                FileKind::Socket => {}
                FileKind::Dir => {
                    to.create_dir(name, 0o700).map_err(sys_error(ACT))?;
                    pending.push(path.join(name));
                }
                _ => self.node(&from, &to, path, name)?,
            }
        }
        Ok(())
    }

    fn node(&mut self, from: &RootDir, to: &RootDir, path: &Path, name: &Path) -> Result<()> {
        if self.files == Files::Linked {
            match to.hard_link_from(from, name, name) {
                Ok(()) => return Ok(()),
                // Too many links, or a file system that has none.
                Err(error) if cannot_link(&error) => {}
                Err(error) => return Err(sys_error(ACT)(error)),
            }
        }
        let metadata = from.metadata(name).map_err(sys_error(ACT))?;
        if metadata.nlink > 1 {
            let inode = (metadata.dev, metadata.ino);
            if let Some(first) = self.names.get(&inode) {
                return to.hard_link_from(self.to, first, name).map_err(sys_error(ACT));
            }
            self.names.insert(inode, path.join(name));
        }
        copy_node(from, to, name, &metadata, &mut self.clones)
    }
}

pub(super) fn cannot_link(error: &SysError) -> bool {
    let known = [Errno::MLINK, Errno::PERM, Errno::NOTSUP, Errno::NOSYS, Errno::XDEV];
    known.iter().any(|errno| error.errno() == Some(errno.raw_os_error()))
}

/// Anything but a directory, with its attributes. `clones`: whether sharing blocks is worth a try.
pub(super) fn copy_node(
    from: &RootDir,
    to: &RootDir,
    path: &Path,
    metadata: &Metadata,
    clones: &mut bool,
) -> Result<()> {
    let (major, minor) = (metadata.rdev_major(), metadata.rdev_minor());
    let node = |kind| to.mknod(path, kind, metadata.mode).map_err(sys_error(ACT));
    match metadata.kind {
        FileKind::File => return copy_file(from, to, path, metadata, clones),
        FileKind::Symlink => {
            let target = from.read_link(path).map_err(sys_error(ACT))?;
            to.symlink(target, path).map_err(sys_error(ACT))?;
        }
        FileKind::Fifo => node(NodeKind::Fifo)?,
        FileKind::Socket => node(NodeKind::Socket)?,
        FileKind::CharDevice => node(NodeKind::CharDevice { major, minor })?,
        FileKind::BlockDevice => node(NodeKind::BlockDevice { major, minor })?,
        FileKind::Dir => {}
    }
    copy_attributes(from, path, to, path)
}

fn copy_file(
    from: &RootDir,
    to: &RootDir,
    path: &Path,
    metadata: &Metadata,
    clones: &mut bool,
) -> Result<()> {
    let source = from.open_file_nofollow(path).map_err(sys_error(ACT))?;
    let target = to.create_file(path, 0o600).map_err(sys_error(ACT))?;
    copy_bytes(&source, &target, metadata.size, clones).map_err(io_error(ACT, path))?;
    let xattrs = from.xattrs(path).map_err(sys_error(ACT))?;
    let set = || -> std::result::Result<(), SysError> {
        let failed =
            |call: &'static str| move |errno| SysError::new(Call::new(call).path(path), errno);
        let (uid, gid) = (Uid::from_raw(metadata.uid), Gid::from_raw(metadata.gid));
        rustix::fs::fchown(&target, Some(uid), Some(gid)).map_err(failed("fchown"))?;
        // After the owner, whose change clears set-user-ID bits and capabilities.
        let mode = Mode::from_raw_mode(metadata.mode);
        rustix::fs::fchmod(&target, mode).map_err(failed("fchmod"))?;
        for (name, value) in xattrs.iter().filter(|(name, _)| !is_overlay_mark(name)) {
            rustix::fs::fsetxattr(&target, name.as_slice(), value, XattrFlags::empty())
                .map_err(failed("fsetxattr"))?;
        }
        let mtime = Timespec { tv_sec: metadata.mtime.secs, tv_nsec: metadata.mtime.nanos.into() };
        let keep = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
        let times = Timestamps { last_access: keep, last_modification: mtime };
        rustix::fs::futimens(&target, &times).map_err(failed("futimens"))
    };
    set().map_err(sys_error(ACT))
}

/// Shared blocks, else a copy made by the kernel of what is not a hole.
fn copy_bytes(from: &File, to: &File, size: u64, clones: &mut bool) -> io::Result<()> {
    if size == 0 {
        return Ok(());
    }
    if *clones {
        match rustix::fs::ioctl_ficlone(to, from) {
            Ok(()) => return Ok(()),
            Err(_) => *clones = false,
        }
    }
    let mut start = 0;
    while start < size {
        start = match rustix::fs::seek(from, SeekFrom::Data(start)) {
            Ok(start) => start,
            // Nothing but a hole to the end.
            Err(Errno::NXIO) => break,
            // A file system that knows no holes.
            Err(_) => start,
        };
        let end = rustix::fs::seek(from, SeekFrom::Hole(start)).unwrap_or(size).min(size);
        copy_range(from, to, start, end)?;
        start = end.max(start + 1);
    }
    to.set_len(size)
}

fn copy_range(from: &File, to: &File, start: u64, end: u64) -> io::Result<()> {
    let (mut read, mut written) = (start, start);
    while read < end {
        let length = usize::try_from(end - read).unwrap_or(usize::MAX);
        match rustix::fs::copy_file_range(from, Some(&mut read), to, Some(&mut written), length) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::NOSPC) => return Err(Errno::NOSPC.into()),
            // Not between these two, or not on this file system.
            Err(_) => return copy_through_memory(from, to, read, end),
        }
    }
    Ok(())
}

fn copy_through_memory(from: &File, to: &File, start: u64, end: u64) -> io::Result<()> {
    let mut buffer = vec![0; 128 << 10];
    let mut position = start;
    while position < end {
        let wanted = usize::try_from(end - position).unwrap_or(usize::MAX).min(buffer.len());
        let count = from.read_at(&mut buffer[..wanted], position)?;
        if count == 0 {
            break;
        }
        to.write_all_at(&buffer[..count], position)?;
        position += count as u64;
    }
    Ok(())
}
