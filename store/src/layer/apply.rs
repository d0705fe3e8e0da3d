//! Unpacking a layer into a directory.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::io::Errno;
use sys::root_dir::{FileKind, NodeKind, Timestamp};
use sys::{RootDir, SysError};

use super::collect::{Collector, Placed, ancestors};
use super::content::ContentHasher;
use super::entry::{Entry, EntryKind, split_parent};
use super::error::show;
use super::read::{Member, Whiteouts, read_layer};
use super::xattr::OVERLAY_OPAQUE;
use super::{LayerError, LayerIndex};
use crate::id_map::{IdMap, Owner};
use crate::tree::Tree;

/// How deletions appear on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhiteoutForm {
    /// The directory becomes a layer of an overlay mount: devices 0:0 and the opaque attribute.
    Overlay,
    /// The directory already holds the layers below: what is deleted is removed.
    Remove,
}

/// Unpacks an uncompressed layer archive into `target`, which is empty (`Overlay`) or holds the
/// unpacked `parents` (`Remove`). Directories the layer does not list get the attributes they have
/// in `parents`; the root stays as it is unless the layer lists it. Nothing outside of `target` is touched, whatever the archive says.
pub fn apply(
    reader: impl Read,
    target: &RootDir,
    parents: &Tree,
    form: WhiteoutForm,
    id_map: IdMap,
) -> Result<LayerIndex, LayerError> {
    let mut applier = Applier {
        disk: Disk { target, id_map, open: None, buffer: vec![0; 128 << 10] },
        collector: Collector::new(parents),
        parents,
        form,
        dirs: HashSet::new(),
        inherited: BTreeMap::new(),
    };
    applier.dirs.insert(Vec::new());
    read_layer(reader, Whiteouts::Interpret, &mut |member, content| match member {
        Member::Whiteout { path } => applier.collector.whiteout(&path),
        Member::Opaque { path } => applier.collector.opaque(&path),
        Member::Entry(entry) => applier.entry(entry, content),
    })?;
    applier.finish()
}

struct Applier<'a> {
    disk: Disk<'a>,
    collector: Collector<'a>,
    parents: &'a Tree,
    form: WhiteoutForm,
    /// Directories known to exist.
    dirs: HashSet<Vec<u8>>,
    /// Those among them that the layer has not listed, with the attributes they shall have.
    inherited: BTreeMap<Vec<u8>, Entry>,
}

impl Applier<'_> {
    fn entry(&mut self, entry: Entry, content: &mut dyn Read) -> Result<(), LayerError> {
        let Some(Placed { mut entry, copy_of }) = self.collector.place(entry)? else {
            return Ok(());
        };
        if let Some((parent, _)) = split_parent(&entry.path) {
            self.ensure_dir(parent, entry.mtime)?;
        }
        match copy_of {
            Some(file) if file.entry.is_file() => {
                let mut bytes = self.parents.open_entry(&file)?;
                self.create(&mut entry, &mut bytes)?;
            }
            _ => self.create(&mut entry, content)?,
        }
        self.collector.add(entry);
        Ok(())
    }

    fn create(&mut self, entry: &mut Entry, content: &mut dyn Read) -> Result<(), LayerError> {
        if entry.is_dir() {
            self.make_room(&entry.path, true)?;
            self.dirs.insert(entry.path.clone());
            self.inherited.remove(&entry.path);
            return Ok(());
        }
        let created = self.disk.create(entry, content);
        let Err(LayerError::Unpack { source, .. }) = &created else { return created };
        if source.errno() != Some(Errno::EXIST.raw_os_error()) {
            return created;
        }
        self.make_room(&entry.path, false)?;
        self.disk.create(entry, content)
    }

    /// Makes `path` a directory, or nothing at all. An existing directory stays a directory.
    fn make_room(&mut self, path: &[u8], dir: bool) -> Result<(), LayerError> {
        if dir {
            match self.disk.create_dir(path) {
                Err(error) if error.errno() == Some(Errno::EXIST.raw_os_error()) => {}
                other => return other.map_err(|source| unpack(path, source)),
            }
        }
        let found = self.disk.target.metadata(as_path(path));
        let found = found.map_err(|source| unpack(path, source))?;
        if dir && found.kind == FileKind::Dir {
            return Ok(());
        }
        if found.kind == FileKind::Dir {
            self.forget(path);
        }
        let removed = self.disk.target.remove_tree(as_path(path));
        removed.map_err(|source| unpack(path, source))?;
        if dir {
            return self.disk.create_dir(path).map_err(|source| unpack(path, source));
        }
        Ok(())
    }

    /// What is known of directories at and below a path that goes away.
    fn forget(&mut self, path: &[u8]) {
        let gone = |dir: &Vec<u8>| dir == path || super::index::is_below(dir, path);
        self.dirs.retain(|dir| !gone(dir));
        self.inherited.retain(|dir, _| !gone(dir));
        self.disk.open = None;
    }

    /// Makes sure that a directory of a canonical path exists.
    fn ensure_dir(&mut self, path: &[u8], mtime: i64) -> Result<(), LayerError> {
        if self.dirs.contains(path) {
            return Ok(());
        }
        let missing: Vec<Vec<u8>> = ancestors(path)
            .chain([path])
            .filter(|dir| !self.dirs.contains(*dir))
            .map(<[u8]>::to_vec)
            .collect();
        for dir in missing {
            self.make_room(&dir, true)?;
            let attributes = self.collector.inherited_dir(&dir).unwrap_or_else(|| {
                let mut entry = Entry::default_dir(dir.clone());
                entry.mtime = mtime;
                entry
            });
            self.inherited.insert(dir.clone(), attributes);
            self.dirs.insert(dir);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<LayerIndex, LayerError> {
        let collector = std::mem::replace(&mut self.collector, Collector::new(self.parents));
        let index = collector.finish();
        for entry in &index {
            match (&entry.kind, self.form) {
                (EntryKind::Whiteout, WhiteoutForm::Overlay) => self.mark_deleted(entry)?,
                (EntryKind::Whiteout, WhiteoutForm::Remove) => self.delete(&entry.path)?,
                (EntryKind::Dir { opaque: true }, WhiteoutForm::Overlay) => {
                    self.ensure_dir(&entry.path, entry.mtime)?;
                    let path = as_path(&entry.path);
                    let marked = self.disk.target.set_xattr(path, OVERLAY_OPAQUE, b"y");
                    marked.map_err(|source| unpack(&entry.path, source))?;
                }
                (EntryKind::Dir { opaque: true }, WhiteoutForm::Remove) => {
                    self.ensure_dir(&entry.path, entry.mtime)?;
                    self.purge(&index, &entry.path)?;
                }
                _ => {}
            }
        }
        self.finish_dirs(&index)?;
        Ok(index)
    }

    fn mark_deleted(&mut self, entry: &Entry) -> Result<(), LayerError> {
        let (parent, _) = split_parent(&entry.path).unwrap_or_default();
        self.ensure_dir(parent, entry.mtime)?;
        let kind = NodeKind::CharDevice { major: 0, minor: 0 };
        let made = self.disk.target.mknod(as_path(&entry.path), kind, 0);
        made.map_err(|source| unpack(&entry.path, source))
    }

    fn delete(&mut self, path: &[u8]) -> Result<(), LayerError> {
        match self.disk.target.remove_tree(as_path(path)) {
            Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(()),
            // Deleting `a/b` where `a` is no directory deletes nothing.
            Err(source) if source.kind() == io::ErrorKind::NotADirectory => Ok(()),
            other => other.map_err(|source| unpack(path, source)),
        }
    }

    /// Removes what an opaque directory hides: everything that is not this layer's.
    fn purge(&self, index: &LayerIndex, dir: &[u8]) -> Result<(), LayerError> {
        let listed = self.disk.target.read_dir(as_path(dir));
        for child in listed.map_err(|source| unpack(dir, source))? {
            let path = super::entry::join(dir, child.name.as_bytes());
            let ours = match index.get(&path) {
                Some(entry) => !matches!(entry.kind, EntryKind::Whiteout),
                None => !index.below(&path).is_empty(),
            };
            if !ours {
                let removed = self.disk.target.remove_tree(as_path(&path));
                removed.map_err(|source| unpack(&path, source))?;
            } else if child.kind == FileKind::Dir {
                self.purge(index, &path)?;
            }
        }
        Ok(())
    }

    /// Attributes of directories, now that nothing is created in them any more.
    fn finish_dirs(&self, index: &LayerIndex) -> Result<(), LayerError> {
        for entry in index.iter().filter(|entry| entry.is_dir()) {
            self.disk.finish_dir(entry, self.form)?;
        }
        for (path, entry) in &self.inherited {
            if index.get(path).is_none() {
                self.disk.finish_dir(entry, self.form)?;
            }
        }
        Ok(())
    }
}

/// The tree being written.
struct Disk<'a> {
    target: &'a RootDir,
    id_map: IdMap,
    /// The directory written to last: entries of a directory come together.
    open: Option<(Vec<u8>, RootDir)>,
    buffer: Vec<u8>,
}

impl Disk<'_> {
    /// Creates anything but a directory. Its parent exists; it does not.
    fn create(&mut self, entry: &mut Entry, content: &mut dyn Read) -> Result<(), LayerError> {
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
        let mut file = created.map_err(|source| unpack(&entry.path, source))?;
        let (size, digest) = copy(content, &mut file, &mut self.buffer, &entry.path)?;
        if let EntryKind::File { size: expected, digest: known, .. } = &mut entry.kind {
            if *expected != size {
                let path = show(&entry.path);
                return Err(LayerError::SizeChanged { path, expected: *expected });
            }
            *known = Some(digest);
        }
        drop(file);
        self.set_attributes(dir, name, entry).map_err(|source| unpack(&entry.path, source))
    }

    fn create_dir(&mut self, path: &[u8]) -> Result<(), SysError> {
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
            dir.set_xattr(name, attribute, value)?;
        }
        dir.set_mtime(name, Timestamp { secs: entry.mtime, nanos: 0 })
    }

    fn finish_dir(&self, entry: &Entry, form: WhiteoutForm) -> Result<(), LayerError> {
        let finish = || {
            let path = entry.as_path();
            if form == WhiteoutForm::Remove {
                let found = self.target.xattrs(path)?;
                for name in found.keys().filter(|name| !entry.xattrs.contains_key(*name)) {
                    if super::xattr::belongs_to_image(name) {
                        self.target.remove_xattr(path, name)?;
                    }
                }
            }
            self.set_attributes(self.target, path, entry)
        };
        finish().map_err(|source| unpack(&entry.path, source))
    }
}

/// Copies and hashes in one pass.
fn copy(
    content: &mut dyn Read,
    file: &mut File,
    buffer: &mut [u8],
    path: &[u8],
) -> Result<(u64, super::ContentDigest), LayerError> {
    let mut hasher = ContentHasher::default();
    let mut size = 0;
    loop {
        let count = match content.read(buffer) {
            Ok(0) => return Ok((size, hasher.finish())),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                let problem = "is cut short".to_owned();
                return Err(LayerError::Entry { path: show(path), problem });
            }
            Err(source) => return Err(LayerError::ReadFile { path: show(path), source }),
        };
        hasher.update(&buffer[..count]);
        file.write_all(&buffer[..count])
            .map_err(|source| LayerError::WriteFile { path: show(path), source })?;
        size += count as u64;
    }
}

fn unpack(path: &[u8], source: SysError) -> LayerError {
    LayerError::Unpack { path: show(path), source }
}

fn as_path(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}
