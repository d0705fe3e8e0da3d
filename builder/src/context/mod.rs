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
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use store::layer::{ContentDigest, holes};
use sys::RootDir;

use crate::execute::source::{
    Item, Listing, Node, Source, SourceError, as_path, join, parent_and_name,
};
use crate::threads;
use file_index::FileIndex;
use ignore::Ignore;
use walk::Directories;

/// Files or directories for each thread, at least: a few are done before a thread has begun.
const FEW: usize = 8;

/// A directory to copy from. Everything in it belongs to root.
#[derive(Debug)]
pub(crate) struct Context {
    root: RootDir,
    directories: Directories,
    /// Something was hashed that the index did not know.
    changed: AtomicBool,
    /// The directory that was last opened: the next file is often next to the last one.
    last: Mutex<Option<(Vec<u8>, Arc<RootDir>)>>,
}

impl Context {
    /// `index` is what is known of the directory's files from earlier builds.
    pub(crate) fn open(path: &Path, ignore: Ignore, index: FileIndex) -> sys::Result<Context> {
        let (root, directories) = (RootDir::open(path)?, Directories::new(ignore, index));
        Ok(Context { root, directories, changed: AtomicBool::new(false), last: Mutex::default() })
    }

    /// Writes down what was hashed, if anything was.
    pub(crate) fn save_index(&self) {
        if self.changed.swap(false, Ordering::Relaxed) {
            self.directories.save_index();
        }
    }

    fn list(&self, path: &[u8]) -> Result<Option<Arc<Listing>>, SourceError> {
        let directory = self.directories.get(&self.root, path)?;
        Ok(directory.map(|directory| directory.listing.clone()))
    }

    /// The listing that something is in, and where.
    fn find(&self, path: &[u8]) -> Result<Option<(Arc<Listing>, usize)>, SourceError> {
        let (parent, name) = parent_and_name(path);
        let Some(listing) = self.list(parent)? else { return Ok(None) };
        let position = listing.find(name);
        Ok(position.map(|position| (listing, position)))
    }

    fn hash(&self, path: &[u8]) -> Result<ContentDigest, SourceError> {
        let reader = self.open(path)?;
        let digest = ContentDigest::of_reader(reader)
            .map_err(|source| SourceError::Read { path: path.to_vec(), source })?;
        self.changed.store(true, Ordering::Relaxed);
        Ok(digest)
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
        Ok(self.find(path)?.map(|(listing, position)| listing.node(position)))
    }

    fn names(&self, path: &[u8]) -> Result<Vec<Vec<u8>>, SourceError> {
        let listing = self.list(path)?.unwrap_or_default();
        Ok(listing.names().map(<[u8]>::to_vec).collect())
    }

    fn list(&self, path: &[u8]) -> Result<Arc<Listing>, SourceError> {
        Ok(self.list(path)?.unwrap_or_default())
    }

    fn hides(&self, path: &[u8]) -> bool {
        self.root.metadata(as_path(path)).is_ok()
    }

    fn open(&self, path: &[u8]) -> Result<Box<dyn Read + Send>, SourceError> {
        let (parent, name) = parent_and_name(path);
        let file = self.directory_of(parent).and_then(|dir| dir.open_known_file(as_path(name)));
        let file = file.map_err(|source| SourceError::Context { path: path.to_vec(), source })?;
        Ok(holes::reader(file))
    }

    fn digest(&self, path: &[u8]) -> Result<ContentDigest, SourceError> {
        let not_found =
            || SourceError::NotFound { path: path.to_vec(), similar: None, ignored: false };
        let (listing, position) = self.find(path)?.ok_or_else(not_found)?;
        match listing.digest(position) {
            Some(digest) => Ok(digest),
            None => Ok(listing.set_digest(position, self.hash(path)?)),
        }
    }

    /// On all processors. What fails is found again by whoever asks for the digest.
    fn prepare_digests(&self, files: &mut (dyn Iterator<Item = Item<'_>> + Send), count: usize) {
        threads::each(files, count, FEW, FEW, &|item| match self.hash(&item.path()) {
            Ok(digest) => {
                item.set_digest(digest);
                true
            }
            Err(_) => false,
        });
    }

    /// One level after the other; what fails is found again by whoever asks for the directory.
    fn prepare_tree(&self, path: &[u8]) {
        let mut level = vec![path.to_vec()];
        while !level.is_empty() {
            let below = Mutex::new(Vec::new());
            let count = level.len();
            // One by one: a directory may have any number of files.
            threads::each(&mut level.into_iter(), count, FEW, 1, &|path| {
                let Ok(Some(listing)) = self.list(&path) else { return false };
                let directories = (0..listing.len()).filter(|position| listing.is_dir(*position));
                let paths = directories.map(|position| join(&path, listing.name(position)));
                below.lock().unwrap_or_else(PoisonError::into_inner).extend(paths);
                true
            });
            level = below.into_inner().unwrap_or_else(PoisonError::into_inner);
        }
    }
}
