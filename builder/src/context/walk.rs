//! Listing a context's directories, without what is ignored.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use sys::root_dir::{FileKind, Metadata};
use sys::{RootDir, SysError};

use super::ignore::{Covered, Ignore};
use crate::execute::source::{Node, NodeKind, SourceError, as_path, join, parent_and_name};

/// What is visible in a directory, by name.
pub(super) type Listing = BTreeMap<Vec<u8>, Arc<Child>>;

#[derive(Debug)]
pub(super) struct Child {
    pub(super) node: Node,
    pub(super) metadata: Metadata,
    /// For what is in it, if it is a directory.
    covered: Covered,
}

/// The directories looked at so far.
#[derive(Debug)]
pub(super) struct Listings {
    ignore: Ignore,
    /// `None`: not a directory, or not there, or ignored.
    known: Mutex<HashMap<Vec<u8>, Option<Arc<Listing>>>>,
}

impl Listings {
    pub(super) fn new(ignore: Ignore) -> Listings {
        Listings { ignore, known: Mutex::default() }
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
        self.lock().insert(path.to_vec(), listing.clone());
        Ok(listing)
    }

    fn list(&self, root: &RootDir, path: &[u8], covered: &Covered) -> Result<Listing, SourceError> {
        let failed = |path: &[u8]| {
            let path = path.to_vec();
            move |source: SysError| SourceError::Context { path, source }
        };
        let dir = root.subdir_nofollow(as_path(path)).map_err(failed(path))?;
        let mut listing = Listing::new();
        for entry in dir.read_dir("").map_err(failed(path))? {
            let name = entry.name.as_bytes();
            let child = join(path, name);
            let verdict = self.ignore.enter(&child, covered);
            let is_dir = entry.kind == FileKind::Dir;
            if verdict.excluded && (!is_dir || self.ignore.can_skip(&child)) {
                continue;
            }
            let found = self.look(&dir, Path::new(&entry.name)).map_err(failed(&child))?;
            let Some((node, metadata)) = found else { continue };
            if verdict.excluded && node.is_dir() {
                // It is there only if something in it was taken back.
                let inside = self.list(root, &child, &verdict.covered)?;
                if inside.is_empty() {
                    continue;
                }
                self.lock().insert(child, Some(Arc::new(inside)));
            } else if verdict.excluded {
                continue;
            }
            let covered = verdict.covered;
            listing.insert(name.to_vec(), Arc::new(Child { node, metadata, covered }));
        }
        Ok(listing)
    }

    /// `None` for sockets, which no image can hold, and for what vanished.
    fn look(&self, dir: &RootDir, name: &Path) -> sys::Result<Option<(Node, Metadata)>> {
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
        let mut xattrs = dir.xattrs(name)?;
        xattrs.retain(|name, _| name.starts_with(b"user.") || name == b"security.capability");
        xattrs.retain(|name, _| !name.starts_with(b"user.overlay."));
        let node = Node {
            kind,
            mode: metadata.mode,
            uid: 0,
            gid: 0,
            mtime: metadata.mtime.secs,
            xattrs,
            link_group: None,
        };
        Ok(Some((node, metadata)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Vec<u8>, Option<Arc<Listing>>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
