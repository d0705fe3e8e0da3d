//! Writing images as an archive.
//!
//! Both kinds are an OCI layout in a tar; a Docker archive has `manifest.json` besides, for readers that know
//! only that. Blobs that images share are written once. Equal images make equal bytes.
use std::collections::BTreeSet;
use std::io::{self, Read, Write};

use serde::Serialize;

use super::source::blob_name;
use super::{ArchiveError, FormOptions, ImageToSave};
use crate::descriptor::Descriptor;
use crate::error::{Result, StoreError};
use crate::image::Image;
use crate::image::names::{IMAGE_NAME, REF_NAME};
use crate::manifest::Index;
use crate::open::Store;
use crate::reference::Reference;

/// What reads the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveKind {
    Oci,
    /// `docker load` of any version.
    Docker,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ArchivedImage {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

impl Store {
    /// Writes images as a tar. Returns the manifests written, in the order of `images`; they differ from the
    /// store's where layers change their form.
    pub fn save(
        &self,
        images: &[ImageToSave],
        kind: ArchiveKind,
        options: FormOptions,
        writer: &mut dyn Write,
    ) -> Result<Vec<Descriptor>> {
        let mut converted = Vec::new();
        for image in images {
            let exported = self.exported(&image.image, options)?;
            converted.push(ImageToSave { image: exported, names: image.names.clone() });
        }
        let mut archive = tar::Builder::new(writer);
        self.write_blobs(&mut archive, converted.iter().flat_map(|image| image.image.blobs()))?;
        let entries =
            converted.iter().flat_map(|saved| entries(&saved.image.descriptor, &saved.names));
        let index = Index::new(entries.collect());
        append(&mut archive, "index.json", &mut index.to_bytes().as_slice(), None)?;
        if kind == ArchiveKind::Docker {
            let list: Vec<_> = converted.iter().map(archived).collect();
            let json = serde_json::to_vec(&list).expect("strings serialise");
            append(&mut archive, "manifest.json", &mut json.as_slice(), None)?;
        }
        append(&mut archive, "oci-layout", &mut crate::open::OCI_LAYOUT.as_bytes(), None)?;
        archive.into_inner().and_then(Write::flush).map_err(write_error)?;
        Ok(converted.into_iter().map(|image| image.image.descriptor).collect())
    }

    /// Writes the images of several platforms as one: an OCI layout whose names lead to an index. Returns
    /// the index written.
    pub fn save_platforms(
        &self,
        images: &[Image],
        names: &[Reference],
        options: FormOptions,
        writer: &mut dyn Write,
    ) -> Result<Descriptor> {
        let converted: Vec<Image> =
            images.iter().map(|image| self.exported(image, options)).collect::<Result<_>>()?;
        let descriptor = self.put_index(&converted)?;
        let mut archive = tar::Builder::new(writer);
        let blobs = converted.iter().flat_map(Image::blobs).chain([&descriptor]);
        self.write_blobs(&mut archive, blobs)?;
        let index = Index::new(entries(&descriptor, names));
        append(&mut archive, "index.json", &mut index.to_bytes().as_slice(), None)?;
        append(&mut archive, "oci-layout", &mut crate::open::OCI_LAYOUT.as_bytes(), None)?;
        archive.into_inner().and_then(Write::flush).map_err(write_error)?;
        Ok(descriptor)
    }

    /// The image as it is to be written, all its blobs held.
    fn exported(&self, image: &Image, options: FormOptions) -> Result<Image> {
        if !self.hold_image(image)? {
            return Err(self.first_missing(image));
        }
        self.with_layer_form(image, options)
    }

    fn write_blobs<'a, W: Write>(
        &self,
        archive: &mut tar::Builder<W>,
        blobs: impl Iterator<Item = &'a Descriptor>,
    ) -> Result<()> {
        append_directory(archive, "blobs/")?;
        append_directory(archive, "blobs/sha256/")?;
        let mut written = BTreeSet::new();
        for blob in blobs {
            if !written.insert(blob.digest) {
                continue;
            }
            let mut file = self.open_blob(&blob.digest)?;
            append(archive, &blob_name(&blob.digest), &mut file, Some(blob.size))?;
        }
        Ok(())
    }
}

/// One entry of `index.json` for each name.
fn entries(saved: &Descriptor, names: &[Reference]) -> Vec<Descriptor> {
    let mut descriptor = saved.clone();
    descriptor.annotations.clear();
    if names.is_empty() {
        return vec![descriptor];
    }
    let named = |name: &Reference| {
        let mut entry = descriptor.clone();
        entry.annotations.insert(IMAGE_NAME.to_owned(), name.to_string());
        let tag = name.tag().unwrap_or("latest");
        entry.annotations.insert(REF_NAME.to_owned(), tag.to_owned());
        entry
    };
    names.iter().map(named).collect()
}

fn archived(saved: &ImageToSave) -> ArchivedImage {
    let manifest = &saved.image.manifest;
    ArchivedImage {
        config: blob_name(&manifest.config.digest),
        repo_tags: saved.names.iter().map(Reference::familiar).collect(),
        layers: manifest.layers.iter().map(|layer| blob_name(&layer.digest)).collect(),
    }
}

fn append<W: Write, R: Read>(
    archive: &mut tar::Builder<W>,
    name: &str,
    content: &mut R,
    size: Option<u64>,
) -> Result<()> {
    let mut bytes = Vec::new();
    let (content, size): (&mut dyn Read, u64) = match size {
        Some(size) => (content, size),
        None => {
            content.read_to_end(&mut bytes).map_err(write_error)?;
            (&mut bytes.as_slice(), bytes.len() as u64)
        }
    };
    let mut header = header(tar::EntryType::Regular, 0o644);
    header.set_size(size);
    let mut content = content.take(size);
    archive.append_data(&mut header, name, &mut content).map_err(write_error)?;
    match content.limit() {
        0 => Ok(()),
        _ => Err(write_error(io::Error::other(format!("`{name}` is shorter than it should be")))),
    }
}

fn append_directory<W: Write>(archive: &mut tar::Builder<W>, name: &str) -> Result<()> {
    let mut header = header(tar::EntryType::Directory, 0o755);
    header.set_size(0);
    archive.append_data(&mut header, name, io::empty()).map_err(write_error)
}

fn header(kind: tar::EntryType, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn write_error(source: io::Error) -> StoreError {
    ArchiveError::Write { source }.into()
}
