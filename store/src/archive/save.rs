//! Writing images as an archive or as the directory of an OCI layout.
//!
//! Both kinds of archive are an OCI layout in a tar; a Docker archive has `manifest.json` besides, for readers that
//! know only that. Blobs that images share are written once. Equal images make equal bytes. Every blob is hashed on
//! its way: what is damaged in the store does not leave it as if it were sound.
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use serde::Serialize;

use super::new_file::name_beside;
use super::outgoing::Outgoing;
use super::sink::{DirSink, Sink, TarSink};
use super::source::blob_name;
use super::{ArchiveError, FormOptions, ImageToSave};
use crate::ahead;
use crate::descriptor::Descriptor;
use crate::error::{Result, StoreError, io_error};
use crate::image::names::{IMAGE_NAME, REF_NAME};
use crate::manifest::Index;
use crate::open::{Store, remove_any};
use crate::reference::Reference;

/// What reads the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveKind {
    Oci,
    /// `docker load` of any version.
    Docker,
}

/// A line of `manifest.json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ArchivedImage {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

impl Store {
    /// Writes images as a tar. Returns the manifests (or indexes) written, in the order of `images`; they differ from
    /// the store's where layers change their form.
    pub fn save(
        &self,
        images: &[ImageToSave],
        kind: ArchiveKind,
        options: FormOptions,
        writer: &mut dyn Write,
    ) -> Result<Vec<Descriptor>> {
        let outgoing = self.all_outgoing(images, options)?;
        self.write_layout(images, &outgoing, kind, &mut TarSink(writer))?;
        Ok(outgoing.into_iter().map(|outgoing| outgoing.descriptor).collect())
    }

    /// As [`Store::save`], as the directory of an OCI layout: `path` must be empty or not exist, and is there as a
    /// whole or not at all.
    pub fn save_directory(
        &self,
        images: &[ImageToSave],
        options: FormOptions,
        path: &Path,
    ) -> Result<Vec<Descriptor>> {
        check_empty(path)?;
        // Not a link to it, and with a name beside which another can be.
        let found = fs::canonicalize(path).ok();
        let path = found.as_deref().unwrap_or(path);
        let outgoing = self.all_outgoing(images, options)?;
        let unfinished = name_beside(path);
        fs::create_dir_all(&unfinished).map_err(io_error("create the directory", &unfinished))?;
        let written = self
            .write_layout(images, &outgoing, ArchiveKind::Oci, &mut DirSink(unfinished.clone()))
            .and_then(|()| fs::rename(&unfinished, path).map_err(io_error("write", path)));
        if let Err(error) = written {
            // The first error is the one to tell.
            let _ = remove_any(&unfinished);
            return Err(error);
        }
        Ok(outgoing.into_iter().map(|outgoing| outgoing.descriptor).collect())
    }

    fn all_outgoing(&self, images: &[ImageToSave], options: FormOptions) -> Result<Vec<Outgoing>> {
        let outgoing = |image: &ImageToSave| {
            self.outgoing(&image.target, options).map_err(|error| about(image, error))
        };
        images.iter().map(outgoing).collect()
    }

    fn write_layout(
        &self,
        images: &[ImageToSave],
        outgoing: &[Outgoing],
        kind: ArchiveKind,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        sink.directory("blobs")?;
        sink.directory("blobs/sha256")?;
        let mut written = BTreeSet::new();
        for (image, outgoing) in images.iter().zip(outgoing) {
            for blob in outgoing.blobs.iter().filter(|blob| written.insert(blob.digest)) {
                self.write_blob(blob, sink).map_err(|error| about(image, error))?;
            }
        }
        let pairs = images.iter().zip(outgoing);
        let index = Index::new(pairs.clone().flat_map(entries).collect());
        document(sink, "index.json", &index.to_bytes())?;
        if kind == ArchiveKind::Docker {
            let list: Vec<_> = pairs.filter_map(archived).collect();
            document(
                sink,
                "manifest.json",
                &serde_json::to_vec(&list).expect("strings serialise"),
            )?;
        }
        document(sink, "oci-layout", crate::open::OCI_LAYOUT.as_bytes())?;
        sink.finish()
    }

    fn write_blob(&self, blob: &Descriptor, sink: &mut dyn Sink) -> Result<()> {
        let file = self.open_blob(&blob.digest)?;
        // Never more than was announced, and one byte more is enough to know that there is more.
        let mut file = file.take(blob.size);
        let unreadable = |source| StoreError::BlobSource { source };
        let name = blob_name(&blob.digest);
        let read = ahead::hashed(&mut file, |content| sink.file(&name, content, blob.size));
        let ahead::Hashed { digest: actual, size, .. } = read.map_err(unreadable)??;
        file.set_limit(1);
        let more = io::copy(&mut file, &mut io::sink()).map_err(unreadable)?;
        let digest = blob.digest;
        if size + more != blob.size {
            let (expected, actual) = (blob.size, size + more);
            return Err(StoreError::BlobSize { digest, expected, actual });
        }
        match actual == digest {
            true => Ok(()),
            false => Err(StoreError::BlobCorrupt { expected: digest, actual }),
        }
    }
}

/// One entry of `index.json` for each name.
fn entries((image, outgoing): (&ImageToSave, &Outgoing)) -> Vec<Descriptor> {
    let mut descriptor = outgoing.descriptor.clone();
    descriptor.annotations.clear();
    if image.names.is_empty() && image.labels.is_empty() {
        return vec![descriptor];
    }
    let labelled = |label: &String| {
        let mut entry = descriptor.clone();
        entry.annotations.insert(REF_NAME.to_owned(), label.clone());
        entry
    };
    let named = |name: &Reference| {
        let mut entry = descriptor.clone();
        entry.annotations.insert(IMAGE_NAME.to_owned(), name.to_string());
        let tag = name.tag().unwrap_or("latest");
        entry.annotations.insert(REF_NAME.to_owned(), tag.to_owned());
        entry
    };
    image.names.iter().map(named).chain(image.labels.iter().map(labelled)).collect()
}

fn archived((image, outgoing): (&ImageToSave, &Outgoing)) -> Option<ArchivedImage> {
    let manifest = &outgoing.preferred()?.manifest;
    Some(ArchivedImage {
        config: blob_name(&manifest.config.digest),
        repo_tags: image.names.iter().map(Reference::familiar).collect(),
        layers: manifest.layers.iter().map(|layer| blob_name(&layer.digest)).collect(),
    })
}

fn document(sink: &mut dyn Sink, name: &str, mut bytes: &[u8]) -> Result<()> {
    let size = bytes.len() as u64;
    sink.file(name, &mut bytes, size)
}

fn about(image: &ImageToSave, error: StoreError) -> StoreError {
    let name = image.names.first().map(Reference::familiar).or(image.labels.first().cloned());
    let image = name.unwrap_or_else(|| image.target.digest.to_string());
    ArchiveError::Save { image, source: Box::new(error) }.into()
}

fn check_empty(path: &Path) -> Result<()> {
    let mut entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(io_error("list", path))?,
    };
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(ArchiveError::NotEmpty { path: path.to_owned() }.into()),
    }
}
