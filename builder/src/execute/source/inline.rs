//! A file whose text stands in the Dockerfile: `COPY <<EOF /file`.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use store::layer::ContentDigest;

use super::{Node, NodeKind, Source, SourceError};

/// A tree with one file at its top.
#[derive(Clone, Debug)]
pub(crate) struct InlineFile {
    pub(crate) name: Vec<u8>,
    pub(crate) content: Vec<u8>,
    /// Of the file: text has no time of its own.
    pub(crate) mtime: i64,
}

impl InlineFile {
    /// A tree without files.
    pub(crate) fn nothing() -> InlineFile {
        InlineFile { name: Vec::new(), content: Vec::new(), mtime: 0 }
    }
}

impl Source for InlineFile {
    fn lookup(&self, path: &[u8]) -> Result<Option<Node>, SourceError> {
        let (kind, mode) = if path.is_empty() {
            (NodeKind::Dir, 0o755)
        } else if path == self.name {
            (NodeKind::File { size: self.content.len() as u64 }, 0o644)
        } else {
            return Ok(None);
        };
        let xattrs = BTreeMap::new();
        Ok(Some(Node { kind, mode, uid: 0, gid: 0, mtime: self.mtime, xattrs, link_group: None }))
    }

    fn names(&self, _path: &[u8]) -> Result<Vec<Vec<u8>>, SourceError> {
        Ok(vec![self.name.clone()])
    }

    fn open(&self, _path: &[u8]) -> Result<Box<dyn Read + Send>, SourceError> {
        Ok(Box::new(Cursor::new(self.content.clone())))
    }

    fn digest(&self, _path: &[u8]) -> Result<ContentDigest, SourceError> {
        Ok(ContentDigest::of(&self.content))
    }
}
