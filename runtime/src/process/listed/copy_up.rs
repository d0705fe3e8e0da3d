//! `tmpcopyup`: a tmpfs that begins with what the directory below it has.
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use sys::RootDir;
use sys::root_dir::{FileKind, Metadata, NodeKind};

/// Owners, modes, times and extended attributes come along.
pub(super) fn fill(root: &RootDir, target: &Path, into: &OwnedFd) -> io::Result<()> {
    let from = match root.subdir(target) {
        Ok(from) => from,
        Err(error) if error.errno() == Some(libc::ENOENT) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let into = RootDir::from_fd(into.as_fd().try_clone_to_owned()?);
    let own = from.metadata(".")?;
    copy_children(&from, &into, Path::new(""))?;
    into.set_owner(".", own.uid, own.gid)?;
    Ok(into.set_mode(".", own.mode & 0o7777)?)
}

fn copy_children(from: &RootDir, into: &RootDir, directory: &Path) -> io::Result<()> {
    let shown = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    for entry in from.read_dir(shown)? {
        let path = directory.join(&entry.name);
        let found = from.metadata(&path)?;
        make(from, into, &path, &found)?;
        if found.kind == FileKind::Dir {
            copy_children(from, into, &path)?;
        }
        into.set_owner(&path, found.uid, found.gid)?;
        for (name, value) in from.xattrs(&path)? {
            // Those of the layers below are no part of the files.
            if !name.starts_with(b"trusted.overlay.") {
                into.set_xattr(&path, &name, &value)?;
            }
        }
        if found.kind != FileKind::Symlink {
            into.set_mode(&path, found.mode & 0o7777)?;
        }
        into.set_mtime(&path, found.mtime)?;
    }
    Ok(())
}

fn make(from: &RootDir, into: &RootDir, path: &Path, found: &Metadata) -> io::Result<()> {
    let (major, minor) = (found.rdev_major(), found.rdev_minor());
    match found.kind {
        FileKind::Dir => into.create_dir(path, 0o700)?,
        FileKind::File => {
            let mut source = from.open_file_nofollow(path)?;
            io::copy(&mut source, &mut into.create_file(path, 0o600)?)?;
        }
        FileKind::Symlink => into.symlink(from.read_link(path)?, path)?,
        FileKind::Fifo => into.mknod(path, NodeKind::Fifo, 0o600)?,
        FileKind::Socket => into.mknod(path, NodeKind::Socket, 0o600)?,
        FileKind::CharDevice => {
            into.mknod(path, NodeKind::CharDevice { major, minor }, 0o600)?;
        }
        FileKind::BlockDevice => {
            into.mknod(path, NodeKind::BlockDevice { major, minor }, 0o600)?;
        }
    }
    Ok(())
}
