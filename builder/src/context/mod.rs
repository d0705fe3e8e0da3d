//! Build contexts: a directory of this machine, without what `.dockerignore` leaves out.
//!
//! Directories are listed when something asks for them, so that what no COPY reads is never looked
//! at, and each only once. Files are hashed when a key needs them, unless the index of the last
//! build knows them ([`file_index`]).

pub mod ignore;

pub(crate) mod file_index;
mod walk;

use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use store::layer::{ContentDigest, holes};
use sys::RootDir;

use crate::execute::source::{Node, Source, SourceError, as_path, parent_and_name};
use file_index::FileIndex;
use ignore::Ignore;
use walk::Listings;

/// A directory to copy from. Everything in it belongs to root.
#[derive(Debug)]
pub(crate) struct Context {
    root: RootDir,
    listings: Listings,
    index: Mutex<FileIndex>,
}

impl Context {
    /// `index` is what is known of the directory's files from earlier builds.
    pub(crate) fn open(path: &Path, ignore: Ignore, index: FileIndex) -> sys::Result<Context> {
        let root = RootDir::open(path)?;
        Ok(Context { root, listings: Listings::new(ignore), index: Mutex::new(index) })
    }

    /// Writes down what was hashed, if anything was.
    pub(crate) fn save_index(&self) {
        self.index.lock().unwrap_or_else(PoisonError::into_inner).save();
    }

    fn child(&self, path: &[u8]) -> Result<Option<Arc<walk::Child>>, SourceError> {
        let (parent, name) = parent_and_name(path);
        let Some(listing) = self.listings.directory(&self.root, parent)? else { return Ok(None) };
        Ok(listing.get(name).cloned())
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
        Ok(listing.map(|listing| listing.keys().cloned().collect()).unwrap_or_default())
    }

    fn hides(&self, path: &[u8]) -> bool {
        self.root.metadata(as_path(path)).is_ok()
    }

    fn open(&self, path: &[u8]) -> Result<Box<dyn Read + Send>, SourceError> {
        let file = self.root.open_file_nofollow(as_path(path));
        let file = file.map_err(|source| SourceError::Context { path: path.to_vec(), source })?;
        Ok(holes::reader(file))
    }

    fn digest(&self, path: &[u8]) -> Result<ContentDigest, SourceError> {
        let not_found =
            || SourceError::NotFound { path: path.to_vec(), similar: None, ignored: false };
        let child = self.child(path)?.ok_or_else(not_found)?;
        let lock = || self.index.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(digest) = lock().get(path, &child.metadata) {
            return Ok(digest);
        }
        let began = file_index::now();
        let reader = self.open(path)?;
        let digest = ContentDigest::of_reader(reader)
            .map_err(|source| SourceError::Read { path: path.to_vec(), source })?;
        lock().put(path, &child.metadata, began, digest);
        Ok(digest)
    }
}
