//! Writing single entries of a layer to disk, with all their attributes.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use sys::root_dir::{NodeKind, Timestamp};
use sys::{Call, RootDir, SysError};

use super::apply::WhiteoutForm;
use super::content::ContentHasher;
use super::entry::{Entry, EntryKind, split_parent};
use super::error::show;
use super::holes::HoleWriter;
use super::xattr::may_be_missing;
use super::{ContentDigest, LayerError, xattr};
use crate::id_map::{IdMap, Owner};

/// The tree being written.
pub(crate) struct Disk<'a> {
    pub(super) target: &'a RootDir,
    pub(super) id_map: IdMap,
    /// The directory written to last: entries of a directory come together.
    pub(super) open: Option<(Vec<u8>, RootDir)>,
    pub(super) buffer: Vec<u8>,
}

impl<'a> Disk<'a> {
    pub(crate) fn new(target: &'a RootDir, id_map: IdMap) -> Disk<'a> {
        Disk { target, id_map, open: None, buffer: vec![0; 128 << 10] }
    }
}

impl Disk<'_> {
    /// Creates anything but a directory. Its parent exists; it does not.
    pub(crate) fn create(
        &mut self,
        entry: &mut Entry,
        content: &mut dyn Read,
    ) -> Result<(), LayerError> {
        let (parent, name) = split_parent(&entry.path).unwrap_or_default();
        let name = as_path(name).to_owned();
        self.enter(parent).map_err(|source| unpack(&entry.path, source))?;
        let Some((_, dir)) = &self.open else { return Ok(()) };
        let made = match &entry.kind {
            EntryKind::File { .. } => return self.create_file(&name, entry, content),
            EntryKind::Hardlink { target } => {
                let linked = self.target.hard_link(as_path(target), entry.as_path());
                return linked.map_err(|source| unpack(&entry.path, source));
            }
            EntryKind::Symlink { target } => dir.symlink(as_path(target), &name),
            EntryKind::Fifo => dir.mknod(&name, NodeKind::Fifo, 0o600),
            EntryKind::CharDevice { major, minor } => {
                let kind = NodeKind::CharDevice { major: *major, minor: *minor };
                dir.mknod(&name, kind, 0o600)
            }
            EntryKind::BlockDevice { major, minor } => {
                let kind = NodeKind::BlockDevice { major: *major, minor: *minor };
                dir.mknod(&name, kind, 0o600)
            }
            EntryKind::Dir { .. } | EntryKind::Whiteout => Ok(()),
        };
        made.and_then(|()| self.set_attributes(dir, &name, entry))
            .map_err(|source| unpack(&entry.path, source))
    }

    fn create_file(
        &mut self,
        name: &Path,
        entry: &mut Entry,
        content: &mut dyn Read,
    ) -> Result<(), LayerError> {
        let Some((_, dir)) = &self.open else { return Ok(()) };
        let created = dir.create_file(name, 0o600);
        let file = created.map_err(|source| unpack(&entry.path, source))?;
        let (size, digest) = copy(content, &file, &mut self.buffer, &entry.path)?;
        if let EntryKind::File { size: expected, digest: known, .. } = &mut entry.kind {
            if *expected != size {
                let path = show(&entry.path);
                return Err(LayerError::SizeChanged { path, expected: *expected });
            }
            *known = Some(digest);
        }
        self.set_file_attributes(&file, entry).map_err(|source| unpack(&entry.path, source))
    }

    pub(crate) fn create_dir(&mut self, path: &[u8]) -> Result<(), SysError> {
        let Some((parent, name)) = split_parent(path) else { return Ok(()) };
        self.enter(parent)?;
        match &self.open {
            Some((_, dir)) => dir.create_dir(as_path(name), 0o700),
            None => Ok(()),
        }
    }

    fn enter(&mut self, path: &[u8]) -> Result<(), SysError> {
        if self.open.as_ref().is_some_and(|(open, _)| open == path) {
            return Ok(());
        }
        self.open = Some((path.to_vec(), self.target.subdir_nofollow(as_path(path))?));
        Ok(())
    }

    /// Owner first, because changing it clears setuid bits and capabilities; time last.
    fn set_attributes(&self, dir: &RootDir, name: &Path, entry: &Entry) -> Result<(), SysError> {
        let owner = self.id_map.to_disk(Owner { uid: entry.uid, gid: entry.gid });
        dir.set_owner(name, owner.uid, owner.gid)?;
        if !entry.is_symlink() {
            dir.set_mode(name, entry.mode)?;
        }
        for (attribute, value) in &entry.xattrs {
            match dir.set_xattr(name, attribute, value) {
                Err(error) if may_be_missing(attribute, &entry.kind, error.errno()) => {}
                set => set?,
            }
        }
        dir.set_mtime(name, Timestamp { secs: entry.mtime, nanos: 0 })
    }

    /// The same through the open file, which saves looking it up again.
    fn set_file_attributes(&self, file: &File, entry: &Entry) -> Result<(), SysError> {
        let failed =
            |call: &'static str| move |errno: Errno| SysError::new(Call::new(call).fd(file), errno);
        let owner = self.id_map.to_disk(Owner { uid: entry.uid, gid: entry.gid });
        let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
        rustix::fs::fchown(file, Some(uid), Some(gid)).map_err(failed("fchown"))?;
        rustix::fs::fchmod(file, Mode::from_raw_mode(entry.mode)).map_err(failed("fchmod"))?;
        for (name, value) in &entry.xattrs {
            let flags = XattrFlags::empty();
            match rustix::fs::fsetxattr(file, name.as_slice(), value, flags) {
                Err(errno) if may_be_missing(name, &entry.kind, Some(errno.raw_os_error())) => {}
                set => set.map_err(failed("fsetxattr"))?,
            }
        }
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT },
            last_modification: Timespec { tv_sec: entry.mtime, tv_nsec: 0 },
        };
        rustix::fs::futimens(file, &times).map_err(failed("futimens"))
    }

    pub(crate) fn finish_dir(&self, entry: &Entry, form: WhiteoutForm) -> Result<(), LayerError> {
        let finish = || {
            let path = entry.as_path();
            if form == WhiteoutForm::Remove {
                let found = self.target.xattrs(path)?;
                for name in found.keys().filter(|name| !entry.xattrs.contains_key(*name)) {
                    if xattr::belongs_to_image(name) {
                        self.target.remove_xattr(path, name)?;
                    }
                }
            }
            self.set_attributes(self.target, path, entry)
        };
        finish().map_err(|source| unpack(&entry.path, source))
    }
}

/// Copies and hashes in one pass. Zeros in large pieces become holes: a sparse file or a compressed archive
/// has them for nothing, so they shall not fill the disk either.
fn copy(
    content: &mut dyn Read,
    file: &File,
    buffer: &mut [u8],
    path: &[u8],
) -> Result<(u64, ContentDigest), LayerError> {
    let write_error = |source| LayerError::WriteFile { path: show(path), source };
    let mut hasher = ContentHasher::default();
    let mut writer = HoleWriter::new(file);
    let mut size = 0;
    loop {
        let count = match content.read(buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                let problem = "is cut short".to_owned();
                return Err(LayerError::Entry { path: show(path), problem });
            }
            Err(source) => return Err(LayerError::ReadFile { path: show(path), source }),
        };
        hasher.update(&buffer[..count]);
        size += count as u64;
        writer.write_all(&buffer[..count]).map_err(write_error)?;
    }
    writer.finish().map_err(write_error)?;
    Ok((size, hasher.finish()))
}

pub(crate) fn unpack(path: &[u8], source: SysError) -> LayerError {
    LayerError::Unpack { path: show(path), source }
}

pub(super) fn as_path(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}
