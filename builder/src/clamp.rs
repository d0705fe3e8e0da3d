//! SOURCE_DATE_EPOCH for what RUN wrote: a layer without later times, made once of each.
//!
//! Steps keep the layer as it was made: a new epoch does not run them again.

use std::sync::Arc;

use store::Store;
use store::layer::{Entry, LayerIndex};
use store::tree::{Tree, TreeContent, TreeLayer};

use crate::cache::{Cache, Inputs, KeyBuilder};
use crate::execute::{StepError, layer};
use crate::solve::filesystem::Sealed;

/// The layer with times that are at most `epoch`; the layer itself when it has no others.
pub(crate) fn clamped(
    store: &Store,
    cache: &Cache,
    sealed: &Sealed,
    epoch: i64,
) -> Result<Sealed, StepError> {
    let index = sealed.index()?;
    if index.iter().all(|entry| entry.mtime <= epoch) {
        return Ok(sealed.clone());
    }
    let key = KeyBuilder::new("clamped")
        .part(sealed.diff_id.0.as_bytes())
        .part(&epoch.to_le_bytes())
        .finish();
    if let Some(record) = cache.find(key)? {
        return Ok(Sealed::recorded(&record, cache));
    }
    let made = rewrite(store, sealed, &index, epoch)?;
    let record =
        Cache::record(key, key, "times at most SOURCE_DATE_EPOCH", serde_json::Value::Null);
    let record = record(epoch, made.diff_id(), made.descriptor.clone(), None);
    cache.write(&record, &made.index, &Inputs::default())?;
    Ok(Sealed::new(made))
}

fn rewrite(
    store: &Store,
    sealed: &Sealed,
    index: &Arc<LayerIndex>,
    epoch: i64,
) -> Result<crate::execute::NewLayer, StepError> {
    let content = TreeContent::Blob(sealed.open(store)?);
    let files = Tree::new(vec![TreeLayer::new(index.clone(), content)]);
    let mut archive = layer::new_layer(store, None, None)?;
    for entry in index.iter() {
        let entry = Entry { mtime: entry.mtime.min(epoch), ..entry };
        if entry.is_file() {
            let mut content = files.open(entry.as_path())?;
            archive.append(&entry, Some(&mut *content))?;
        } else {
            archive.append(&entry, None)?;
        }
    }
    layer::seal(archive)
}
