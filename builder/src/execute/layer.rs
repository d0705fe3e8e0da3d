//! Writing what a step made: as a layer's blob, or as files.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::sync::Arc;

use store::archive::Packing;
use store::id_map::IdMap;
use store::layer::{EntryKind, LayerError, LayerWriter, Lends, WhiteoutForm, apply};
use store::tree::Tree;
use store::{BlobWriter, Descriptor, LayerForm, Store, media_type};
use sys::RootDir;

use super::arranged::Arranged;
use super::copy::Setting;
use super::error::space_for;
use super::source::SourceError;
use super::target::Placed;
use super::{FormerLayer, NewLayer, StepError};

/// Streams the entries into a layer blob.
pub(crate) fn write(
    arranged: &Arranged,
    setting: &Setting<'_>,
    former: Option<&FormerLayer>,
) -> Result<NewLayer, StepError> {
    let attempt = |former: Option<&FormerLayer>| {
        let mut writer = new_layer(setting.store, setting.pack, former)?;
        append(&mut writer, arranged, setting, former).and_then(|()| seal(writer))
    };
    let written = match attempt(former) {
        // Perhaps it is the former layer that is damaged; what the step reads is not.
        Err(
            StepError::Source(SourceError::Changed { .. })
            | StepError::Layer(LayerError::ReadFile { .. }),
        ) if former.is_some() => attempt(None),
        written => written,
    };
    written.map_err(space_for(|| arranged.iter().map(|placed| placed.entry)))
}

/// Writes the entries into the empty directory `dir` instead of a blob.
pub(crate) fn write_into(
    arranged: &Arranged,
    dir: &RootDir,
    setting: &Setting<'_>,
) -> Result<(), StepError> {
    let (reader, writer) = io::pipe().map_err(|source| LayerError::Write { source })?;
    std::thread::scope(|scope| {
        let written = scope.spawn(|| {
            let mut archive = LayerWriter::new(BufWriter::new(writer));
            append(&mut archive, arranged, setting, None)?;
            let (mut pipe, _) = archive.finish()?;
            Ok(pipe.flush().map_err(|source| LayerError::Write { source })?)
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

/// Each file that is written must be what was looked up.
fn append<W: Write>(
    writer: &mut LayerWriter<W>,
    arranged: &Arranged,
    setting: &Setting<'_>,
    former: Option<&FormerLayer>,
) -> Result<(), StepError> {
    let mut former = former.map(FormerLayer::files);
    for Placed { entry, content, .. } in arranged.iter() {
        setting.check()?;
        let former = former.as_mut().and_then(|former| former.find(&entry));
        let reader = match former {
            Some(reader) => Some(reader),
            None => content.open()?.map(|reader| reader as Box<dyn Read>),
        };
        let Some(mut reader) = reader else {
            writer.append(&entry, None)?;
            continue;
        };
        writer.append(&entry, Some(&mut reader as &mut dyn Read))?;
        if let EntryKind::File { digest: Some(expected), .. } = entry.kind
            && writer.last_digest() != Some(expected)
        {
            return Err(SourceError::Changed { path: entry.path }.into());
        }
    }
    Ok(())
}

/// A layer that is to become a blob; `pack` is a form in which it will be asked for.
pub(crate) fn new_layer(
    store: &Store,
    pack: Option<LayerForm>,
    former: Option<&FormerLayer>,
) -> Result<LayerWriter<LayerSink>, StepError> {
    let mut blob = store.blob_writer()?;
    former.inspect(|former| blob.follow(former.digest()));
    let marks = blob.marks();
    let packing = pack.map(|form| store.packing(form)).transpose()?.flatten();
    let writer = LayerWriter::new(LayerSink { blob, packing }).lending();
    Ok(match marks {
        Some(marks) => writer.marking(marks),
        None => writer,
    })
}

/// Ends a layer and makes its blob visible.
pub(crate) fn seal(writer: LayerWriter<LayerSink>) -> Result<NewLayer, StepError> {
    let (LayerSink { blob, packing }, index) = writer.finish()?;
    let info = blob.finish()?;
    let descriptor = Descriptor::new(media_type::LAYER_TAR, info.digest, info.size);
    if let Some(packing) = packing {
        // What fails here is tried again when that form is asked for.
        let _ = packing.finish(&descriptor);
    }
    Ok(NewLayer { descriptor, index: Arc::new(index) })
}

/// The blob of a layer, and beside it the compressed one.
#[derive(Debug)]
pub(crate) struct LayerSink {
    blob: BlobWriter,
    packing: Option<Packing>,
}

/// What cannot be compressed now is compressed when it is asked for.
fn pack(packing: &mut Option<Packing>, bytes: &[u8]) {
    if packing.as_mut().is_some_and(|packing| packing.write_all(bytes).is_err()) {
        *packing = None;
    }
}

impl Lends for LayerSink {
    fn space(&mut self) -> io::Result<&mut [u8]> {
        self.blob.space()
    }

    fn filled(&mut self, count: usize) -> io::Result<&[u8]> {
        let bytes = self.blob.filled(count)?;
        pack(&mut self.packing, bytes);
        Ok(bytes)
    }
}

impl Write for LayerSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.blob.write(bytes)?;
        pack(&mut self.packing, &bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.blob.flush()
    }
}
