//! A file from a server, as ADD copies it: mode 0600, as old as the server says.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use store::layer::ContentDigest;

use super::{Node, NodeKind, Source, SourceError};
use crate::fetch::{Access, FetchError, RemoteFile};

/// A tree with the file at its top. Before the download its node has no size and no time.
#[derive(Debug)]
pub(crate) struct DownloadedFile {
    pub(crate) name: Vec<u8>,
    pub(crate) remote: Arc<RemoteFile>,
    content: Option<Content>,
}

#[derive(Debug)]
struct Content {
    path: std::path::PathBuf,
    size: u64,
    mtime: i64,
    digest: ContentDigest,
}

impl DownloadedFile {
    pub(crate) fn pending(name: Vec<u8>, remote: RemoteFile) -> DownloadedFile {
        DownloadedFile { name, remote: Arc::new(remote), content: None }
    }

    /// The same with its content.
    pub(crate) fn fetch(&self, access: &Access<'_>) -> Result<DownloadedFile, FetchError> {
        let download = self.remote.fetch(access)?;
        let content = Content {
            path: download.path.clone(),
            size: download.known.size,
            mtime: download.known.modified.unwrap_or(0),
            digest: ContentDigest::from_bytes(download.known.digest),
        };
        let (name, remote) = (self.name.clone(), self.remote.clone());
        Ok(DownloadedFile { name, remote, content: Some(content) })
    }

    pub(crate) fn node(&self) -> Node {
        let (size, mtime) =
            self.content.as_ref().map_or((0, 0), |content| (content.size, content.mtime));
        Node {
            kind: NodeKind::File { size },
            mode: 0o600,
            uid: 0,
            gid: 0,
            mtime,
            xattrs: BTreeMap::new(),
            link_group: None,
        }
    }

    fn content(&self) -> Result<&Content, SourceError> {
        let missing =
            || SourceError::NotFound { path: self.name.clone(), similar: None, ignored: false };
        self.content.as_ref().ok_or_else(missing)
    }
}

impl Source for DownloadedFile {
    fn lookup(&self, path: &[u8]) -> Result<Option<Node>, SourceError> {
        Ok((path == self.name).then(|| self.node()))
    }

    fn names(&self, _path: &[u8]) -> Result<Vec<Vec<u8>>, SourceError> {
        Ok(vec![self.name.clone()])
    }

    fn open(&self, path: &[u8]) -> Result<Box<dyn Read + Send>, SourceError> {
        let file = File::open(&self.content()?.path);
        let file = file.map_err(|source| SourceError::Read { path: path.to_vec(), source })?;
        Ok(Box::new(file))
    }

    fn digest(&self, _path: &[u8]) -> Result<ContentDigest, SourceError> {
        Ok(self.content()?.digest)
    }
}
