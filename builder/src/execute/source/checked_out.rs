//! The files of a commit, as ADD copies them.

use std::io::Read;
use std::sync::Arc;

use store::layer::ContentDigest;

use super::{Listing, Node, Source, SourceError};
use crate::context::Context;
use crate::context::file_index::FileIndex;
use crate::context::ignore::Ignore;
use crate::fetch::Fetched;

/// A directory that lasts as long as this.
#[derive(Debug)]
pub(crate) struct CheckedOut {
    files: Context,
    _fetched: Fetched,
}

impl CheckedOut {
    pub(crate) fn open(fetched: Fetched) -> sys::Result<CheckedOut> {
        let files = Context::open(fetched.path(), Ignore::default(), FileIndex::default())?;
        Ok(CheckedOut { files, _fetched: fetched })
    }
}

impl Source for CheckedOut {
    fn lookup(&self, path: &[u8]) -> Result<Option<Node>, SourceError> {
        self.files.lookup(path)
    }

    fn names(&self, path: &[u8]) -> Result<Vec<Vec<u8>>, SourceError> {
        self.files.names(path)
    }

    fn list(&self, path: &[u8]) -> Result<Arc<Listing>, SourceError> {
        Source::list(&self.files, path)
    }

    fn open(&self, path: &[u8]) -> Result<Box<dyn Read + Send>, SourceError> {
        self.files.open(path)
    }

    fn digest(&self, path: &[u8]) -> Result<ContentDigest, SourceError> {
        self.files.digest(path)
    }
}
