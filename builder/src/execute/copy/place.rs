//! Putting what was selected where it belongs.

use std::sync::Arc;

use store::layer::{Entry, EntryKind};

use crate::execute::StepError;
use crate::execute::source::{Node, NodeKind, Selected, Selection, Source, join, parent_and_name};
use crate::execute::target::{self, Content, Target};

/// As BuildKit's copy: a directory's contents go into the destination, a file goes into a directory
/// that exists and otherwise becomes the destination. Each source is copied by itself: only names of a
/// file within one directory stay names of one file.
pub(super) fn place(
    target: &mut Target,
    source: &Arc<dyn Source>,
    selection: &Selection,
    dest: &[u8],
    parents: bool,
) -> Result<(), StepError> {
    let named_dir = dest.ends_with(b"/");
    let made_first = if named_dir { dest } else { parent_and_name(dest).0 };
    let made_first = target.resolve(made_first)?;
    target.make_dirs(&made_first)?;
    let mut dest = target.resolve(dest)?;
    if !selection.node.is_dir() {
        if target.is_dir(&dest) {
            dest = join(&dest, &selection.name);
        }
        target.make_dirs(parent_and_name(&dest).0)?;
        return put(target, source, &selection.path, &selection.node, dest, None);
    }
    target.make_dirs(&dest)?;
    for selected in &selection.inside {
        let Selected { path, node, .. } = selected;
        let dest = join(&dest, selection.relative(selected));
        if parents && node.is_dir() && target.pass_through(&dest, node.mode, node.mtime) {
            continue;
        }
        let together = |group: &Vec<u8>| [&selection.path, &b"/"[..], group].concat();
        put(target, source, path, node, dest, node.link_group.as_ref().map(together))?;
    }
    Ok(())
}

fn put(
    target: &mut Target,
    source: &Arc<dyn Source>,
    path: &[u8],
    node: &Node,
    dest: Vec<u8>,
    link_group: Option<Vec<u8>>,
) -> Result<(), StepError> {
    let shown = || target::show(&dest);
    match target.lookup(&dest) {
        Some(EntryKind::Dir { .. }) if !node.is_dir() => {
            return Err(StepError::IsADirectory { path: shown() });
        }
        Some(kind) if node.is_dir() && !matches!(kind, EntryKind::Dir { .. }) => {
            return Err(StepError::NotADirectory { path: shown() });
        }
        _ => {}
    }
    let content = match node.kind {
        NodeKind::File { .. } => Content::Source(source.clone(), path.to_vec()),
        _ => Content::None,
    };
    let entry = Entry {
        path: dest,
        kind: entry_kind(source, path, node)?,
        mode: node.mode,
        uid: node.uid,
        gid: node.gid,
        mtime: node.mtime,
        xattrs: node.xattrs.clone(),
    };
    target.put(entry, content, link_group);
    Ok(())
}

/// The digest in a file's entry is what the key was made of.
fn entry_kind(source: &Arc<dyn Source>, path: &[u8], node: &Node) -> Result<EntryKind, StepError> {
    Ok(match &node.kind {
        NodeKind::File { size } => {
            EntryKind::File { size: *size, digest: Some(source.digest(path)?), offset: None }
        }
        NodeKind::Dir => EntryKind::Dir { opaque: false },
        NodeKind::Symlink { target } => EntryKind::Symlink { target: target.clone() },
        NodeKind::CharDevice { major, minor } => {
            EntryKind::CharDevice { major: *major, minor: *minor }
        }
        NodeKind::BlockDevice { major, minor } => {
            EntryKind::BlockDevice { major: *major, minor: *minor }
        }
        NodeKind::Fifo => EntryKind::Fifo,
    })
}
