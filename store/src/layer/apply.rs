//! Unpacking a layer into a directory.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;

use rustix::io::Errno;
use sys::RootDir;
use sys::root_dir::{FileKind, NodeKind};

use super::collect::{Collector, Placed, ancestors};
use super::disk::{Disk, as_path, unpack};
use super::entry::{Entry, EntryKind, join, split_parent};
use super::read::{Member, Whiteouts, read_layer};
use super::xattr::OVERLAY_OPAQUE;
use super::{LayerError, LayerIndex};
use crate::id_map::IdMap;
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
    let setting = Setting { target, parents, form, whiteouts: Whiteouts::Interpret, id_map };
    setting.run(reader)
}

/// Unpacks an archive that is no layer (ADD of a local tar): names like `.wh.x` mean nothing here.
/// `target` is an empty directory and `parents` the tree that the result will be laid over, so that
/// a member below a symbolic link lands where the link leads.
pub fn apply_archive(
    reader: impl Read,
    target: &RootDir,
    parents: &Tree,
    id_map: IdMap,
) -> Result<LayerIndex, LayerError> {
    let form = WhiteoutForm::Overlay;
    let setting = Setting { target, parents, form, whiteouts: Whiteouts::Literal, id_map };
    setting.run(reader)
}

struct Setting<'a> {
    target: &'a RootDir,
    parents: &'a Tree,
    form: WhiteoutForm,
    whiteouts: Whiteouts,
    id_map: IdMap,
}

impl Setting<'_> {
    fn run(self, reader: impl Read) -> Result<LayerIndex, LayerError> {
        let Setting { target, parents, form, whiteouts, id_map } = self;
        let mut applier = Applier {
            disk: Disk::new(target, id_map),
            collector: Collector::new(parents),
            parents,
            form,
            dirs: HashSet::from([Vec::new()]),
            inherited: BTreeMap::new(),
        };
        read_layer(reader, whiteouts, &mut |member, content| match member {
            Member::Whiteout { path } => applier.collector.whiteout(&path),
            Member::Opaque { path } => applier.collector.opaque(&path),
            Member::Entry(entry) => applier.entry(entry, content),
        })?;
        applier.finish()
    }
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
            match &entry.kind {
                // In every form, so that the directory keeps its attributes.
                EntryKind::Whiteout => {
                    self.ensure_dir(split_parent(&entry.path).unwrap_or_default().0, 0)?
                }
                EntryKind::Dir { .. } => self.ensure_dir(&entry.path, entry.mtime)?,
                _ => {}
            }
            match (&entry.kind, self.form) {
                (EntryKind::Whiteout, WhiteoutForm::Overlay) => self.mark_deleted(&entry)?,
                (EntryKind::Whiteout, WhiteoutForm::Remove) => self.delete(&entry.path)?,
                (EntryKind::Dir { opaque: true }, WhiteoutForm::Overlay) => {
                    let path = as_path(&entry.path);
                    let marked = self.disk.target.set_xattr(path, OVERLAY_OPAQUE, b"y");
                    marked.map_err(|source| unpack(&entry.path, source))?;
                }
                (EntryKind::Dir { opaque: true }, WhiteoutForm::Remove) => {
                    self.purge(&index, &entry.path)?;
                }
                _ => {}
            }
        }
        self.finish_dirs(&index)?;
        Ok(index)
    }

    fn mark_deleted(&self, entry: &Entry) -> Result<(), LayerError> {
        let kind = NodeKind::CharDevice { major: 0, minor: 0 };
        let made = self.disk.target.mknod(as_path(&entry.path), kind, 0);
        made.map_err(|source| unpack(&entry.path, source))
    }

    fn delete(&self, path: &[u8]) -> Result<(), LayerError> {
        match self.disk.target.remove_tree(as_path(path)) {
            Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(|source| unpack(path, source)),
        }
    }

    /// Removes what an opaque directory hides: everything that is not this layer's.
    fn purge(&self, index: &LayerIndex, dir: &[u8]) -> Result<(), LayerError> {
        let listed = self.disk.target.read_dir(as_path(dir));
        for child in listed.map_err(|source| unpack(dir, source))? {
            let path = join(dir, child.name.as_bytes());
            let ours = match index.get(&path) {
                Some(entry) => !matches!(entry.kind, EntryKind::Whiteout),
                None => index.has_below(&path),
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
            self.disk.finish_dir(&entry, self.form)?;
        }
        for (path, entry) in &self.inherited {
            if index.get(path).is_some() {
                continue;
            }
            // Something after it in the archive may have hidden what it would inherit from.
            if ancestors(path).filter_map(|dir| index.get(dir)).any(|entry| entry.is_opaque()) {
                let hidden = Entry { mtime: entry.mtime, ..Entry::default_dir(path.clone()) };
                self.disk.finish_dir(&hidden, self.form)?;
            } else {
                self.disk.finish_dir(entry, self.form)?;
            }
        }
        Ok(())
    }
}
