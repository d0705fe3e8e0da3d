//! Layers that are missing or were damaged are made again from what else there is of them: another form, or the
//! snapshot they were unpacked to. What has the right digest then is the layer; nothing else is.
use std::collections::HashMap;
use std::fs;
use std::io::{self, Read, Write};

use super::{Remedy, Repairs};
use crate::descriptor::Descriptor;
use crate::digest::{ChainId, DiffId, Digest};
use crate::error::{Result, io_error};
use crate::image::Image;
use crate::layer::{Compression, LayerIndex, LayerWriter, compressor, decompressor, write_layer};
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
        let plain = self.plain_from_snapshot(layer)?;
        let Some(plain) = plain else { return Ok(None) };
        let open = || -> io::Result<Box<dyn Read + Send>> { Ok(Box::new(fs::File::open(&plain)?)) };
        let made = self.remake_from(layer, &open);
        // Nobody else needs it, and the end of this session removes it if this does not.
        let _ = fs::remove_file(&plain);
        Ok(made?.then(|| "its snapshot".to_owned()))
    }

    /// `open` gives the plain layer, or so it is hoped.
    fn remake_from(
        &self,
        layer: &Wanted,
        open: &dyn Fn() -> io::Result<Box<dyn Read + Send>>,
    ) -> Result<bool> {
        let plain = media_type::is_plain_layer(&layer.descriptor.media_type);
        let compressions = if plain { &[Compression::None][..] } else { &USUAL[..] };
        for compression in compressions {
            let writer = self.blob_writer()?;
            let Ok(mut encoder) = compressor(writer, *compression) else { continue };
            let copied = open().and_then(|mut reader| io::copy(&mut reader, &mut encoder));
            let Ok(writer) = copied.and_then(|_| encoder.finish()) else { continue };
            if writer.finish_as(layer.descriptor.digest, layer.descriptor.size).is_ok() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The layer as it would be written of its snapshot.
    fn plain_from_snapshot(&self, layer: &Wanted) -> Result<Option<std::path::PathBuf>> {
        let Ok(bytes) = fs::read(self.index_path(layer.chain_id)) else { return Ok(None) };
        let Ok(index) = LayerIndex::from_bytes(&bytes) else { return Ok(None) };
        let Some(snapshot) = self.snapshot_of_chain(layer.chain_id)? else { return Ok(None) };
        let dir = self.snapshotter().dir(&snapshot)?;
        let path = self.temp_path()?;
        let file = fs::File::create_new(&path).map_err(io_error("create", &path))?;
        let mut writer = LayerWriter::new(io::BufWriter::new(file));
        let written = write_layer(&index, &dir, &mut writer).and_then(|()| writer.finish());
        let flushed = written.is_ok_and(|(mut file, _)| file.flush().is_ok());
        Ok(flushed.then_some(path))
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
