//! Listing a context's directories, without what is ignored.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use store::layer::ContentDigest;
use sys::root_dir::{FileKind, Metadata};
use sys::{RootDir, SysError};

use super::file_index::{self, FileIndex, Record, Records, Stat, Xattrs};
use super::ignore::{Covered, Ignore};
use crate::execute::source::{Node, NodeKind, SourceError, as_path, join, parent_and_name};

/// What is visible in a directory, sorted by name.
#[derive(Debug)]
pub(super) struct Listing {
    children: Vec<Arc<Child>>,
}

#[derive(Debug)]
pub(super) struct Child {
    pub(super) name: Box<[u8]>,
    pub(super) node: Node,
    stat: Stat,
    /// Of a file, once it is known.
    pub(super) content: OnceLock<ContentDigest>,
    /// Before anything was asked about it, in nanoseconds since 1970: what changes later shows in its times, unless it
    /// was about to change just then.
    looked_at: i64,
    /// For what is in it, if it is a directory.
    covered: Covered,
}

impl Child {
    pub(super) fn is_file(&self) -> bool {
        matches!(self.node.kind, NodeKind::File { .. })
    }
}

impl Listing {
    pub(super) fn get(&self, name: &[u8]) -> Option<&Arc<Child>> {
        let found = self.children.binary_search_by(|child| (*child.name).cmp(name));
        found.ok().map(|position| &self.children[position])
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.children.iter().map(|child| &*child.name)
    }

    pub(super) fn children(&self) -> impl Iterator<Item = &Arc<Child>> {
        self.children.iter()
    }
}

/// The directories looked at so far.
#[derive(Debug)]
pub(super) struct Listings {
    ignore: Ignore,
    /// What earlier builds knew of directories that were not looked at yet.
    index: Mutex<FileIndex>,
    /// `None`: not a directory, or not there, or ignored.
    known: Mutex<HashMap<Vec<u8>, Option<Arc<Listing>>>>,
}

impl Listings {
    pub(super) fn new(ignore: Ignore, index: FileIndex) -> Listings {
        Listings { ignore, index: Mutex::new(index), known: Mutex::default() }
    }

    /// Writes down what is known of the files of the directories looked at.
    pub(super) fn save_index(&self) {
        let known = self.lock();
        let listed = known.iter().filter_map(|(path, listing)| {
            let records: Records = listing.as_ref()?.children().filter_map(|c| record(c)).collect();
            Some((path.clone(), records))
        });
        self.index.lock().unwrap_or_else(PoisonError::into_inner).save(listed);
    }

    /// What is in the directory `path`, taken literally; none if it is not a visible directory.
    pub(super) fn directory(
        &self,
        root: &RootDir,
        path: &[u8],
    ) -> Result<Option<Arc<Listing>>, SourceError> {
        if let Some(known) = self.lock().get(path) {
            return Ok(known.clone());
        }
        let listing = if path.is_empty() {
            Some(Arc::new(self.list(root, path, &Covered::default())?))
        } else {
            let (parent, name) = parent_and_name(path);
            let parent = self.directory(root, parent)?;
            // Another thread or the parent's listing may have made it meanwhile.
            if let Some(known) = self.lock().get(path) {
                return Ok(known.clone());
            }
            match parent.as_ref().and_then(|parent| parent.get(name)) {
                Some(child) if child.node.is_dir() => {
                    Some(Arc::new(self.list(root, path, &child.covered)?))
                }
                _ => None,
            }
        };
        Ok(self.lock().entry(path.to_vec()).or_insert(listing).clone())
    }

    fn list(&self, root: &RootDir, path: &[u8], covered: &Covered) -> Result<Listing, SourceError> {
        let failed = |path: &[u8]| {
            let path = path.to_vec();
            move |source: SysError| SourceError::Context { path, source }
        };
        let dir = root.subdir_nofollow(as_path(path)).map_err(failed(path))?;
        let entries = dir.read_dir("").map_err(failed(path))?;
        let now = file_index::now();
        let mut children = Vec::with_capacity(entries.len());
        let (taken, loaded_at) = {
            let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
            (index.take(path), index.loaded_at())
        };
        let mut records = &taken[..];
        let mut deeper = Vec::new();
        for entry in entries {
            let name = entry.name.as_bytes();
            let child = join(path, name);
            let verdict = self.ignore.enter(&child, covered);
            let is_dir = entry.kind == FileKind::Dir;
            if verdict.excluded && (!is_dir || self.ignore.can_skip(&child)) {
                continue;
            }
            let mut known =
                |metadata: &Metadata| file_index::find(&mut records, name, metadata, loaded_at);
            let looked = look(&dir, Path::new(&entry.name), &mut known);
            let Some(found) = looked.map_err(failed(&child))? else { continue };
            if verdict.excluded && !found.node.is_dir() {
                continue;
            }
            if verdict.excluded {
                deeper.push((children.len(), child));
            }
            let (name, covered) = (name.into(), verdict.covered);
            children.push(Arc::new(found.child(name, covered, now)));
        }
        drop(taken);
        // They are there only if something in them was taken back.
        for (number, path) in deeper.into_iter().rev() {
            let inside = self.list(root, &path, &children[number].covered)?;
            if inside.children.is_empty() {
                children.remove(number);
            } else {
                self.lock().insert(path, Some(Arc::new(inside)));
            }
        }
        Ok(Listing { children })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Vec<u8>, Option<Arc<Listing>>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Found {
    node: Node,
    stat: Stat,
    /// What the index knows: the digest, and when it was found out.
    known: Option<(ContentDigest, i64)>,
}

impl Found {
    fn child(self, name: Box<[u8]>, covered: Covered, now: i64) -> Child {
        let Found { node, stat, known } = self;
        let looked_at = known.map_or(now, |(_, at)| at);
        let content = known.map_or_else(OnceLock::new, |(digest, _)| OnceLock::from(digest));
        Child { name, node, stat, content, looked_at, covered }
    }
}

/// `None` for sockets, which no image can hold, and for what vanished.
fn look<'r>(
    dir: &RootDir,
    name: &Path,
    known: &mut dyn FnMut(&Metadata) -> Option<&'r Record>,
) -> sys::Result<Option<Found>> {
    let metadata = match dir.metadata(name) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let kind = match metadata.kind {
        FileKind::File => NodeKind::File { size: metadata.size },
        FileKind::Dir => NodeKind::Dir,
        FileKind::Symlink => {
            NodeKind::Symlink { target: dir.read_link(name)?.into_os_string().into_vec() }
        }
        FileKind::Fifo => NodeKind::Fifo,
        FileKind::CharDevice => {
            NodeKind::CharDevice { major: metadata.rdev_major(), minor: metadata.rdev_minor() }
        }
        FileKind::BlockDevice => {
            NodeKind::BlockDevice { major: metadata.rdev_major(), minor: metadata.rdev_minor() }
        }
        FileKind::Socket => return Ok(None),
    };
    let record = if metadata.kind == FileKind::File { known(&metadata) } else { None };
    let xattrs = match record {
        Some(record) => record.xattrs.clone(),
        None => attributes(dir, name)?,
    };
    let node = Node {
        kind,
        mode: metadata.mode,
        uid: 0,
        gid: 0,
        mtime: metadata.mtime.secs,
        xattrs,
        link_group: None,
    };
    Ok(Some(Found { node, stat: Stat::of(&metadata), known: record.map(Record::content) }))
}

fn attributes(dir: &RootDir, name: &Path) -> sys::Result<Xattrs> {
    let mut xattrs = dir.xattrs(name)?;
    xattrs.retain(|name, _| name.starts_with(b"user.") || name == b"security.capability");
    xattrs.retain(|name, _| !name.starts_with(b"user.overlay."));
    Ok(xattrs)
}

fn record(child: &Child) -> Option<(Box<[u8]>, Record)> {
    let digest = *child.content.get()?;
    let record = Record::of(child.stat, child.looked_at, digest, child.node.xattrs.clone());
    Some((child.name.clone(), record))
}

/// The context itself; its owner and mode never reach an image.
pub(super) fn root_node() -> Node {
    Node {
        kind: NodeKind::Dir,
        mode: 0o755,
        uid: 0,
        gid: 0,
        mtime: 0,
        xattrs: BTreeMap::new(),
        link_group: None,
    }
}
