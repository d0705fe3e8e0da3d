//! Layers that are missing or were damaged are made again from what else there is of them: another form, or the
//! snapshot they were unpacked to. What has the right digest then is the layer; nothing else is.
use std::collections::HashMap;
use std::fs;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use super::{Remedy, Repairs};
use crate::descriptor::Descriptor;
use crate::digest::{ChainId, DiffId, Digest};
use crate::error::{Result, StoreError, io_error};
use crate::image::Image;
use crate::layer::{
    Compression, LayerError, LayerIndex, LayerWriter, compressor, decompressor, write_layer,
};
use crate::media_type;
use crate::open::Store;
use crate::platform::Platform;

/// A layer that an image lists.
#[derive(Clone, Debug)]
struct Wanted {
    descriptor: Descriptor,
    diff_id: DiffId,
    chain_id: ChainId,
}

/// How compressed layers are usually made.
const USUAL: [Compression; 4] = [
    Compression::Gzip { level: 1 },
    Compression::Gzip { level: 6 },
    Compression::Zstd { level: 3 },
    Compression::Gzip { level: 9 },
];

enum Copied {
    All,
    /// What was to be read is damaged.
    Unreadable,
}

/// Tells a damaged source from a disk that takes no more: the error is that of the writer.
fn copy(reader: &mut dyn Read, writer: &mut dyn Write) -> io::Result<Copied> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(Copied::All),
            Ok(read) => writer.write_all(&buffer[..read])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Ok(Copied::Unreadable),
        }
    }
}

impl Store {
    pub(super) fn repair_layers(&self, repairs: &mut Repairs) -> Result<()> {
        let layers = self.listed_layers()?;
        let mut forms: HashMap<DiffId, Vec<Digest>> = HashMap::new();
        for layer in &layers {
            // The plain form, should it be there, is its own diff ID.
            let known = forms.entry(layer.diff_id).or_insert_with(|| vec![layer.diff_id.0]);
            known.push(layer.descriptor.digest);
        }
        for (diff_id, form) in self.recorded_forms()? {
            forms.entry(diff_id).or_default().push(form.digest);
        }
        for layer in &layers {
            if self.has_blob(&layer.descriptor.digest) {
                continue;
            }
            if let Some(from) = self.remake(layer, &forms[&layer.diff_id])? {
                let object = format!("layer {}", layer.descriptor.digest);
                repairs.note(&object, Remedy::Rebuilt { from });
            }
        }
        Ok(())
    }

    /// Says what it was made from.
    fn remake(&self, layer: &Wanted, forms: &[Digest]) -> Result<Option<String>> {
        for form in forms.iter().filter(|form| self.has_blob(form)) {
            let plain = *form == layer.diff_id.0;
            let open = || -> io::Result<Box<dyn Read + Send>> {
                let file = fs::File::open(self.blob_path(form))?;
                Ok(if plain { Box::new(file) } else { decompressor(file)? })
            };
            if self.remake_from(layer, &open)? {
                return Ok(Some(format!("its other form {form}")));
            }
        }
        let Some(plain) = self.plain_from_snapshot(layer)? else { return Ok(None) };
        let open = || -> io::Result<Box<dyn Read + Send>> { Ok(Box::new(fs::File::open(&plain)?)) };
        let made = self.remake_from(layer, &open);
        // Nobody else needs it, and the end of this session removes it if this does not.
        let _ = fs::remove_file(&plain);
        Ok(made?.then(|| "its snapshot".to_owned()))
    }

    /// `open` gives the plain layer, or so it is hoped. That a blob cannot be written is no sign that it cannot be made.
    fn remake_from(
        &self,
        layer: &Wanted,
        open: &dyn Fn() -> io::Result<Box<dyn Read + Send>>,
    ) -> Result<bool> {
        let Descriptor { digest, size, ref media_type, .. } = layer.descriptor;
        let plain = media_type::is_plain_layer(media_type);
        let compressions = if plain { &[Compression::None][..] } else { &USUAL[..] };
        let path = self.blob_path(&digest);
        let failed = |source| io_error("write the layer", &path)(source);
        for compression in compressions {
            let mut encoder = compressor(self.blob_writer()?, *compression).map_err(failed)?;
            let Ok(mut reader) = open() else { return Ok(false) };
            match copy(&mut reader, &mut encoder).map_err(failed)? {
                Copied::Unreadable => return Ok(false),
                Copied::All => {}
            }
            match encoder.finish().map_err(failed)?.finish_as(digest, size) {
                Ok(()) => return Ok(true),
                Err(StoreError::BlobCorrupt { .. } | StoreError::BlobSize { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// The layer as it would be written of its snapshot.
    fn plain_from_snapshot(&self, layer: &Wanted) -> Result<Option<PathBuf>> {
        let Ok(bytes) = fs::read(self.index_path(layer.chain_id)) else { return Ok(None) };
        let Ok(index) = LayerIndex::from_vec(bytes) else { return Ok(None) };
        let Some(snapshot) = self.snapshot_of_chain(layer.chain_id)? else { return Ok(None) };
        let dir = self.snapshotter().dir(&snapshot)?;
        let path = self.temp_path()?;
        let file = fs::File::create_new(&path).map_err(io_error("create", &path))?;
        let mut writer = LayerWriter::new(io::BufWriter::new(file));
        let written = write_layer(&index, &dir, &mut writer).and_then(|()| writer.finish());
        match written {
            Ok((mut file, _)) => file.flush().map_err(io_error("write", &path))?,
            Err(LayerError::Write { source }) => return Err(io_error("write", &path)(source)),
            // It is not what the index says.
            Err(_) => return Ok(None),
        }
        Ok(Some(path))
    }

    fn listed_layers(&self) -> Result<Vec<Wanted>> {
        let mut wanted = Vec::new();
        for entry in &self.read_index()?.manifests {
            for image in self.images_of(entry) {
                wanted.extend(image.layers().into_iter().map(|layer| Wanted {
                    descriptor: layer.descriptor,
                    diff_id: layer.diff_id,
                    chain_id: layer.chain_id,
                }));
            }
        }
        Ok(wanted)
    }

    /// Those whose documents can be read: without them there is nothing to make layers for.
    fn images_of(&self, entry: &Descriptor) -> Vec<Image> {
        let nested = match self.read_json::<crate::manifest::Index>("image index", &entry.digest) {
            Ok(index) if media_type::is_index(&entry.media_type) => index.manifests,
            _ => vec![entry.clone()],
        };
        let load = |entry: &Descriptor| self.load_image(None, entry, &Platform::host()).ok();
        nested.iter().filter_map(load).collect()
    }

    fn recorded_forms(&self) -> Result<Vec<(DiffId, Descriptor)>> {
        let mut forms = Vec::new();
        for name in self.file_names("cache/forms")? {
            let diff_id = name.split('.').next().and_then(|hex| Digest::from_hex(hex).ok());
            let bytes = fs::read(self.sub("cache/forms").join(&name)).unwrap_or_default();
            if let (Some(diff_id), Ok(form)) = (diff_id, serde_json::from_slice(&bytes)) {
                forms.push((DiffId(diff_id), form));
            }
        }
        Ok(forms)
    }
}
