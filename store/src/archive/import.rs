//! A root file system in a tar becomes an image of one layer.
use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use super::ArchiveError;
use super::source::read_error;
use crate::config::{ContainerConfig, History, ImageConfig};
use crate::descriptor::Descriptor;
use crate::digest::{ChainId, DiffId};
use crate::error::{Result, io_error};
use crate::image::{Image, NewImage};
use crate::layer::{LayerError, decompressor, index_layer};
use crate::media_type;
use crate::open::Store;
use crate::platform::Platform;
use crate::reference::Reference;
use crate::tree::Tree;

/// What an imported image says about itself.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    pub names: Vec<Reference>,
    pub platform: Platform,
    pub config: ContainerConfig,
    /// RFC 3339.
    pub created: String,
    pub message: String,
}

impl Store {
    /// Makes an image of a tar, compressed or not. Its members are kept as they are, byte for byte, once they
    /// have been read through as a layer.
    pub fn import(&self, reader: impl Read + Send, options: &ImportOptions) -> Result<Image> {
        let plain = decompressor(reader).map_err(read_error)?;
        let mut tee = Tee { reader: plain, writer: self.blob_writer()?, write_error: None };
        let index = index_layer(&mut tee, &Tree::default());
        if let Some(source) = tee.write_error.take() {
            let (store, written) = (self.root(), tee.writer.size());
            let error = io_error("write to the store", store)(source);
            return Err(error.for_space_of(|| "the layer".to_owned(), None, written));
        }
        let index = index.map_err(|error| match error {
            LayerError::Read { source } => read_error(source),
            source => ArchiveError::RootFs { source }.into(),
        })?;
        let sealed = tee.writer.seal()?;
        let info = sealed.publish()?;
        let diff_id = DiffId(info.digest);
        self.put_layer_index(ChainId::base(diff_id), index.into())?;

        let mut config = ImageConfig::empty(&options.platform);
        config.config = options.config.clone();
        config.created = Some(options.created.clone());
        config.rootfs.diff_ids.push(diff_id);
        config.history.push(History {
            created: Some(options.created.clone()),
            comment: options.message.clone(),
            ..History::default()
        });
        let layers = [Descriptor::new(media_type::LAYER_TAR, info.digest, info.size)];
        let annotations = &BTreeMap::new();
        self.put_image(&NewImage {
            config: &config,
            layers: &layers,
            annotations,
            names: &options.names,
        })
    }
}

/// Writes down everything that is read through it.
struct Tee<R, W> {
    reader: R,
    writer: W,
    write_error: Option<io::Error>,
}

impl<R: Read, W: Write> Read for Tee<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        if let Err(error) = self.writer.write_all(&buffer[..read]) {
            let shown = io::Error::new(error.kind(), error.to_string());
            self.write_error = Some(error);
            return Err(shown);
        }
        Ok(read)
    }
}
