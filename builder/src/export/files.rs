//! The root file system of the image, all layers merged: as a tar archive or as files.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use store::layer::entry::join;
use store::layer::{Entry, EntryKind, LayerWriter};
use store::tree::{Tree, TreeEntry};
use store::{Image, Store};
use sys::root_dir::{FileKind, NodeKind, Timestamp};
use sys::{RootDir, SysError};

use super::ExportError;
use super::destination::{failed, write_to};
use super::directory_of;
use crate::request::Destination;

/// The files of several platforms go into a directory each.
pub(super) fn write_tar(
    store: &Store,
    images: &[Image],
    destination: &Destination,
) -> Result<(), ExportError> {
    let mut trees = BTreeMap::new();
    for image in images {
        let directory = if images.len() == 1 { String::new() } else { directory_of(image) };
        trees.insert(directory, store.tree(image)?);
    }
    write_trees(&trees, destination)
}

/// Each below its directory, which may be empty if there is one only.
pub(super) fn write_trees(
    trees: &BTreeMap<String, Tree>,
    destination: &Destination,
) -> Result<(), ExportError> {
    write_to(destination, &mut |writer| {
        let mut archive = LayerWriter::new(writer);
        for (directory, tree) in trees {
            append_tree(&mut archive, directory.as_bytes(), tree)?;
        }
        archive.finish()?;
        Ok(())
    })
}

fn append_tree(
    archive: &mut LayerWriter<&mut dyn Write>,
    directory: &[u8],
    tree: &Tree,
) -> Result<(), ExportError> {
    let mut links = Links::default();
    if !directory.is_empty() {
        archive.append(&Entry::default_dir(directory), None)?;
    }
    walk(tree, &mut |found| {
        if found.entry.path.is_empty() && !directory.is_empty() {
            return Ok(());
        }
        let path = join(directory, &found.entry.path);
        if let Some(first) = links.earlier_name(&found) {
            let kind = EntryKind::Hardlink { target: join(directory, &first) };
            return Ok(archive.append(&Entry { path, kind, ..found.entry }, None)?);
        }
        if !found.entry.is_file() {
            return Ok(archive.append(&Entry { path, ..found.entry }, None)?);
        }
        let mut content = tree.open_entry(&found)?;
        Ok(archive.append(&Entry { path, ..found.entry }, Some(&mut *content))?)
    })
}

/// Writes below `path`, over what is there, as the calling user: owners are not kept, as with docker.
pub(super) fn write_directory(
    store: &Store,
    image: &Image,
    path: &Path,
) -> Result<(), ExportError> {
    fs::create_dir_all(path).map_err(failed("create", path))?;
    let at = |entry: &Path| {
        let (entry, target) = (entry.to_owned(), path.to_owned());
        move |source: SysError| ExportError::File { path: entry, target, source }
    };
    let target = RootDir::open(path).map_err(at(Path::new("/")))?;
    let tree = store.tree(image)?;
    let mut links = Links::default();
    let mut directories: Vec<Entry> = Vec::new();
    walk(&tree, &mut |found| {
        let name = found.entry.as_path().to_owned();
        if found.entry.is_dir() {
            make_directory(&target, &found.entry).map_err(at(&name))?;
            directories.push(found.entry);
            return Ok(());
        }
        make_way(&target, &name).map_err(at(&name))?;
        if let Some(first) = links.earlier_name(&found) {
            let first = PathBuf::from(OsString::from_vec(first));
            return target.hard_link(&first, &name).map_err(at(&name));
        }
        make_file(&tree, &target, &found, &name)?.map_err(at(&name))
    })?;
    // Deepest first: writing into a directory changes its time, and its mode may forbid it.
    for entry in directories.iter().rev().filter(|entry| !entry.path.is_empty()) {
        let name = entry.as_path();
        target.set_mode(name, entry.mode).map_err(at(name))?;
        target.set_mtime(name, time(entry)).map_err(at(name))?;
    }
    Ok(())
}

/// Every entry, parents before what is in them, in the order of a layer.
fn walk(
    tree: &Tree,
    visit: &mut dyn FnMut(TreeEntry) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let mut open = Vec::new();
    open.extend(tree.lookup("/"));
    while let Some(found) = open.pop() {
        if found.entry.is_dir() {
            let children = tree.read_dir(found.entry.as_path())?;
            open.extend(children.into_iter().rev().map(|(_, child)| child));
        }
        // Only an image that lists its root has something to say about it.
        if !found.entry.path.is_empty() || found.layer.is_some() {
            visit(found)?;
        }
    }
    Ok(())
}

/// Names of the same file: the first one holds the bytes.
#[derive(Default)]
struct Links {
    first: HashMap<(Option<usize>, Vec<u8>), Vec<u8>>,
}

impl Links {
    fn earlier_name(&mut self, found: &TreeEntry) -> Option<Vec<u8>> {
        if found.entry.is_dir() {
            return None;
        }
        let file = (found.layer, found.source.clone());
        match self.first.get(&file) {
            Some(first) => Some(first.clone()),
            None => {
                self.first.insert(file, found.entry.path.clone());
                None
            }
        }
    }
}

fn make_directory(target: &RootDir, entry: &Entry) -> Result<(), SysError> {
    let name = entry.as_path();
    if entry.path.is_empty() || is_directory(target, name) {
        return Ok(());
    }
    make_way(target, name)?;
    target.create_dir(name, 0o700)
}

fn is_directory(target: &RootDir, name: &Path) -> bool {
    target.metadata(name).is_ok_and(|metadata| metadata.kind == FileKind::Dir)
}

/// Removes what has the name now.
fn make_way(target: &RootDir, name: &Path) -> Result<(), SysError> {
    match target.metadata(name) {
        Ok(_) => target.remove_tree(name),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// The outer error is about reading, the inner about writing.
fn make_file(
    tree: &Tree,
    target: &RootDir,
    found: &TreeEntry,
    name: &Path,
) -> Result<Result<(), SysError>, ExportError> {
    let entry = &found.entry;
    let made = match &entry.kind {
        EntryKind::File { .. } => return copy(tree, target, found, name),
        EntryKind::Symlink { target: to } => {
            let to = PathBuf::from(OsString::from_vec(to.clone()));
            return Ok(target.symlink(to, name).and_then(|()| target.set_mtime(name, time(entry))));
        }
        EntryKind::CharDevice { major, minor } => {
            let kind = NodeKind::CharDevice { major: *major, minor: *minor };
            target.mknod(name, kind, entry.mode)
        }
        EntryKind::BlockDevice { major, minor } => {
            let kind = NodeKind::BlockDevice { major: *major, minor: *minor };
            target.mknod(name, kind, entry.mode)
        }
        EntryKind::Fifo => target.mknod(name, NodeKind::Fifo, entry.mode),
        // A tree shows neither: whiteouts hide, other names of a file are shown as the file.
        EntryKind::Dir { .. } | EntryKind::Hardlink { .. } | EntryKind::Whiteout => {
            return Ok(Ok(()));
        }
    };
    Ok(made.and_then(|()| attributes(target, entry, name)))
}

fn copy(
    tree: &Tree,
    target: &RootDir,
    found: &TreeEntry,
    name: &Path,
) -> Result<Result<(), SysError>, ExportError> {
    let mut content = tree.open_entry(found)?;
    let mut file = match target.create_file(name, 0o600) {
        Ok(file) => file,
        Err(error) => return Ok(Err(error)),
    };
    let copied = io::copy(&mut content, &mut file);
    copied.map_err(|source| ExportError::Copy { path: name.to_owned(), source })?;
    Ok(attributes(target, &found.entry, name))
}

fn attributes(target: &RootDir, entry: &Entry, name: &Path) -> Result<(), SysError> {
    target.set_mode(name, entry.mode)?;
    target.set_mtime(name, time(entry))
}

fn time(entry: &Entry) -> Timestamp {
    Timestamp { secs: entry.mtime, nanos: 0 }
}
