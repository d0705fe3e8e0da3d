//! Sealing: from the snapshot a RUN left to a layer, and what a layer's content is known by.

use store::id_map::IdMap;
use store::layer::{EntryKind, LayerIndex, LayerWriter, scan, write_layer};
use store::{SnapshotId, Store};

use super::filesystem::Filesystem;
use crate::cache::{KeyBuilder, StepKey};
use crate::execute::{NewLayer, StepError, layer};

/// Scans what a RUN changed and writes it as a layer.
pub(super) fn seal_snapshot(
    store: &Store,
    below: &Filesystem,
    snapshot: &SnapshotId,
) -> Result<NewLayer, StepError> {
    let upper = store.snapshotter().dir(snapshot)?;
    let index = scan(&upper, &below.tree(store)?, IdMap::Identity)?;
    let mut writer = LayerWriter::new(store.blob_writer()?);
    write_layer(&index, &upper, &mut writer)?;
    layer::seal(writer)
}

/// A layer's content without its times and places in the tar.
pub(super) fn fingerprint(index: &LayerIndex) -> StepKey {
    let mut key = KeyBuilder::new("result");
    for entry in index {
        let kind = match &entry.kind {
            EntryKind::File { size, digest, .. } => format!("file {size} {digest:?}"),
            kind => format!("{kind:?}"),
        };
        let attributes = format!("{:o} {}:{} {:?}", entry.mode, entry.uid, entry.gid, entry.xattrs);
        key = key.part(&entry.path).part(kind.as_bytes()).part(attributes.as_bytes());
    }
    key.finish()
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
