//! Files as inputs of a step.

use super::{Inputs, KeyBuilder};
use crate::execute::source::{Node, NodeKind};

impl Inputs {
    /// A file, directory, link or device as it will be in the layer: without its time.
    pub(crate) fn node(&mut self, name: String, node: &Node, content: Option<&[u8; 32]>) {
        let mut key = KeyBuilder::new("node")
            .part(kind(&node.kind))
            .part(node.mode.to_le_bytes())
            .part(node.uid.to_le_bytes())
            .part(node.gid.to_le_bytes())
            .part(content.map_or(&[][..], |content| &content[..]));
        for (name, value) in &node.xattrs {
            key = key.part(name).part(value);
        }
        self.fact(name, key.finish());
    }
}

fn kind(kind: &NodeKind) -> Vec<u8> {
    let device = |name: &str, major: u32, minor: u32| format!("{name} {major}:{minor}").into_bytes();
    match kind {
        NodeKind::File { size } => format!("file {size}").into_bytes(),
        NodeKind::Dir => b"directory".to_vec(),
        NodeKind::Symlink { target } => [b"link ".as_slice(), target].concat(),
        NodeKind::CharDevice { major, minor } => device("character device", *major, *minor),
        NodeKind::BlockDevice { major, minor } => device("block device", *major, *minor),
        NodeKind::Fifo => b"fifo".to_vec(),
    }
}
