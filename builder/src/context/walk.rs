//! Listing a context's directories, without what is ignored.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sys::root_dir::{DirEntry, FileKind, Metadata};
use sys::{RootDir, SysError};

use super::file_index::{self, FileIndex, Record, Rest, Stat, Xattrs};
use super::ignore::{Covered, Ignore, Verdict};
use crate::execute::source::{
    Listing, Node, NodeKind, SourceError, as_path, join, parent_and_name,
};

/// A directory that was looked at.
#[derive(Debug)]
pub(super) struct Directory {
    /// What is visible in it.
    pub(super) listing: Arc<Listing>,
    /// By position in the listing.
    seen: Vec<Seen>,
    /// Of the directories in it, by position.
    covered: HashMap<usize, Covered>,
}

/// What tells whether something has changed.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// The listing has the other numbers.
    rest: Rest,
    /// Before anything was asked about it, in nanoseconds since 1970: what changes later shows in its times, unless it
    /// was about to change just then.
    looked_at: i64,
}

impl Directory {
    fn with_capacity(count: usize) -> (Listing, Directory) {
        let (seen, covered) = (Vec::with_capacity(count), HashMap::new());
        (Listing::with_capacity(count), Directory { listing: Arc::default(), seen, covered })
    }

    /// What the index has to know of the files that were read.
    fn records(&self) -> impl Iterator<Item = (&[u8], Record)> + Clone {
        let listing = &self.listing;
        (0..listing.len()).filter_map(move |position| {
            let (digest, Seen { rest, looked_at }) =
                (listing.digest(position)?, self.seen[position]);
            let Node { kind: NodeKind::File { size }, mtime, mode, xattrs, .. } =
                listing.node(position)
            else {
                return None;
            };
            let record = Record::of(Stat::with(rest, size, mtime, mode), looked_at, digest, xattrs);
            Some((listing.name(position), record))
        })
    }
}

/// The directories looked at so far.
#[derive(Debug)]
pub(super) struct Directories {
    ignore: Ignore,
    /// What earlier builds knew.
    index: FileIndex,
    /// `None`: not a directory, or not there, or ignored.
    known: Mutex<Known>,
}

type Known = HashMap<Vec<u8>, Option<Arc<Directory>>>;

impl Directories {
    pub(super) fn new(ignore: Ignore, index: FileIndex) -> Directories {
        Directories { ignore, index, known: Mutex::default() }
    }

    /// Writes down what is known of the files of the directories looked at.
    pub(super) fn save_index(&self) {
        let known = self.lock();
        let looked_at = known
            .iter()
            .filter_map(|(path, directory)| Some((path.as_slice(), directory.as_ref()?.records())));
        self.index.save(looked_at.collect());
    }

    /// The directory `path`, taken literally; none if it is not a visible directory.
    pub(super) fn get(
        &self,
        root: &RootDir,
        path: &[u8],
    ) -> Result<Option<Arc<Directory>>, SourceError> {
        if let Some(known) = self.lock().get(path) {
            return Ok(known.clone());
        }
        let directory = if path.is_empty() {
            Some(Arc::new(self.look_into(root, path, &Covered::default())?))
        } else {
            let (parent, name) = parent_and_name(path);
            let parent = self.get(root, parent)?;
            // Another thread or the parent's listing may have made it meanwhile.
            if let Some(known) = self.lock().get(path) {
                return Ok(known.clone());
            }
            let found = parent.as_ref().and_then(|parent| {
                let position = parent.listing.find(name)?;
                parent.listing.is_dir(position).then(|| parent.covered.get(&position))?
            });
            match found {
                Some(covered) => Some(Arc::new(self.look_into(root, path, covered)?)),
                None => None,
            }
        };
        Ok(self.lock().entry(path.to_vec()).or_insert(directory).clone())
    }

    fn look_into(
        &self,
        root: &RootDir,
        path: &[u8],
        covered: &Covered,
    ) -> Result<Directory, SourceError> {
        let failed = |source| SourceError::Context { path: path.to_vec(), source };
        let dir = root.subdir_nofollow(as_path(path)).map_err(failed)?;
        let entries = dir.read_dir("").map_err(failed)?;
        let now = file_index::now();
        let mut records = self.index.records(path);
        let (mut listing, mut directory) = Directory::with_capacity(entries.len());
        for entry in entries {
            let name = entry.name.as_bytes();
            let child = || join(path, name);
            let verdict = self.judge(&child, covered);
            let is_dir = entry.kind == FileKind::Dir;
            if verdict.excluded && (!is_dir || self.ignore.can_skip(child())) {
                continue;
            }
            let mut known = |metadata: &Metadata| records.find(name, metadata);
            let found = look(&dir, &entry, &mut known);
            let failed = |source: SysError| SourceError::Context { path: child(), source };
            let Some(Found { node, rest, known }) = found.map_err(failed)? else { continue };
            if verdict.excluded {
                // It is there only if something in it was taken back.
                if !node.is_dir() {
                    continue;
                }
                let inside = self.look_into(root, &child(), &verdict.covered)?;
                if inside.listing.is_empty() {
                    continue;
                }
                self.lock().insert(child(), Some(Arc::new(inside)));
            }
            if node.is_dir() {
                directory.covered.insert(listing.len(), verdict.covered);
            }
            let (digest, looked_at) = known.map_or((None, now), |known| {
                let (digest, read_at) = known.content();
                (Some(digest), read_at)
            });
            directory.seen.push(Seen { rest, looked_at });
            listing.push(name, node, digest);
        }
        Ok(Directory { listing: Arc::new(listing), ..directory })
    }

    /// Without patterns no path is needed.
    fn judge(&self, path: &dyn Fn() -> Vec<u8>, covered: &Covered) -> Verdict {
        if self.ignore.is_empty() {
            return Verdict { excluded: false, covered: Covered::default() };
        }
        self.ignore.enter(path(), covered)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Found {
    node: Node,
    rest: Rest,
    /// What the index knows of a file that is still what it was.
    known: Option<Record>,
}

/// `None` for sockets, which no image can hold, and for what vanished.
fn look(
    dir: &RootDir,
    entry: &DirEntry,
    known: &mut dyn FnMut(&Metadata) -> Option<Record>,
) -> sys::Result<Option<Found>> {
    let name = Path::new(&entry.name);
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
    let xattrs = match &record {
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
    Ok(Some(Found { node, rest: Rest::of(&metadata), known: record }))
}

fn attributes(dir: &RootDir, name: &Path) -> sys::Result<Xattrs> {
    let mut xattrs = dir.xattrs(name)?;
    xattrs.retain(|name, _| name.starts_with(b"user.") || name == b"security.capability");
    xattrs.retain(|name, _| !name.starts_with(b"user.overlay."));
    Ok(xattrs)
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
