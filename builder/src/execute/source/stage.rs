//! A stage or an image as something to copy from.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use store::layer::{ContentDigest, EntryKind};
use store::tree::{Tree, TreeEntry, TreeError};

use super::{Node, NodeKind, Source, SourceError};

/// The merged layers of a stage.
#[derive(Clone, Debug)]
pub(crate) struct StageSource(pub(crate) Tree);

impl Source for StageSource {
    fn lookup(&self, path: &[u8]) -> Result<Option<Node>, SourceError> {
        Ok(self.0.lookup(as_path(path)).and_then(|found| node(&found)))
    }

    fn names(&self, path: &[u8]) -> Result<Vec<Vec<u8>>, SourceError> {
        let names = self.0.read_dir(as_path(path)).map_err(layers(path))?;
        Ok(names.into_iter().map(|(name, _)| name.into_vec()).collect())
    }

    fn open(&self, path: &[u8]) -> Result<Box<dyn Read + Send>, SourceError> {
        self.0.open(as_path(path)).map_err(layers(path))
    }

    fn digest(&self, path: &[u8]) -> Result<ContentDigest, SourceError> {
        self.0.content_digest(as_path(path)).map_err(layers(path))
    }
}

fn node(found: &TreeEntry) -> Option<Node> {
    let entry = &found.entry;
    let kind = match &entry.kind {
        EntryKind::Dir { .. } => NodeKind::Dir,
        EntryKind::File { size, .. } => NodeKind::File { size: *size },
        EntryKind::Symlink { target } => NodeKind::Symlink { target: target.clone() },
        EntryKind::CharDevice { major, minor } => {
            NodeKind::CharDevice { major: *major, minor: *minor }
        }
        EntryKind::BlockDevice { major, minor } => {
            NodeKind::BlockDevice { major: *major, minor: *minor }
        }
        EntryKind::Fifo => NodeKind::Fifo,
        // Neither appears in a merged tree.
        EntryKind::Hardlink { .. } | EntryKind::Whiteout => return None,
    };
    let layer = found.layer.unwrap_or(usize::MAX);
    let group = [&layer.to_le_bytes()[..], &found.source].concat();
    Some(Node {
        link_group: matches!(kind, NodeKind::File { .. }).then_some(group),
        kind,
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        mtime: entry.mtime,
        xattrs: entry.xattrs.clone(),
    })
}

fn layers(path: &[u8]) -> impl FnOnce(TreeError) -> SourceError {
    let path = path.to_vec();
    move |source| SourceError::Layers { path, source: Box::new(source) }
}

pub(crate) fn as_path(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}
