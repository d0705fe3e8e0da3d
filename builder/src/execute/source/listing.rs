//! [`Listing`]: what is in a directory of a source, in little memory.
//!
//! A context may have a million files, so there is no object for each of them: the names lie one after the other, the
//! numbers in records of one size, and what few files have (a link's target, attributes, other names) lies aside.
//! A [`Node`] is made when somebody asks for it.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use store::layer::ContentDigest;

use super::{Node, NodeKind};

/// The names in a directory, sorted by bytes, and what they name.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    names: Vec<u8>,
    records: Vec<Record>,
    /// Of files' bytes, where they are known.
    digests: Vec<OnceLock<ContentDigest>>,
    /// By position.
    rare: Vec<(usize, Rare)>,
}

#[derive(Debug)]
struct Record {
    /// Where its name ends; it begins where the one before ends.
    name_end: u32,
    mode: u16,
    kind: Kind,
    uid: u32,
    gid: u32,
    /// The size of a file, the numbers of a device.
    number: u64,
    mtime: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    File,
    Dir,
    Symlink,
    CharDevice,
    BlockDevice,
    Fifo,
}

/// What most files have not.
#[derive(Debug, Default, PartialEq, Eq)]
struct Rare {
    target: Vec<u8>,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    link_group: Option<Vec<u8>>,
}

impl Listing {
    pub(crate) fn with_capacity(count: usize) -> Listing {
        Listing {
            records: Vec::with_capacity(count),
            digests: Vec::with_capacity(count),
            ..Listing::default()
        }
    }

    /// Adds what is called `name`, which comes behind all others.
    pub(crate) fn push(&mut self, name: &[u8], node: Node, digest: Option<ContentDigest>) {
        let device = |major: u32, minor: u32| u64::from(major) << 32 | u64::from(minor);
        let mut rare =
            Rare { target: Vec::new(), xattrs: node.xattrs, link_group: node.link_group };
        let (kind, number) = match node.kind {
            NodeKind::File { size } => (Kind::File, size),
            NodeKind::Dir => (Kind::Dir, 0),
            NodeKind::Symlink { target } => {
                rare.target = target;
                (Kind::Symlink, 0)
            }
            NodeKind::CharDevice { major, minor } => (Kind::CharDevice, device(major, minor)),
            NodeKind::BlockDevice { major, minor } => (Kind::BlockDevice, device(major, minor)),
            NodeKind::Fifo => (Kind::Fifo, 0),
        };
        if rare != Rare::default() {
            self.rare.push((self.records.len(), rare));
        }
        self.names.extend_from_slice(name);
        let name_end = u32::try_from(self.names.len()).expect("no directory has 4 GB of names");
        let mode = (node.mode & 0o7777) as u16;
        let Node { uid, gid, mtime, .. } = node;
        self.records.push(Record { name_end, mode, kind, uid, gid, number, mtime });
        self.digests.push(digest.map_or_else(OnceLock::new, OnceLock::from));
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(crate) fn name(&self, position: usize) -> &[u8] {
        let start = position.checked_sub(1).map_or(0, |before| self.records[before].name_end);
        &self.names[start as usize..self.records[position].name_end as usize]
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|position| self.name(position))
    }

    /// Whether every name is ASCII: then it is shown as it is.
    pub(crate) fn is_ascii(&self) -> bool {
        self.names.is_ascii()
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<usize> {
        let (mut from, mut to) = (0, self.len());
        while from < to {
            let middle = from.midpoint(to);
            if self.name(middle) < name {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        (from < self.len() && self.name(from) == name).then_some(from)
    }

    pub(crate) fn node(&self, position: usize) -> Node {
        let Record { mode, kind, uid, gid, number, mtime, .. } = self.records[position];
        let aside = self.rare.binary_search_by_key(&position, |(at, _)| *at).ok();
        let aside = aside.map(|found| &self.rare[found].1);
        let (major, minor) = ((number >> 32) as u32, number as u32);
        let kind = match kind {
            Kind::File => NodeKind::File { size: number },
            Kind::Dir => NodeKind::Dir,
            Kind::Symlink => NodeKind::Symlink {
                target: aside.map(|rare| rare.target.clone()).unwrap_or_default(),
            },
            Kind::CharDevice => NodeKind::CharDevice { major, minor },
            Kind::BlockDevice => NodeKind::BlockDevice { major, minor },
            Kind::Fifo => NodeKind::Fifo,
        };
        Node {
            kind,
            mode: u32::from(mode),
            uid,
            gid,
            mtime,
            xattrs: aside.map(|rare| rare.xattrs.clone()).unwrap_or_default(),
            link_group: aside.and_then(|rare| rare.link_group.clone()),
        }
    }

    pub(crate) fn is_dir(&self, position: usize) -> bool {
        self.records[position].kind == Kind::Dir
    }

    pub(crate) fn is_file(&self, position: usize) -> bool {
        self.records[position].kind == Kind::File
    }

    pub(crate) fn mtime(&self, position: usize) -> i64 {
        self.records[position].mtime
    }

    pub(crate) fn digest(&self, position: usize) -> Option<ContentDigest> {
        self.digests[position].get().copied()
    }

    /// Remembers the digest of a file's bytes; the first one stays.
    pub(crate) fn set_digest(&self, position: usize, digest: ContentDigest) -> ContentDigest {
        *self.digests[position].get_or_init(|| digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(kind: NodeKind, mode: u32) -> Node {
        let xattrs = BTreeMap::new();
        Node { kind, mode, uid: 1, gid: 2, mtime: -3, xattrs, link_group: None }
    }

    #[test]
    fn everything_comes_back_as_it_was() {
        let special = Node {
            xattrs: BTreeMap::from([(b"user.a".to_vec(), vec![0, 255])]),
            link_group: Some(b"group".to_vec()),
            ..node(NodeKind::File { size: u64::MAX }, 0o4755)
        };
        let nodes = [
            ("a", node(NodeKind::Dir, 0o1777)),
            ("a-b", special),
            ("b", node(NodeKind::Symlink { target: b"../a".to_vec() }, 0o777)),
            ("bb", node(NodeKind::CharDevice { major: 1, minor: 0xf_ffff }, 0o600)),
            ("c", node(NodeKind::BlockDevice { major: 0xfff, minor: 3 }, 0o600)),
            ("\u{e4}", node(NodeKind::Fifo, 0)),
        ];
        let mut listing = Listing::with_capacity(nodes.len());
        let digest = ContentDigest::of(b"x");
        for (name, node) in &nodes {
            let known = (*name == "a-b").then_some(digest);
            listing.push(name.as_bytes(), node.clone(), known);
        }
        for (position, (name, node)) in nodes.iter().enumerate() {
            assert_eq!(listing.name(position), name.as_bytes());
            assert_eq!(listing.find(name.as_bytes()), Some(position));
            assert_eq!(listing.node(position), *node);
        }
        for absent in ["", "a-", "a.", "d", "\u{e5}"] {
            assert_eq!(listing.find(absent.as_bytes()), None);
        }
        assert_eq!((listing.digest(1), listing.digest(0)), (Some(digest), None));
        assert_eq!(listing.set_digest(1, ContentDigest::of(b"y")), digest);
        assert!(!listing.is_ascii() && !listing.is_empty() && listing.is_dir(0));
    }
}
