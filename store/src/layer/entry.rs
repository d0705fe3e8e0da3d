//! [`Entry`]: one path of a layer.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::ContentDigest;

/// Extended attributes by name.
pub type Xattrs = BTreeMap<Vec<u8>, Vec<u8>>;

/// One path of a layer and what the layer says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `a/b`: no slash at either end; empty for the root.
    pub path: Vec<u8>,
    pub kind: EntryKind,
    /// Permission bits with setuid, setgid and sticky (`0o7777`).
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Whole seconds since 1970.
    pub mtime: i64,
    pub xattrs: Xattrs,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// `opaque` hides everything lower layers have in this directory.
    Dir {
        opaque: bool,
    },
    File {
        size: u64,
        /// Known once the bytes have been read.
        digest: Option<ContentDigest>,
        /// Where the bytes start in the uncompressed tar, when they lie there in one piece.
        offset: Option<u64>,
    },
    Symlink {
        target: Vec<u8>,
    },
    /// Another name of a file of the same layer, which is never a hard link itself.
    Hardlink {
        target: Vec<u8>,
    },
    CharDevice {
        major: u32,
        minor: u32,
    },
    BlockDevice {
        major: u32,
        minor: u32,
    },
    Fifo,
    /// Deletes the path from the layers below.
    Whiteout,
}

impl Entry {
    pub fn new(path: impl Into<Vec<u8>>, kind: EntryKind, mode: u32) -> Entry {
        Entry { path: path.into(), kind, mode, uid: 0, gid: 0, mtime: 0, xattrs: Xattrs::new() }
    }

    /// A directory nobody described: what `mkdir` by root makes.
    pub fn default_dir(path: impl Into<Vec<u8>>) -> Entry {
        Entry::new(path, EntryKind::Dir { opaque: false }, 0o755)
    }

    pub fn whiteout(path: impl Into<Vec<u8>>) -> Entry {
        Entry::new(path, EntryKind::Whiteout, 0)
    }

    /// The last component; empty for the root.
    pub fn name(&self) -> &[u8] {
        split_parent(&self.path).map_or(b"", |(_, name)| name)
    }

    /// The path as a `Path` without leading slash.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.path))
    }

    pub fn is_dir(&self) -> bool {
        matches!(self.kind, EntryKind::Dir { .. })
    }

    pub fn is_opaque(&self) -> bool {
        matches!(self.kind, EntryKind::Dir { opaque: true })
    }

    pub fn is_file(&self) -> bool {
        matches!(self.kind, EntryKind::File { .. })
    }

    pub fn is_symlink(&self) -> bool {
        matches!(self.kind, EntryKind::Symlink { .. })
    }
}

impl EntryKind {
    /// What a symbolic or hard link says.
    pub fn target(&self) -> Option<&[u8]> {
        match self {
            EntryKind::Symlink { target } | EntryKind::Hardlink { target } => Some(target),
            _ => None,
        }
    }
}

/// `a/b` → (`a`, `b`); `a` → (``, `a`); the root has no parent.
pub fn split_parent(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.is_empty() {
        return None;
    }
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => Some((&path[..slash], &path[slash + 1..])),
        None => Some((b"", path)),
    }
}

/// `parent` and `name` as one path.
pub fn join(parent: &[u8], name: &[u8]) -> Vec<u8> {
    if parent.is_empty() {
        return name.to_vec();
    }
    [parent, b"/", name].concat()
}
