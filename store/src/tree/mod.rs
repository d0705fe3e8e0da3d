//! [`Tree`]: stacked layers as one read-only file system, in user space and without a mount.
//!
//! Answers what COPY destinations, `--from` sources and layer parents need from the layer indexes
//! alone; contents are read from wherever the layer happens to be: unpacked, in its tar, or
//! unpacked on demand.
//!
//! Paths are absolute or relative to the root alike. Except in [`Tree::resolve`] they are taken
//! literally: a symbolic link in the middle means the path does not exist, so resolve first.
//!
//! | file          | what                                                |
//! |---------------|-----------------------------------------------------|
//! | `lookup.rs`   | one path, one directory, through all layers         |
//! | `resolve.rs`  | symbolic links inside the tree                      |
//! | `content.rs`  | bytes and content digests                           |
//! | `write.rs`    | the files of a tree on disk                          |

mod content;
mod lookup;
mod resolve;
mod write;

pub(crate) use resolve::resolve_with;

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use sys::{RootDir, SysError};

use crate::layer::entry::join;
use crate::layer::{ContentDigest, Entry, LayerIndex};

/// Layers from bottom to top, seen as one tree. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    layers: Vec<TreeLayer>,
    /// The directory of the layers that is this tree's root.
    root: Vec<u8>,
    digests: Arc<Mutex<Digests>>,
}

/// Content digests computed by reading, by layer (its content's address) and path.
type Digests = HashMap<(usize, Vec<u8>), ContentDigest>;

#[derive(Clone, Debug)]
pub struct TreeLayer {
    pub index: Arc<LayerIndex>,
    pub content: TreeContent,
}

/// Makes a layer's unpacked directory available, unpacking it if need be.
pub type Unpack = dyn Fn() -> Result<Arc<RootDir>, UnpackError> + Send + Sync;
pub type UnpackError = Box<dyn std::error::Error + Send + Sync>;

/// Where the bytes of a layer's files are.
#[derive(Clone)]
pub enum TreeContent {
    /// Unpacked below this directory.
    Dir(Arc<RootDir>),
    /// In the uncompressed tar, at the offsets the index gives.
    Blob(Arc<File>),
    /// The same; the few files that do not lie there in one piece (sparse ones, hard links to
    /// lower layers) are read from the directory.
    BlobOrLazy(Arc<File>, Arc<Unpack>),
    /// In a directory that the callback finds or makes.
    Lazy(Arc<Unpack>),
    /// Nowhere: only the index can be asked.
    Unavailable,
}

/// What a path of the merged tree is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// As the topmost layer describes it, under the path in the tree. Never a whiteout or a hard
    /// link: another name of a file is shown as that file.
    pub entry: Entry,
    /// The layer that describes it; `None` for a directory no layer lists.
    pub layer: Option<usize>,
    /// Its path in that layer: the same for all names of one hard-linked file.
    pub source: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    #[error("`{}` does not exist", path.display())]
    NotFound { path: PathBuf },
    #[error("`{}` is not a regular file", path.display())]
    NotAFile { path: PathBuf },
    #[error("`{}` is not a directory", path.display())]
    NotADirectory { path: PathBuf },
    #[error("too many symbolic links in `{}`", path.display())]
    TooManyLinks { path: PathBuf },
    #[error("the bytes of `{}` are not at hand", path.display())]
    Unavailable { path: PathBuf },
    #[error("cannot unpack the layer of `{}`", path.display())]
    Unpack { path: PathBuf, source: UnpackError },
    #[error("cannot open `{}`", path.display())]
    Open { path: PathBuf, source: SysError },
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
}

impl Tree {
    /// Bottom layer first.
    pub fn new(layers: Vec<TreeLayer>) -> Tree {
        Tree { layers, root: Vec::new(), digests: Arc::default() }
    }

    /// This tree with one more layer on top.
    pub fn with_layer(&self, layer: TreeLayer) -> Tree {
        self.with_layers(vec![layer])
    }

    /// This tree with more layers on top, the lowest of them first.
    pub fn with_layers(&self, above: Vec<TreeLayer>) -> Tree {
        let mut layers = self.layers.clone();
        layers.extend(above);
        // Layer numbers stay the same, so the digests known of them can be shared.
        let digests = Arc::new(Mutex::new(self.known_digests()));
        Tree { layers, root: self.root.clone(), digests }
    }

    /// The directory `path`, taken literally, as a tree of its own: links inside it that lead to
    /// `/` or out by `..` end at it. One that does not exist is an empty tree.
    pub fn at(&self, path: impl AsRef<Path>) -> Option<Tree> {
        let path = lookup::literal(path.as_ref())?;
        Some(Tree { root: self.full(&path), ..self.clone() })
    }

    pub fn layers(&self) -> &[TreeLayer] {
        &self.layers
    }
}

impl Tree {
    fn full(&self, path: &[u8]) -> Vec<u8> {
        match (self.root.as_slice(), path) {
            (root, b"") => root.to_vec(),
            (root, path) => join(root, path),
        }
    }
}

impl TreeLayer {
    pub fn new(index: Arc<LayerIndex>, content: TreeContent) -> TreeLayer {
        TreeLayer { index, content }
    }
}

impl fmt::Debug for TreeContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TreeContent::Dir(dir) => f.debug_tuple("Dir").field(dir).finish(),
            TreeContent::Blob(file) => f.debug_tuple("Blob").field(file).finish(),
            TreeContent::BlobOrLazy(file, _) => f.debug_tuple("BlobOrLazy").field(file).finish(),
            TreeContent::Lazy(_) => f.write_str("Lazy"),
            TreeContent::Unavailable => f.write_str("Unavailable"),
        }
    }
}
