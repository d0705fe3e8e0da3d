//! Bytes of the tree's files and their digests.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::PoisonError;

use sys::RootDir;

use super::lookup::literal;
use super::{Digests, Tree, TreeContent, TreeEntry, TreeError};
use crate::layer::{ContentDigest, EntryKind, holes};

impl Tree {
    /// The bytes of a regular file.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Box<dyn Read + Send>, TreeError> {
        self.open_entry(&self.file(path.as_ref())?)
    }

    /// The bytes of a regular file that was looked up in this tree.
    pub fn open_entry(&self, file: &TreeEntry) -> Result<Box<dyn Read + Send>, TreeError> {
        let path = || file.entry.as_path().to_owned();
        let EntryKind::File { size, offset, .. } = file.entry.kind else {
            return Err(TreeError::NotAFile { path: path() });
        };
        let layer = file.layer.and_then(|number| self.layers.get(number));
        let layer = layer.ok_or_else(|| TreeError::Unavailable { path: path() })?;
        match (&layer.content, offset) {
            (TreeContent::Dir(dir), _) => open_in(dir, file),
            (TreeContent::BlobOrLazy(tar, _) | TreeContent::Blob(tar), Some(offset)) => {
                Ok(holes::slice(tar.clone(), offset, size))
            }
            (TreeContent::BlobOrLazy(_, unpack), None) | (TreeContent::Lazy(unpack), _) => {
                let dir = unpack().map_err(|source| TreeError::Unpack { path: path(), source })?;
                open_in(&dir, file)
            }
            (TreeContent::Blob(_), None) | (TreeContent::Unavailable, _) => {
                Err(TreeError::Unavailable { path: path() })
            }
        }
    }

    /// The digest of a regular file's bytes: from the index when it is known there, else computed
    /// by reading once.
    pub fn content_digest(&self, path: impl AsRef<Path>) -> Result<ContentDigest, TreeError> {
        self.content_digest_of(&self.file(path.as_ref())?)
    }

    pub fn content_digest_of(&self, file: &TreeEntry) -> Result<ContentDigest, TreeError> {
        if let EntryKind::File { digest: Some(digest), .. } = file.entry.kind {
            return Ok(digest);
        }
        let key = (file.layer.unwrap_or(usize::MAX), file.source.clone());
        if let Some(digest) = self.with_digests(|known| known.get(&key).copied()) {
            return Ok(digest);
        }
        let reader = self.open_entry(file)?;
        let digest = ContentDigest::of_reader(reader)
            .map_err(|source| TreeError::Read { path: file.entry.as_path().to_owned(), source })?;
        self.with_digests(|known| known.insert(key, digest));
        Ok(digest)
    }

    pub(super) fn known_digests(&self) -> Digests {
        self.with_digests(|known| known.clone())
    }

    fn with_digests<T>(&self, act: impl FnOnce(&mut Digests) -> T) -> T {
        act(&mut self.digests.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn file(&self, path: &Path) -> Result<TreeEntry, TreeError> {
        let found = literal(path).and_then(|path| self.lookup_bytes(&path));
        let found = found.ok_or_else(|| TreeError::NotFound { path: path.to_owned() })?;
        if found.entry.is_file() {
            Ok(found)
        } else {
            Err(TreeError::NotAFile { path: path.to_owned() })
        }
    }
}

fn open_in(dir: &RootDir, file: &TreeEntry) -> Result<Box<dyn Read + Send>, TreeError> {
    let path = Path::new(OsStr::from_bytes(&file.source));
    match dir.open_file_nofollow(path) {
        Ok(file) => Ok(holes::reader(file)),
        Err(source) => Err(TreeError::Open { path: file.entry.as_path().to_owned(), source }),
    }
}
