//! Snapshots and layer indexes: what is unpacked is what the layer says.
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use sys::root_dir::{FileKind, Metadata};
use sys::{RootDir, SysError};

use super::{Problem, ProblemKind, Report};
use crate::digest::Digest;
use crate::error::{Result, sys_error};
use crate::image::{Image, names};
use crate::layer::entry::Xattrs;
use crate::layer::{ContentDigest, Entry, EntryKind, LayerIndex, index_layer, xattr};
use crate::open::Store;
use crate::platform::Platform;
use crate::snapshot::{SnapshotForm, SnapshotId};
use crate::tree::{Tree, TreeContent, TreeLayer};

impl Store {
    pub(super) fn check_snapshots(&self, report: &mut Report) -> Result<()> {
        self.check_records(report)?;
        let Ok(index) = self.read_index() else { return Ok(()) };
        let mut checked = HashSet::new();
        for entry in &index.manifests {
            let Ok(image) = self.load_image(None, entry, &Platform::host()) else { continue };
            let name = names::name_of(entry).map(|name| name.familiar());
            let object = format!("image {}", name.unwrap_or_else(|| entry.digest.to_string()));
            self.check_layers(&object, &image, report, &mut checked)?;
        }
        Ok(())
    }

    /// What is wrong with a snapshot of one layer that no image is made of yet, if `index` is what it contains. A
    /// snapshot in the other form cannot be told from the layers below it here.
    pub fn validate_snapshot(&self, id: &SnapshotId, index: &LayerIndex) -> Result<Vec<Problem>> {
        let mut report = Report::default();
        if id.form() == SnapshotForm::Overlay {
            let dir = RootDir::open(self.snapshot_path(id));
            let dir = dir.map_err(sys_error("open the snapshot"))?;
            let object = format!("snapshot {id}");
            Check { object, id, dir: &dir, report: &mut report }.layer(index, None)?;
        }
        Ok(report.problems)
    }

    /// The snapshots of stacks of layers, which `validate` looks at.
    pub fn chained_snapshots(&self) -> Result<HashSet<SnapshotId>> {
        let mut ids = HashSet::new();
        for name in self.file_names("snapshots/chains")? {
            ids.extend(self.read_id(&self.sub("snapshots/chains").join(name))?);
        }
        Ok(ids)
    }

    /// Every record has a good name and leads to a snapshot.
    fn check_records(&self, report: &mut Report) -> Result<()> {
        for dir in ["snapshots/chains", "snapshots/merged"] {
            for name in self.file_names(dir)? {
                let object = format!("{dir}/{name}");
                if Digest::from_hex(&name).is_err() {
                    report.add(&object, ProblemKind::StrayName);
                    continue;
                }
                match self.read_id(&self.sub(&object))? {
                    None => report.add(object, ProblemKind::Record),
                    Some(id) if !self.has_snapshot(&id) => {
                        let kind = ProblemKind::Missing { what: "snapshot", name: id.to_string() };
                        report.add(object, kind);
                    }
                    Some(_) if dir == "snapshots/merged" && !self.is_merged_record(&name)? => {
                        report.add(object, ProblemKind::Record);
                    }
                    Some(_) => {}
                }
            }
        }
        for name in self.file_names("cache/indexes")? {
            let object = format!("cache/indexes/{name}");
            // Collected since it was listed, or not: what cannot be read is no index.
            let bytes = std::fs::read(self.sub(&object)).unwrap_or_default();
            if Digest::from_hex(&name).is_err() {
                report.add(object, ProblemKind::StrayName);
            } else if LayerIndex::from_bytes(&bytes).is_err() {
                report.add(object, ProblemKind::LayerIndex);
            }
        }
        for name in self.file_names("snapshots/fs")? {
            if SnapshotId::parse(&name).is_none() {
                report.add(format!("snapshots/fs/{name}"), ProblemKind::StrayName);
            }
        }
        Ok(())
    }

    /// Whether the record stands for the stack that it lists: its name is made of the stack's.
    fn is_merged_record(&self, name: &str) -> Result<bool> {
        let ids = self.read_ids(&self.sub("snapshots/merged").join(name))?;
        let parts: Vec<&str> = ids.iter().skip(1).map(SnapshotId::as_str).collect();
        Ok(Digest::of(parts.join(" ").as_bytes()).hex() == name)
    }

    fn check_layers(
        &self,
        object: &str,
        image: &Image,
        report: &mut Report,
        checked: &mut HashSet<crate::digest::ChainId>,
    ) -> Result<()> {
        let mut tree = Tree::default();
        for layer in image.layers() {
            let Ok(reader) = self.open_layer(&layer.descriptor) else { return Ok(()) };
            // A damaged layer has been reported as such.
            let Ok(index) = index_layer(reader, &tree) else { return Ok(()) };
            let index = std::sync::Arc::new(index);
            let mut unpacked = None;
            if checked.insert(layer.chain_id) {
                let path = self.index_path(layer.chain_id);
                // One that is not readable has been reported as such.
                if let Ok(bytes) = std::fs::read(&path)
                    && LayerIndex::from_bytes(&bytes).is_ok_and(|known| known != *index)
                {
                    let name = layer.chain_id.digest().hex();
                    report.add(format!("cache/indexes/{name}"), ProblemKind::LayerIndex);
                }
                if let Some(id) = self.read_id(&self.chain_path(layer.chain_id))?
                    && self.has_snapshot(&id)
                {
                    unpacked = Some(id);
                }
            }
            let below = tree.clone();
            tree = tree.with_layer(TreeLayer::new(index.clone(), TreeContent::Unavailable));
            let Some(id) = unpacked else { continue };
            let dir = RootDir::open(self.snapshot_path(&id));
            let dir = dir.map_err(sys_error("open the snapshot"))?;
            let object = format!("{object}, snapshot {id}");
            let mut check = Check { object, id: &id, dir: &dir, report };
            match id.form() {
                SnapshotForm::Overlay => check.layer(&index, Some(&below))?,
                SnapshotForm::Copy => check.tree(&tree)?,
            }
        }
        Ok(())
    }
}

/// A snapshot that is looked through.
pub(super) struct Check<'a> {
    pub(super) object: String,
    pub(super) id: &'a SnapshotId,
    pub(super) dir: &'a RootDir,
    pub(super) report: &'a mut Report,
}

impl Check<'_> {
    /// Everything the index lists is there as it says, and nothing is there besides but directories that are on
    /// the way to something, or were copied up from `below` (if it is known) unchanged.
    fn layer(&mut self, index: &LayerIndex, below: Option<&Tree>) -> Result<()> {
        for entry in index {
            self.note(entry.as_path(), problem_of(self.dir, &entry, index));
            self.note(entry.as_path(), opacity_problem(self.dir, &entry, below));
        }
        let dir = self.dir;
        self.walk(&mut |path, child| {
            let bytes = path_bytes(path);
            let is_below =
                |tree: &Tree| tree.lookup(path).is_some_and(|found| found.entry.is_dir());
            let on_the_way = || index.has_below(bytes) || below.is_none_or(is_below);
            match (index.get(bytes), child) {
                (Some(_), _) => None,
                (None, FileKind::Dir) if on_the_way() => {
                    let unlisted = Entry::default_dir(bytes.to_vec());
                    opacity_problem(dir, &unlisted, below)
                }
                (None, _) => Some("is not in the layer"),
            }
        })
    }

    /// All that the layers together have is there as they say, and nothing besides.
    fn tree(&mut self, tree: &Tree) -> Result<()> {
        let mut pending = vec![PathBuf::new()];
        let (mut inodes, mut known) = (HashMap::new(), HashSet::new());
        while let Some(parent) = pending.pop() {
            for (name, found) in tree.read_dir(&parent).unwrap_or_default() {
                let path = parent.join(name);
                known.insert(path.clone());
                // Attributes of a directory that no layer lists are nobody's word.
                let told = found.layer.is_some() || !found.entry.is_dir();
                let none = LayerIndex::default();
                let problem = told.then(|| problem_of(self.dir, &found.entry, &none)).flatten();
                self.note(&path, problem);
                if found.entry.is_dir() {
                    pending.push(path);
                } else if let Ok(metadata) = self.dir.metadata(&path) {
                    let inode = (metadata.dev, metadata.ino);
                    let first = *inodes.entry((found.layer, found.source)).or_insert(inode);
                    let apart = "is not the same file as its hard link";
                    self.note(&path, (first != inode).then_some(apart));
                }
            }
        }
        self.walk(&mut |path, _| (!known.contains(path)).then_some("is not in the layers"))
    }

    /// Asks about all there is. No layer can hold a socket.
    pub(super) fn walk(
        &mut self,
        problem: &mut dyn FnMut(&Path, FileKind) -> Option<&'static str>,
    ) -> Result<()> {
        let mut pending = vec![PathBuf::new()];
        while let Some(parent) = pending.pop() {
            let children = self.dir.read_dir(&parent);
            for child in children.map_err(sys_error("list the snapshot"))? {
                let path = parent.join(&child.name);
                if child.kind != FileKind::Socket {
                    self.note(&path, problem(&path, child.kind));
                }
                if child.kind == FileKind::Dir {
                    pending.push(path);
                }
            }
        }
        Ok(())
    }

    pub(super) fn note(&mut self, path: &Path, problem: Option<&'static str>) {
        if let Some(problem) = problem {
            let (id, path) = (self.id.clone(), path.display().to_string());
            let kind = ProblemKind::SnapshotContent { id, path, problem };
            self.report.add(self.object.clone(), kind);
        }
    }
}

fn path_bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}

fn problem_of(dir: &RootDir, entry: &Entry, index: &LayerIndex) -> Option<&'static str> {
    let path = entry.as_path();
    let Ok(metadata) = dir.metadata(path) else { return Some("is missing") };
    let as_told = match &entry.kind {
        EntryKind::Dir { .. } => metadata.kind == FileKind::Dir,
        EntryKind::File { size, .. } => metadata.kind == FileKind::File && metadata.size == *size,
        EntryKind::Symlink { target } => {
            let found = dir.read_link(path).ok();
            found.is_some_and(|found| found.as_os_str().as_encoded_bytes() == target)
        }
        EntryKind::Hardlink { target } => return hard_link_problem(dir, target, &metadata, index),
        EntryKind::CharDevice { major, minor } => {
            metadata.kind == FileKind::CharDevice && numbers(&metadata) == (*major, *minor)
        }
        EntryKind::BlockDevice { major, minor } => {
            metadata.kind == FileKind::BlockDevice && numbers(&metadata) == (*major, *minor)
        }
        EntryKind::Fifo => metadata.kind == FileKind::Fifo,
        EntryKind::Whiteout => {
            return (!metadata.is_overlay_whiteout()).then_some("is not deleted");
        }
    };
    if !as_told {
        return Some("is not what the layer says");
    }
    if (metadata.uid, metadata.gid) != (entry.uid, entry.gid) {
        return Some("has another owner than the layer says");
    }
    if metadata.kind != FileKind::Symlink && metadata.mode != entry.mode {
        return Some("has another mode than the layer says");
    }
    if !has_xattrs_of(dir, entry) {
        return Some("has other extended attributes than the layer says");
    }
    content_problem(dir, path, entry)
}

/// The kernel marks every directory that takes the place of something else, even if there is nothing to hide.
fn opacity_problem(dir: &RootDir, entry: &Entry, below: Option<&Tree>) -> Option<&'static str> {
    let opaque = dir.xattrs(entry.as_path()).is_ok_and(|found| xattr::is_overlay_opaque(&found));
    let is_dir = |tree: &Tree| tree.lookup(entry.as_path()).is_some_and(|it| it.entry.is_dir());
    let wrong = match (opaque, entry.is_opaque()) {
        (true, false) => below.is_some_and(is_dir),
        (opaque, told) => opaque != told,
    };
    wrong.then_some("hides other files than the layer says")
}

/// What a file system may refuse may be missing; anything else is as in the layer.
fn has_xattrs_of(dir: &RootDir, entry: &Entry) -> bool {
    let Ok(found) = dir.xattrs(entry.as_path()) else { return false };
    let found: Xattrs =
        found.into_iter().filter(|(name, _)| xattr::belongs_to_image(name)).collect();
    let refused = Some(rustix::io::Errno::NOTSUP.raw_os_error());
    let missing = |name: &[u8]| xattr::may_be_missing(name, &entry.kind, refused);
    let expected = entry.xattrs.iter().filter(|(name, _)| xattr::belongs_to_image(name));
    let as_told = |(name, value): (&Vec<u8>, &Vec<u8>)| match found.get(name) {
        Some(found) => found == value,
        None => missing(name),
    };
    expected.into_iter().all(as_told) && found.keys().all(|name| entry.xattrs.contains_key(name))
}

fn content_problem(dir: &RootDir, path: &Path, entry: &Entry) -> Option<&'static str> {
    let EntryKind::File { digest: Some(expected), .. } = &entry.kind else { return None };
    let actual = dir
        .open_file_nofollow(path)
        .map_err(SysError::into)
        .and_then(|file: std::fs::File| -> io::Result<_> { ContentDigest::of_reader(file) });
    match actual {
        Ok(actual) if actual == *expected => None,
        Ok(_) => Some("has other content than the layer"),
        Err(_) => Some("cannot be read"),
    }
}

fn hard_link_problem(
    dir: &RootDir,
    target: &[u8],
    metadata: &Metadata,
    index: &LayerIndex,
) -> Option<&'static str> {
    let same = index
        .get(target)
        .and_then(|entry| dir.metadata(entry.as_path()).ok())
        .is_some_and(|other| (other.dev, other.ino) == (metadata.dev, metadata.ino));
    (!same).then_some("is not the same file as its hard link")
}

fn numbers(metadata: &Metadata) -> (u32, u32) {
    (metadata.rdev_major(), metadata.rdev_minor())
}
