//! What COPY and ADD read from: a build context, a stage, an image, or text in the Dockerfile.
//!
//! All of them are trees of [`Node`]s under canonical paths: `a/b`, no slash at either end, the
//! root is the empty path. A path is taken literally here; links are followed in [`resolve`].

mod checked_out;
mod downloaded;
mod folder;
mod inline;
mod listing;
mod resolve;
mod select;
mod shown;
mod stage;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

pub(crate) use checked_out::CheckedOut;
pub(crate) use downloaded::DownloadedFile;
pub(crate) use folder::{Folder, Item, Order};
pub(crate) use inline::InlineFile;
pub(crate) use listing::Listing;
pub(crate) use resolve::{Link, TooManyLinks, clean, join, parent_and_name, resolve};
pub(crate) use select::{Selection, Wanted, select};
pub(crate) use shown::shown;
pub(crate) use stage::StageSource;

use store::layer::ContentDigest;

/// A readable tree of files.
pub(crate) trait Source: Send + Sync + fmt::Debug {
    /// What is at `path`, without following a link there.
    fn lookup(&self, path: &[u8]) -> Result<Option<Node>, SourceError>;
    /// The names in the directory `path`, sorted by bytes.
    fn names(&self, path: &[u8]) -> Result<Vec<Vec<u8>>, SourceError>;
    /// What is in the directory `path`; nothing if it is none.
    fn list(&self, path: &[u8]) -> Result<Arc<Listing>, SourceError> {
        let names = self.names(path)?;
        let mut listing = Listing::with_capacity(names.len());
        for name in names {
            if let Some(node) = self.lookup(&join(path, &name))? {
                listing.push(&name, node, None);
            }
        }
        Ok(Arc::new(listing))
    }
    /// Whether there is something at a path that [`Source::lookup`] does not find.
    fn hides(&self, _path: &[u8]) -> bool {
        false
    }
    fn open(&self, path: &[u8]) -> Result<Box<dyn Read + Send>, SourceError>;
    /// The digest of the bytes of the file at `path`.
    fn digest(&self, path: &[u8]) -> Result<ContentDigest, SourceError>;
    /// Told of a directory all of which will be asked for, where looking at several at a time is faster.
    fn prepare_tree(&self, _path: &[u8]) {}
    /// Told of `count` files whose digests will be asked for, where several at a time are faster. What it finds out is in
    /// their listings then.
    fn prepare_digests(&self, _files: &mut (dyn Iterator<Item = Item<'_>> + Send), _count: usize) {}
}

/// A file, directory or other object of a [`Source`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) kind: NodeKind,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Seconds since 1970.
    pub(crate) mtime: i64,
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Nodes with the same value are names of one file. Contexts have none.
    pub(crate) link_group: Option<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NodeKind {
    File { size: u64 },
    Dir,
    Symlink { target: Vec<u8> },
    CharDevice { major: u32, minor: u32 },
    BlockDevice { major: u32, minor: u32 },
    Fifo,
}

impl Node {
    pub(crate) fn is_dir(&self) -> bool {
        self.kind == NodeKind::Dir
    }
}

/// Why a source could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The wording of BuildKit, which scripts look for.
    #[error("{}: not found", quoted(.path))]
    NotFound {
        path: Vec<u8>,
        similar: Option<String>,
        /// It is there, but .dockerignore leaves it out.
        ignored: bool,
    },
    #[error("{} in the path {} is not a directory", quoted(.component), quoted(.path))]
    NotADirectory { path: Vec<u8>, component: Vec<u8> },
    #[error("cannot follow the symbolic link {}: too many levels", quoted(.path))]
    LinkLoop { path: Vec<u8> },
    #[error("cannot read {} of the build context", quoted(.path))]
    Context { path: Vec<u8>, source: sys::SysError },
    #[error("cannot read {}", quoted(.path))]
    Read { path: Vec<u8>, source: io::Error },
    #[error("{} changed while the build was reading it", quoted(.path))]
    Changed { path: Vec<u8> },
    #[error("invalid pattern `{pattern}`: {reason}")]
    Pattern { pattern: String, reason: String },
    #[error("cannot read {} from the layers of its stage", quoted(.path))]
    Layers { path: Vec<u8>, source: Box<dyn std::error::Error + Send + Sync> },
}

/// `"/a/b"`, as users see paths of contexts and stages.
fn quoted(path: &[u8]) -> String {
    format!("\"/{}\"", String::from_utf8_lossy(path).trim_start_matches('/'))
}

pub(crate) use stage::as_path;
