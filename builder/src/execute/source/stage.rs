//! A stage or an image as something to copy from.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::Arc;

use store::layer::{ContentDigest, EntryKind};
use store::tree::{Tree, TreeEntry, TreeError};

use super::{Listing, Node, NodeKind, Source, SourceError};

/// The merged layers of a stage.
#[derive(Clone, Debug)]
pub(crate) struct StageSource(pub(crate) Tree);

impl Source for StageSource {
    fn lookup(&self, path: &[u8]) -> Result<Option<Node>, SourceError> {
        Ok(self.0.lookup(as_path(path)).and_then(|found| self.node(found)))
    }

    fn names(&self, path: &[u8]) -> Result<Vec<Vec<u8>>, SourceError> {
        let names = self.0.read_dir(as_path(path)).map_err(layers(path))?;
        Ok(names.into_iter().map(|(name, _)| name.into_vec()).collect())
    }

    fn list(&self, path: &[u8]) -> Result<Arc<Listing>, SourceError> {
        let names = self.0.read_dir(as_path(path)).map_err(layers(path))?;
        let mut listing = Listing::with_capacity(names.len());
        for (name, found) in names {
            let digest = match found.entry.kind {
                EntryKind::File { digest, .. } => digest,
                _ => None,
            };
            if let Some(node) = self.node(found) {
                listing.push(name.as_bytes(), node, digest);
            }
        }
        Ok(Arc::new(listing))
    }

    fn open(&self, path: &[u8]) -> Result<Box<dyn Read + Send>, SourceError> {
        self.0.open(as_path(path)).map_err(layers(path))
    }

    fn digest(&self, path: &[u8]) -> Result<ContentDigest, SourceError> {
        self.0.content_digest(as_path(path)).map_err(layers(path))
    }
}

impl StageSource {
    fn node(&self, found: TreeEntry) -> Option<Node> {
        let TreeEntry { entry, layer, source } = found;
        let kind = match entry.kind {
            EntryKind::Dir { .. } => NodeKind::Dir,
            EntryKind::File { size, .. } => NodeKind::File { size },
            EntryKind::Symlink { target } => NodeKind::Symlink { target },
            EntryKind::CharDevice { major, minor } => NodeKind::CharDevice { major, minor },
            EntryKind::BlockDevice { major, minor } => NodeKind::BlockDevice { major, minor },
            EntryKind::Fifo => NodeKind::Fifo,
            // Neither appears in a merged tree.
            EntryKind::Hardlink { .. } | EntryKind::Whiteout => return None,
        };
        // In most layers no file has another name.
        let several = layer.filter(|number| self.0.layers()[*number].index.has_hard_links());
        let several = several.filter(|_| matches!(kind, NodeKind::File { .. }));
        Some(Node {
            link_group: several.map(|number| [&number.to_le_bytes()[..], &source].concat()),
            kind,
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            mtime: entry.mtime,
            xattrs: entry.xattrs,
        })
    }
}

fn layers(path: &[u8]) -> impl FnOnce(TreeError) -> SourceError {
    let path = path.to_vec();
    move |source| SourceError::Layers { path, source: Box::new(source) }
}

pub(crate) fn as_path(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}
