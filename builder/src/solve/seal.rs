//! Sealing: from the snapshot a RUN left to a layer, and what a layer's content is known by.

use store::layer::{Entry, EntryKind, LayerIndex, write_snapshot};
use store::tree::Tree;
use store::{LayerForm, SnapshotId, Store};

use super::filesystem::Filesystem;
use crate::cache::{KeyBuilder, StepKey};
use crate::execute::{NewLayer, StepError, layer, space_for};

/// Finds what a RUN changed and writes it as a layer.
pub(super) fn seal_snapshot(
    store: &Store,
    below: &Filesystem,
    snapshot: &SnapshotId,
    pack: Option<LayerForm>,
) -> Result<NewLayer, StepError> {
    let snapshotter = store.snapshotter();
    let index = snapshotter.changes(snapshot, &below.tree(store)?)?;
    store.note_files(index.len());
    let (dir, mut writer) = (snapshotter.dir(snapshot)?, layer::new_layer(store, pack, None)?);
    let written = write_snapshot(&index, &dir, &mut writer).map_err(StepError::from);
    written.and_then(|()| layer::seal(writer)).map_err(space_for(|| &index))
}

/// Which times of files tell one result of a step from another.
#[derive(Clone, Copy, Debug)]
pub(super) enum Times {
    None,
    All,
    /// Those that were set: earlier than this, and not what the same path had before the step.
    Before(i64),
}

/// A layer's content without its places in the tar, and with the times that count.
pub(super) fn fingerprint(
    index: &LayerIndex,
    times: Times,
    store: &Store,
    below: &Filesystem,
) -> Result<StepKey, StepError> {
    let below = match times {
        Times::Before(_) => below.tree(store)?,
        Times::None | Times::All => Tree::default(),
    };
    let counts = |entry: &Entry| match times {
        Times::None => false,
        Times::All => true,
        Times::Before(now) => {
            let before = below.lookup(entry.as_path()).map(|found| found.entry.mtime);
            entry.mtime < now && before != Some(entry.mtime)
        }
    };
    let mut key = KeyBuilder::new("result");
    for entry in index {
        let kind = match &entry.kind {
            EntryKind::File { size, digest, .. } => format!("file {size} {digest:?}"),
            kind => format!("{kind:?}"),
        };
        let attributes = format!("{:o} {}:{} {:?}", entry.mode, entry.uid, entry.gid, entry.xattrs);
        let time = counts(&entry).then_some(entry.mtime);
        let attributes = format!("{attributes} {time:?}");
        key = key.part(&entry.path).part(kind.as_bytes()).part(attributes.as_bytes());
    }
    Ok(key.finish())
}

pub(super) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}
