//! Images as files: OCI layouts and Docker archives, read and written.
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::Result;
use crate::image::Image;
use crate::open::Store;
use crate::reference::Reference;

/// What is wrong with an archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("`{}` has no image in it", path.display())]
    NoImage { path: PathBuf },
}

/// An image that was loaded, with the names it came with.
#[derive(Clone, Debug)]
pub struct LoadedImage {
    pub id: Digest,
    pub manifest: Descriptor,
    pub names: Vec<Reference>,
}

/// How layers are stored in what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerForm {
    Plain,
    Gzip,
    Zstd,
}

#[derive(Clone, Debug)]
pub struct SaveOptions {
    pub form: LayerForm,
    /// Give layers that are compressed already the wanted form too.
    pub force: bool,
}

/// An image to write and the names it gets in the archive.
#[derive(Clone, Debug)]
pub struct ImageToSave {
    pub image: Image,
    pub names: Vec<Reference>,
}

impl Store {
    /// Loads every image of an archive: an OCI layout (tar or directory) or a Docker archive, the tar compressed
    /// or not. Nothing becomes visible before everything has been checked.
    pub fn load_path(&self, path: &Path) -> Result<Vec<LoadedImage>> {
        todo!("{path:?}")
    }

    /// As [`Store::load_path`], from a stream.
    pub fn load(&self, reader: Box<dyn Read + Send>) -> Result<Vec<LoadedImage>> {
        let _ = reader;
        todo!()
    }

    /// Writes an OCI layout as a tar archive. Returns the manifests written, in the order of `images`: they
    /// differ from the store's own where layers were compressed.
    pub fn save_oci(
        &self,
        images: &[ImageToSave],
        options: &SaveOptions,
        writer: &mut dyn Write,
    ) -> Result<Vec<Descriptor>> {
        let _ = (images, options, writer);
        todo!()
    }

    /// Writes an archive for `docker load`.
    pub fn save_docker(
        &self,
        images: &[ImageToSave],
        writer: &mut dyn Write,
    ) -> Result<Vec<Descriptor>> {
        let _ = (images, writer);
        todo!()
    }
}
