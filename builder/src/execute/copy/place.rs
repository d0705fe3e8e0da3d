//! Putting what was selected where it belongs.

use std::sync::Arc;

use store::layer::EntryKind;

use crate::execute::StepError;
use crate::execute::arranged::{PlacedTree, entry};
use crate::execute::source::{Folder, NodeKind, Selection, Source, join, parent_and_name};
use crate::execute::target::{self, Content, Target};

/// As BuildKit's copy: a directory's contents go into the destination, a file goes into a directory
/// that exists and otherwise becomes the destination. Each source is copied by itself.
pub(super) fn place(
    target: &mut Target,
    source: &Arc<dyn Source>,
    selection: &Arc<Selection>,
    dest: &[u8],
    parents: bool,
) -> Result<(), StepError> {
    let named_dir = dest.ends_with(b"/");
    let made_first = if named_dir { dest } else { parent_and_name(dest).0 };
    let made_first = target.resolve(made_first)?;
    target.make_dirs(&made_first)?;
    let mut dest = target.resolve(dest)?;
    let Some(inside) = &selection.inside else {
        if target.is_dir(&dest) {
            dest = join(&dest, &selection.name);
        }
        target.make_dirs(parent_and_name(&dest).0)?;
        return put(target, source, selection, dest);
    };
    target.make_dirs(&dest)?;
    if parents {
        put_directories(target, inside, &dest)?;
    }
    if !target.is_free_below(&dest) {
        check(target, inside, &dest)?;
    }
    let (source, selection) = (source.clone(), selection.clone());
    target.put_tree(PlacedTree { source, selection, dest, directories: !parents });
    Ok(())
}

/// `--parents` leads through directories that are there already.
fn put_directories(target: &mut Target, inside: &Folder, dest: &[u8]) -> Result<(), StepError> {
    for item in inside.own().filter(|item| item.is_dir()) {
        let (dest, node) = (join(dest, item.name()), item.node());
        if !target.pass_through(&dest, node.mode, node.mtime) {
            fits(target, true, &dest)?;
            let kind = EntryKind::Dir { opaque: false };
            target.put(entry(dest.clone(), kind, node), Content::None, None);
        }
        if let Some(inside) = item.inside() {
            put_directories(target, inside, &dest)?;
        }
    }
    Ok(())
}

/// Whether all of it can be where it goes. In a directory that is new nothing can be in the way.
fn check(target: &Target, inside: &Folder, dest: &[u8]) -> Result<(), StepError> {
    for item in inside.own() {
        let dest = join(dest, item.name());
        let was_there = fits(target, item.is_dir(), &dest)?;
        if let Some(inside) = item.inside().filter(|_| was_there) {
            check(target, inside, &dest)?;
        }
    }
    Ok(())
}

/// A directory cannot become a file, nor the other way round. True if something is there.
fn fits(target: &Target, is_dir: bool, dest: &[u8]) -> Result<bool, StepError> {
    let path = || target::show(dest);
    match target.lookup(dest) {
        None => Ok(false),
        Some(EntryKind::Dir { .. }) if !is_dir => Err(StepError::IsADirectory { path: path() }),
        Some(EntryKind::Dir { .. }) => Ok(true),
        Some(_) if is_dir => Err(StepError::NotADirectory { path: path() }),
        Some(_) => Ok(true),
    }
}

/// A single file. The digest in its entry is what the key was made of.
fn put(
    target: &mut Target,
    source: &Arc<dyn Source>,
    selection: &Selection,
    dest: Vec<u8>,
) -> Result<(), StepError> {
    let Selection { path, node, .. } = selection;
    fits(target, node.is_dir(), &dest)?;
    let (kind, content) = match node.kind {
        NodeKind::File { size } => {
            let digest = Some(source.digest(path)?);
            let content = Content::Source(source.clone(), path.clone());
            (EntryKind::File { size, digest, offset: None }, content)
        }
        ref other => (other.clone().into(), Content::None),
    };
    target.put(entry(dest, kind, node.clone()), content, None);
    Ok(())
}
