//! Build contexts: a directory of this machine, without what `.dockerignore` leaves out.
//!
//! Directories are listed when something asks for them, so that what no COPY reads is never looked
//! at, and each only once. Files are hashed when a key needs them, many at a time, unless the index of the last
//! build knows them ([`file_index`]).

pub mod ignore;

pub(crate) mod file_index;
mod walk;

use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use store::layer::{ContentDigest, holes};
use sys::RootDir;

use crate::execute::source::{Listed, Node, Source, SourceError, as_path, join, parent_and_name};
use file_index::FileIndex;
use ignore::Ignore;
use walk::{Child, Listings};

/// Files or directories for each thread, at least.
const FEW: usize = 8;

/// A directory to copy from. Everything in it belongs to root.
#[derive(Debug)]
pub(crate) struct Context {
    root: RootDir,
    listings: Listings,
    /// Something was hashed that the index did not know.
    changed: AtomicBool,
    /// The directory that was last opened: the next file is often next to the last one.
    last: Mutex<Option<(Vec<u8>, Arc<RootDir>)>>,
}

impl Context {
    /// `index` is what is known of the directory's files from earlier builds.
    pub(crate) fn open(path: &Path, ignore: Ignore, index: FileIndex) -> sys::Result<Context> {
        let (root, listings) = (RootDir::open(path)?, Listings::new(ignore, index));
        Ok(Context { root, listings, changed: AtomicBool::new(false), last: Mutex::default() })
    }

    /// Writes down what was hashed, if anything was.
    pub(crate) fn save_index(&self) {
        if self.changed.swap(false, Ordering::Relaxed) {
            self.listings.save_index();
        }
    }

    fn child(&self, path: &[u8]) -> Result<Option<Arc<Child>>, SourceError> {
        let (parent, name) = parent_and_name(path);
        let Some(listing) = self.listings.directory(&self.root, parent)? else { return Ok(None) };
        Ok(listing.get(name).cloned())
    }

    fn hash(&self, path: &[u8], child: &Child) -> Result<ContentDigest, SourceError> {
        if let Some(digest) = child.content.get() {
            return Ok(*digest);
        }
        let reader = self.open(path)?;
        let digest = ContentDigest::of_reader(reader)
            .map_err(|source| SourceError::Read { path: path.to_vec(), source })?;
        self.changed.store(true, Ordering::Relaxed);
        Ok(*child.content.get_or_init(|| digest))
    }

    fn directory_of(&self, parent: &[u8]) -> sys::Result<Arc<RootDir>> {
        let lock = || self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((path, dir)) = &*lock()
            && path == parent
        {
            return Ok(dir.clone());
        }
        let dir = Arc::new(self.root.subdir_nofollow(as_path(parent))?);
        *lock() = Some((parent.to_vec(), dir.clone()));
        Ok(dir)
    }
}

impl Source for Context {
    fn lookup(&self, path: &[u8]) -> Result<Option<Node>, SourceError> {
        if path.is_empty() {
            return Ok(Some(walk::root_node()));
        }
        Ok(self.child(path)?.map(|child| child.node.clone()))
    }

    fn names(&self, path: &[u8]) -> Result<Vec<Vec<u8>>, SourceError> {
        let listing = self.listings.directory(&self.root, path)?;
        Ok(listing.map(|listing| listing.names().map(<[u8]>::to_vec).collect()).unwrap_or_default())
    }

    fn entries(&self, path: &[u8]) -> Result<Vec<Listed>, SourceError> {
        let listing = self.listings.directory(&self.root, path)?;
        let entry = |child: &Arc<Child>| Listed {
            name: child.name.to_vec(),
            node: child.node.clone(),
            digest: child.content.get().copied(),
        };
        Ok(listing.map(|listing| listing.children().map(entry).collect()).unwrap_or_default())
    }

    fn hides(&self, path: &[u8]) -> bool {
        self.root.metadata(as_path(path)).is_ok()
    }

    fn open(&self, path: &[u8]) -> Result<Box<dyn Read + Send>, SourceError> {
        let (parent, name) = parent_and_name(path);
        let file = self.directory_of(parent).and_then(|dir| dir.open_file_nofollow(as_path(name)));
        let file = file.map_err(|source| SourceError::Context { path: path.to_vec(), source })?;
        Ok(holes::reader(file))
    }

    fn digest(&self, path: &[u8]) -> Result<ContentDigest, SourceError> {
        let not_found =
            || SourceError::NotFound { path: path.to_vec(), similar: None, ignored: false };
        let child = self.child(path)?.ok_or_else(not_found)?;
        self.hash(path, &child)
    }

    /// On all processors. What fails is found again by whoever asks for the digest.
    fn prepare_digests(&self, paths: &mut dyn Iterator<Item = &[u8]>) {
        let mut unknown = Vec::new();
        for path in paths {
            match self.child(path) {
                Ok(Some(child)) if child.is_file() && child.content.get().is_none() => {
                    unknown.push((path, child));
                }
                _ => {}
            }
        }
        on_all_processors(&unknown, &|(path, child)| self.hash(path, child).is_ok());
    }

    /// One level after the other; what fails is found again by whoever asks for the directory.
    fn prepare_tree(&self, path: &[u8]) {
        let mut level = vec![path.to_vec()];
        while !level.is_empty() {
            let below = Mutex::new(Vec::new());
            on_all_processors(&level, &|path| {
                let Ok(Some(listing)) = self.listings.directory(&self.root, path) else {
                    return false;
                };
                let directories = listing.children().filter(|child| child.node.is_dir());
                let paths: Vec<_> = directories.map(|child| join(path, &child.name)).collect();
                below.lock().unwrap_or_else(PoisonError::into_inner).extend(paths);
                true
            });
            level = below.into_inner().unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Works on each of `things` until one fails.
fn on_all_processors<T: Sync>(things: &[T], work: &(dyn Fn(&T) -> bool + Sync)) {
    let next = AtomicUsize::new(0);
    let run = || {
        while let Some(thing) = things.get(next.fetch_add(1, Ordering::Relaxed)) {
            if !work(thing) {
                return;
            }
        }
    };
    // A few things are done before a thread has begun.
    let wanted = things.len() / FEW;
    let threads = match wanted {
        0 => 1,
        _ => std::thread::available_parallelism().map_or(1, |n| n.get()).min(8).min(wanted),
    };
    std::thread::scope(|scope| {
        (1..threads).for_each(|_| drop(scope.spawn(run)));
        run();
    });
}
