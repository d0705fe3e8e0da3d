//! [`StepKey`]: what a step's result is found by.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::execute::source::{Node, NodeKind};

/// Identity of the file system after a step, by how it was made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct StepKey([u8; 32]);

impl fmt::Display for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
    }
}

impl StepKey {
    pub(crate) fn parse(text: &str) -> Option<StepKey> {
        blake3::Hash::from_hex(text).ok().map(|hash| StepKey(*hash.as_bytes()))
    }

    /// What stands for it where keys are locked: 62 bits are enough for no two to meet.
    pub(super) fn lock_byte(self) -> u64 {
        self.0.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte)) >> 2
    }
}

impl Serialize for StepKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StepKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<StepKey, D::Error> {
        let text = String::deserialize(deserializer)?;
        StepKey::parse(&text).ok_or_else(|| serde::de::Error::custom("not a step key"))
    }
}

impl fmt::Debug for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StepKey({self})")
    }
}

/// The parts of a key; each is preceded by its length, so that no two lists of parts are alike.
#[derive(Debug)]
pub(crate) struct KeyBuilder(blake3::Hasher);

impl KeyBuilder {
    /// Changes whenever the meaning of a key does.
    const VERSION: &'static [u8] = b"rbuild step key 1";

    pub(crate) fn new(what: &str) -> KeyBuilder {
        KeyBuilder(blake3::Hasher::new()).part(Self::VERSION).part(what.as_bytes())
    }

    pub(crate) fn part(mut self, bytes: &[u8]) -> KeyBuilder {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    pub(crate) fn key(self, key: StepKey) -> KeyBuilder {
        self.part(&key.0)
    }

    pub(crate) fn inputs(self, inputs: &Inputs) -> KeyBuilder {
        let parts = inputs.0.iter();
        parts.fold(self, |builder, (name, input)| builder.part(name.as_bytes()).part(&input.hash))
    }

    pub(crate) fn finish(self) -> StepKey {
        StepKey(*self.0.finalize().as_bytes())
    }
}

/// What a step reads, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inputs(pub(crate) BTreeMap<String, Input>);

/// Something a step reads: a hash of everything that counts about it, and what explains a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) hash: [u8; 32],
    node: Option<Looks>,
}

/// A file, directory or link in a few numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Looks {
    kind: &'static str,
    mode: u32,
    uid: u32,
    gid: u32,
    /// The beginnings of hashes: of the bytes or the link's target, and of the extended attributes.
    content: Option<[u8; 6]>,
    xattrs: Option<[u8; 4]>,
}

/// `file 644 0:0 1f2e3d4c5b6a - 00112233aabbccdd`: the last word is the beginning of the hash, and the only one for
/// what is no file.
impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        if let Some(looks) = &self.node {
            let content = looks.content.map_or("-".to_owned(), |bytes| hex(&bytes));
            let xattrs = looks.xattrs.map_or("-".to_owned(), |bytes| hex(&bytes));
            let Looks { kind, mode, uid, gid, .. } = looks;
            write!(f, "{kind} {mode:o} {uid}:{gid} {content} {xattrs} ")?;
        }
        f.write_str(&hex(&self.hash[..8]))
    }
}

impl Input {
    fn fact(hash: [u8; 32]) -> Input {
        Input { hash, node: None }
    }

    /// A file, directory or link as it will be in the layer. `content` is the digest of a file's bytes.
    pub(crate) fn of_node(node: &Node, content: Option<&[u8; 32]>) -> Input {
        let numbers =
            |kind: u8, a: u32, b: u32| [&[kind][..], &a.to_le_bytes(), &b.to_le_bytes()].concat();
        let kind = match &node.kind {
            NodeKind::File { .. } => vec![0],
            NodeKind::Dir => vec![1],
            NodeKind::Symlink { target } => [&[2][..], target].concat(),
            NodeKind::CharDevice { major, minor } => numbers(3, *major, *minor),
            NodeKind::BlockDevice { major, minor } => numbers(4, *major, *minor),
            NodeKind::Fifo => vec![5],
        };
        let mut key = KeyBuilder::new("node")
            .part(&kind)
            .part(&node.mode.to_le_bytes())
            .part(&node.uid.to_le_bytes())
            .part(&node.gid.to_le_bytes());
        for (name, value) in &node.xattrs {
            key = key.part(name).part(value);
        }
        let key = key.part(content.map_or(&[][..], |digest| digest)).finish();
        Input { hash: key.0, node: Some(looks(node, content)) }
    }

    /// Whether this is what was written down so.
    pub(crate) fn is(&self, text: &str) -> bool {
        let last = text.rsplit(' ').next().unwrap_or_default();
        blake3::Hash::from_bytes(self.hash).to_hex()[..16] == *last
    }
}

impl Inputs {
    pub(crate) fn node(&mut self, name: String, node: &Node, content: Option<&[u8; 32]>) {
        self.0.insert(name, Input::of_node(node, content));
    }

    /// Many at once, mostly in their order.
    pub(crate) fn add(&mut self, inputs: Vec<(String, Input)>) {
        match self.0.is_empty() {
            true => self.0 = inputs.into_iter().collect(),
            false => self.0.append(&mut inputs.into_iter().collect()),
        }
    }

    pub(crate) fn fact(&mut self, name: String, key: StepKey) {
        self.0.insert(name, Input::fact(key.0));
    }
}

fn looks(node: &Node, content: Option<&[u8; 32]>) -> Looks {
    let kind = match &node.kind {
        NodeKind::File { .. } => "file",
        NodeKind::Dir => "directory",
        NodeKind::Symlink { .. } => "link",
        NodeKind::CharDevice { .. } | NodeKind::BlockDevice { .. } => "device",
        NodeKind::Fifo => "pipe",
    };
    let target = match &node.kind {
        NodeKind::Symlink { target } => Some(*blake3::hash(target).as_bytes()),
        _ => None,
    };
    let content = content.copied().or(target);
    let xattrs = (!node.xattrs.is_empty()).then(|| {
        let mut hasher = blake3::Hasher::new();
        for (name, value) in &node.xattrs {
            hasher.update(name).update(&(value.len() as u64).to_le_bytes()).update(value);
        }
        *hasher.finalize().as_bytes()
    });
    Looks {
        kind,
        mode: node.mode,
        uid: node.uid,
        gid: node.gid,
        content: content.map(|hash| std::array::from_fn(|at| hash[at])),
        xattrs: xattrs.map(|hash| std::array::from_fn(|at| hash[at])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_together() {
        let key = |parts: &[&str]| {
            parts.iter().fold(KeyBuilder::new("t"), |b, p| b.part(p.as_bytes())).finish()
        };
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_ne!(key(&["a"]), key(&["a", ""]));
        assert_eq!(key(&["a", "b"]), key(&["a", "b"]));
    }
}
