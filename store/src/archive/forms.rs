//! The forms of a layer: plain, gzip, zstd. Made when an archive or a registry asks for one, and remembered
//! in `cache/forms` by diff ID, so that a layer is compressed once.
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

use crate::ahead;
use crate::blob::BlobWriter;
use crate::descriptor::Descriptor;
use crate::digest::DiffId;
use crate::error::{Result, StoreError, io_error};
use crate::image::{Image, ImageLayer};
use crate::layer::compress::Compressor;
use crate::layer::{Compression, compressor_with, gzip};
use crate::lease::Held;
use crate::manifest::Manifest;
use crate::media_type;
use crate::open::Store;

/// Layers that change their form at the same time.
const MOST_LAYERS: usize = 4;

/// How a layer's bytes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerForm {
    Plain,
    Gzip { level: u32 },
    Zstd { level: i32 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormOptions {
    pub form: LayerForm,
    /// Give layers that came compressed the wanted form too.
    pub force: bool,
}

impl LayerForm {
    /// Several times faster than level 6 for a few percent (`docs/decisions/0008-compressing-layers.md`).
    pub const GZIP: LayerForm = LayerForm::Gzip { level: 1 };
    pub const ZSTD: LayerForm = LayerForm::Zstd { level: 3 };

    fn compression(self) -> Compression {
        match self {
            LayerForm::Plain => Compression::None,
            LayerForm::Gzip { level } => Compression::Gzip { level },
            LayerForm::Zstd { level } => Compression::Zstd { level },
        }
    }

    /// In the family (OCI or Docker) of the form it is made from.
    fn media_type(self, from: &str) -> &'static str {
        let docker = from.starts_with("application/vnd.docker.");
        match (self, docker) {
            (LayerForm::Plain, false) => media_type::LAYER_TAR,
            (LayerForm::Plain, true) => media_type::DOCKER_LAYER,
            (LayerForm::Gzip { .. }, false) => media_type::LAYER_TAR_GZIP,
            (LayerForm::Gzip { .. }, true) => media_type::DOCKER_LAYER_GZIP,
            (LayerForm::Zstd { .. }, false) => media_type::LAYER_TAR_ZSTD,
            (LayerForm::Zstd { .. }, true) => media_type::DOCKER_LAYER_ZSTD,
        }
    }

    fn cache_suffix(self) -> String {
        match self {
            LayerForm::Plain => "tar".to_owned(),
            // Their bytes were others when pieces that get no smaller were compressed, too.
            LayerForm::Gzip { level } if gzip::is_quick(level) => format!("gzip-{level}s"),
            LayerForm::Gzip { level } => format!("gzip-{level}"),
            LayerForm::Zstd { level } => format!("zstd-{level}"),
        }
    }

    /// Whether forms are recorded with this suffix. Those of versions before are not all.
    pub(crate) fn is_suffix(suffix: &str) -> bool {
        let form = match suffix.split_once('-') {
            Some(("gzip", level)) => {
                let level = level.strip_suffix('s').unwrap_or(level).parse();
                level.ok().map(|level| LayerForm::Gzip { level })
            }
            Some(("zstd", level)) => level.parse().ok().map(|level| LayerForm::Zstd { level }),
            _ => Some(LayerForm::Plain),
        };
        form.is_some_and(|form| form.cache_suffix() == suffix)
    }
}

impl Store {
    /// The image with its layers in the wanted form: the manifest to export, whose blobs are in the store
    /// and held. Unchanged, with its own bytes, where nothing had to be done.
    pub fn with_layer_form(&self, image: &Image, options: FormOptions) -> Result<Image> {
        let layers = self.convert_layers(&image.layers(), options)?;
        if layers == image.manifest.layers {
            return Ok(image.clone());
        }
        let manifest = Manifest { layers, ..image.manifest.clone() };
        let bytes = manifest.to_bytes();
        self.put_bytes(&bytes)?;
        let mut descriptor = Descriptor::of(image.descriptor.media_type.clone(), &bytes);
        descriptor.platform = Some(image.platform());
        Ok(Image { descriptor, manifest, ..image.clone() })
    }

    /// Several layers at once. gzip is parallel by itself; more than a few layers would only take more memory.
    fn convert_layers(
        &self,
        layers: &[ImageLayer],
        options: FormOptions,
    ) -> Result<Vec<Descriptor>> {
        let results: Mutex<Vec<Option<Result<Descriptor>>>> =
            Mutex::new(layers.iter().map(|_| None).collect());
        let next = Mutex::new(0..layers.len());
        let work = || {
            loop {
                let taken = next.lock().unwrap_or_else(|e| e.into_inner()).next();
                let Some(number) = taken else { break };
                let result = self.convert_layer(&layers[number], options);
                results.lock().unwrap_or_else(|e| e.into_inner())[number] = Some(result);
            }
        };
        let processors = || std::thread::available_parallelism().map_or(1, |n| n.get());
        let threads = self.workers().map_or_else(processors, |n| n.get()).min(MOST_LAYERS);
        std::thread::scope(|scope| {
            for _ in 1..threads.min(layers.len()) {
                scope.spawn(work);
            }
            work();
        });
        let results = results.into_inner().unwrap_or_else(|e| e.into_inner());
        results
            .into_iter()
            .map(|result| result.expect("every layer was taken by a thread"))
            .collect()
    }

    pub(crate) fn convert_layer(
        &self,
        layer: &ImageLayer,
        options: FormOptions,
    ) -> Result<Descriptor> {
        if let Some(known) = self.known_form_of(layer, options)? {
            return Ok(known);
        }
        let mut encoder = self.encoder(options.form)?;
        self.copy_plain(layer, &mut encoder)?;
        self.keep_form(&layer.descriptor, layer.diff_id, options.form, encoder)
    }

    /// The layer as it is or was made, if nothing has to be done for it.
    pub(crate) fn known_form_of(
        &self,
        layer: &ImageLayer,
        options: FormOptions,
    ) -> Result<Option<Descriptor>> {
        let (from, form) = (&layer.descriptor, options.form);
        let wanted = form.media_type(&from.media_type);
        let plain = media_type::is_plain_layer(&from.media_type);
        if from.media_type == wanted || (!plain && !options.force) {
            return Ok(Some(from.clone()));
        }
        self.known_form(layer.diff_id, form, wanted)
    }

    fn known_form(
        &self,
        diff_id: DiffId,
        form: LayerForm,
        media_type: &str,
    ) -> Result<Option<Descriptor>> {
        let path = self.form_path(diff_id, form);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("read", &path)(error)),
        };
        // A record that is not whole is one that was never made.
        let Ok(mut known) = serde_json::from_slice::<Descriptor>(&bytes) else { return Ok(None) };
        known.media_type = media_type.to_owned();
        Ok(self.hold(Held::Blob(known.digest))?.then_some(known))
    }

    pub(super) fn encoder(&self, form: LayerForm) -> Result<Compressor<BlobWriter>> {
        let (suffix, known) = (form.cache_suffix(), form != LayerForm::Plain);
        let memory = known.then(|| self.known_pieces(&suffix)).transpose()?;
        let writer = self.blob_writer()?;
        let encoder = compressor_with(writer, form.compression(), self.workers(), memory);
        encoder.map_err(|source| StoreError::Io {
            act: "compress into",
            path: self.sub("temp"),
            source,
        })
    }

    /// Records what `encoder` has made of the layer.
    pub(super) fn keep_form(
        &self,
        layer: &Descriptor,
        diff_id: DiffId,
        form: LayerForm,
        encoder: Compressor<BlobWriter>,
    ) -> Result<Descriptor> {
        let finished = encoder.finish_with_pieces();
        let (writer, pieces) =
            finished.map_err(|source| StoreError::Compress { diff_id, source })?;
        let info = writer.finish()?;
        self.remember_pieces(&info.digest, &form.cache_suffix(), &pieces)?;
        let made = Descriptor::new(form.media_type(&layer.media_type), info.digest, info.size);
        let made = Descriptor { annotations: layer.annotations.clone(), ..made };
        let record = serde_json::to_vec(&made).expect("a descriptor serialises");
        self.replace_file(&self.form_path(diff_id, form), &record)?;
        Ok(made)
    }

    /// The plain bytes of a layer, checked, unless they are as this process wrote and hashed them itself.
    fn copy_plain(&self, layer: &ImageLayer, to: &mut dyn io::Write) -> Result<()> {
        let (diff_id, digest) = (layer.diff_id, layer.descriptor.digest);
        let failed = |source| StoreError::Compress { diff_id, source };
        let mut file = self.open_blob(&digest)?;
        let actual = if digest == diff_id.0 && self.is_own(&digest, &file) {
            ahead::copied(&mut file, to).map_err(failed)?;
            DiffId(self.own_digest(&digest, &file)?)
        } else {
            let plain = self.open_layer(&layer.descriptor)?;
            let read = ahead::hashed(plain, |plain| plain.copy_to(to));
            DiffId(read.and_then(|read| read).map_err(failed)?.digest)
        };
        match actual == diff_id {
            true => Ok(()),
            false => Err(StoreError::DiffId { digest, expected: diff_id, actual }),
        }
    }

    fn form_path(&self, diff_id: DiffId, form: LayerForm) -> PathBuf {
        self.sub("cache/forms").join(format!("{}.{}", diff_id.0.hex(), form.cache_suffix()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_of_now_are_told_from_others() {
        let gzip = (0..=9).map(|level| LayerForm::Gzip { level });
        let zstd = (-7..=22).map(|level| LayerForm::Zstd { level });
        for form in gzip.chain(zstd).chain([LayerForm::Plain]) {
            assert!(LayerForm::is_suffix(&form.cache_suffix()), "{form:?}");
        }
        for other in ["", "gzip", "gzip-1", "gzip-3", "gzip-6s", "gzip-06", "zstd-", "bzip2-1"] {
            assert!(!LayerForm::is_suffix(other), "{other}");
        }
    }
}
