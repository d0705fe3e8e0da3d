//! `--compression`, `--compression-level`, `--force-compression`: how the layers of images that go out are written.

use anyhow::{Result, bail};
use builder::request::LayerCompression;
use cli::caches::compression;
use store::archive::{FormOptions, LayerForm};

use crate::args::FormArgs;

impl FormArgs {
    /// Without `--compression`: layers that are plain in the store get gzip, others go as they are.
    pub(crate) fn or_gzip(&self) -> Result<FormOptions> {
        Ok(FormOptions { form: self.or(None, None)?.form(), force: self.force_compression })
    }

    /// Without `--compression` every layer keeps the form it has.
    pub(crate) fn or_as_it_is(&self) -> Result<FormOptions> {
        if self.compression.is_none() {
            if self.compression_level.is_some() {
                bail!("`--compression-level` needs `--compression`");
            }
            if self.force_compression {
                bail!("`--force-compression` needs `--compression`");
            }
            // Plain layers stay plain, and others are not forced.
            return Ok(FormOptions { form: LayerForm::Plain, force: false });
        }
        self.or_gzip()
    }

    /// What an output of its own says counts first. The level belongs to its compression.
    pub(crate) fn or(&self, name: Option<&str>, level: Option<i32>) -> Result<LayerCompression> {
        match (name, level) {
            (None, level) => {
                compression(self.compression.as_deref(), level.or(self.compression_level))
            }
            (name, level) => compression(name, level),
        }
    }

    pub(crate) fn is_given(&self) -> bool {
        let FormArgs { compression, compression_level, force_compression } = self;
        compression.is_some() || compression_level.is_some() || *force_compression
    }
}
