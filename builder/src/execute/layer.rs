//! Writing what a step made: as a layer's blob, or as files.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::sync::Arc;

use store::id_map::IdMap;
use store::layer::{EntryKind, LayerError, LayerIndex, LayerWriter, WhiteoutForm, apply};
use store::tree::Tree;
use store::{BlobWriter, Descriptor, media_type};
use sys::RootDir;

use super::copy::Setting;
use super::error::space_for;
use super::source::SourceError;
use super::target::Placed;
use super::{NewLayer, StepError};

/// Streams the entries into a layer blob.
pub(crate) fn write(placed: &[Placed], setting: &Setting<'_>) -> Result<NewLayer, StepError> {
    let mut writer = LayerWriter::new(setting.store.blob_writer()?);
    let written = append(&mut writer, placed, setting).and_then(|()| seal(writer));
    let layer = written.map_err(space_for(placed.iter().map(|item| &item.entry)))?;
    check_unchanged(placed, &layer.index)?;
    Ok(layer)
}

/// Writes the entries into the empty directory `dir` instead of a blob.
pub(crate) fn write_into(
    placed: &[Placed],
    dir: &RootDir,
    setting: &Setting<'_>,
) -> Result<(), StepError> {
    let (reader, writer) = io::pipe().map_err(|source| LayerError::Write { source })?;
    std::thread::scope(|scope| {
        let written = scope.spawn(|| {
            let mut archive = LayerWriter::new(BufWriter::new(writer));
            append(&mut archive, placed, setting)?;
            let (mut pipe, index) = archive.finish()?;
            pipe.flush().map_err(|source| LayerError::Write { source })?;
            check_unchanged(placed, &index)
        });
        let reader = BufReader::new(reader);
        let applied = apply(reader, dir, &Tree::default(), WhiteoutForm::Remove, IdMap::Identity);
        // When a source cannot be read the archive ends early: that is the cause, not the end.
        match (written.join().unwrap_or(Ok(())), applied) {
            (Err(StepError::Layer(LayerError::Write { .. })), Err(error)) => Err(error.into()),
            (Err(error), _) => Err(error),
            (Ok(()), applied) => Ok(applied.map(drop)?),
        }
    })
}

fn append<W: Write>(
    writer: &mut LayerWriter<W>,
    placed: &[Placed],
    setting: &Setting<'_>,
) -> Result<(), StepError> {
    for item in placed {
        setting.check()?;
        match item.content.open()? {
            Some(mut reader) => writer.append(&item.entry, Some(&mut reader as &mut dyn Read))?,
            None => writer.append(&item.entry, None)?,
        }
    }
    Ok(())
}

/// Each file that was written must be what was looked up.
fn check_unchanged(placed: &[Placed], index: &LayerIndex) -> Result<(), StepError> {
    for item in placed {
        let EntryKind::File { digest: Some(expected), .. } = item.entry.kind else { continue };
        let written = index.get(&item.entry.path).map(|entry| &entry.kind);
        if let Some(EntryKind::File { digest: Some(digest), .. }) = written
            && *digest != expected
        {
            return Err(SourceError::Changed { path: item.entry.path.clone() }.into());
        }
    }
    Ok(())
}

/// Ends a layer and makes its blob visible.
pub(crate) fn seal(writer: LayerWriter<BlobWriter>) -> Result<NewLayer, StepError> {
    let (mut blob, index) = writer.finish()?;
    let flush = |source: io::Error| LayerError::Write { source };
    blob.flush().map_err(flush)?;
    let info = blob.finish()?;
    let descriptor = Descriptor::new(media_type::LAYER_TAR, info.digest, info.size);
    Ok(NewLayer { descriptor, index: Arc::new(index) })
}
