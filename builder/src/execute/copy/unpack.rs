//! ADD of an archive: unpacked aside, confined to the destination, and taken over entry by entry.

use std::sync::Arc;

use store::Store;
use store::id_map::IdMap;
use store::layer::{Entry, EntryKind, LayerIndex, apply_archive, decompressor, is_archive};
use sys::RootDir;

use crate::execute::source::{NodeKind, Selection, Source, SourceError, as_path, join};
use crate::execute::target::{Content, Target};
use crate::execute::{StepError, io_error};
use crate::step::CopyStep;

/// Directories that archives were unpacked into; removed when the layer is written.
#[derive(Debug, Default)]
pub(super) struct Scratch(Vec<std::path::PathBuf>);

impl Scratch {
    fn make(&mut self, store: &Store) -> Result<Arc<RootDir>, StepError> {
        let path = store.temp_path()?;
        std::fs::create_dir(&path).map_err(io_error("create", &path))?;
        self.0.push(path.clone());
        Ok(Arc::new(RootDir::open(&path)?))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed goes when the store is next opened.
        for path in &self.0 {
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

/// Unpacks a file that is an archive into the destination. False if it is none.
pub(super) fn try_unpack(
    target: &mut Target,
    scratch: &mut Scratch,
    source: &Arc<dyn Source>,
    selection: &Selection,
    step: &CopyStep,
    store: &Store,
) -> Result<bool, StepError> {
    if !matches!(selection.node.kind, NodeKind::File { .. })
        || !is_archive(source.open(&selection.path)?)
    {
        return Ok(false);
    }
    // An archive may replace anything.
    target.spell_out();
    let dest = target.resolve(step.dest.as_bytes())?;
    target.make_dirs_for_archive(&dest)?;
    let dir = scratch.make(store)?;
    let read_error = |source| SourceError::Read { path: selection.path.clone(), source };
    let plain = decompressor(source.open(&selection.path)?).map_err(read_error)?;
    let below = target.tree().at(as_path(&dest)).unwrap_or_default();
    let index = apply_archive(plain, &dir, &below, IdMap::Identity)?;
    let archive = scratch.0.len();
    for entry in index.iter().filter(|entry| !entry.path.is_empty()) {
        put_member(target, &index, &entry, &dest, &dir, archive);
    }
    Ok(true)
}

/// Puts what was unpacked into `dir` below the destination. Names of one file form a group: in the layer
/// another one may come first than in the archive.
fn put_member(
    target: &mut Target,
    index: &LayerIndex,
    member: &Entry,
    dest: &[u8],
    dir: &Arc<RootDir>,
    archive: usize,
) {
    let first = match &member.kind {
        EntryKind::Hardlink { target } => index.get(target),
        _ => None,
    };
    let first = first.as_ref().unwrap_or(member);
    let content = match first.kind {
        EntryKind::File { .. } => Content::Dir(dir.clone(), first.path.clone()),
        _ => Content::None,
    };
    let mut entry = Entry { path: join(dest, &member.path), ..first.clone() };
    // The times are the archive's, whatever SOURCE_DATE_EPOCH says: as with BuildKit.
    if let Some((uid, gid)) = target.ownership().owner {
        (entry.uid, entry.gid) = (uid, gid);
    }
    let group = [&archive.to_le_bytes()[..], &first.path].concat();
    let group = (!entry.is_dir()).then_some(group);
    target.put_as_is(entry, content, group);
}
