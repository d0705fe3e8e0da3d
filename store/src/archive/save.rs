//! Writing images as an archive or as the directory of an OCI layout.
//!
//! Both kinds of archive are an OCI layout in a tar; a Docker archive has `manifest.json` besides, for readers that
//! know only that. Blobs that images share are written once. Equal images make equal bytes. Every blob is hashed on
//! its way, unless this process has hashed it already, when it wrote it: what is damaged in the store does not leave it as
//! if it were sound.
use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::path::Path;

use serde::Serialize;

use super::new_directory::NewDirectory;
use super::outgoing::Outgoing;
use super::sink::{DirSink, Sink, TarSink};
use super::source::blob_name;
use super::{ArchiveError, FormOptions, ImageToSave};
use crate::ahead;
use crate::descriptor::Descriptor;
use crate::error::{Result, StoreError};
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

    /// As [`Store::save`], as the directory of an OCI layout: `path` must be empty or not exist, and is an image layout
    /// once all of it is there.
    pub fn save_directory(
        &self,
        images: &[ImageToSave],
        options: FormOptions,
        path: &Path,
    ) -> Result<Vec<Descriptor>> {
        let directory = NewDirectory::create(path)?;
        let outgoing = self.all_outgoing(images, options)?;
        let mut sink = DirSink(directory.unfinished().to_owned());
        self.write_layout(images, &outgoing, ArchiveKind::Oci, &mut sink)?;
        directory.finish()?;
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
        let (actual, size) = if self.is_own(&blob.digest, file.get_ref()) {
            let size = sink.file(&name, &mut file, blob.size)?;
            (self.own_digest(&blob.digest, file.get_ref())?, size)
        } else {
            let read = ahead::hashed(&mut file, |content| sink.file(&name, content, blob.size));
            let ahead::Hashed { digest, size, .. } = read.map_err(unreadable)??;
            (digest, size)
        };
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
    let names = tags(image);
    if names.is_empty() && image.labels.is_empty() {
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
    names.iter().map(named).chain(image.labels.iter().map(labelled)).collect()
}

/// The names that readers can give: each once, and without the digest that an image was asked for by.
fn tags(image: &ImageToSave) -> Vec<Reference> {
    let mut tags: Vec<Reference> = Vec::new();
    for name in image.names.iter().filter(|name| name.tag().is_some()) {
        let name = name.without_digest();
        if !tags.contains(&name) {
            tags.push(name);
        }
    }
    tags
}

fn archived((image, outgoing): (&ImageToSave, &Outgoing)) -> Option<ArchivedImage> {
    let manifest = &outgoing.preferred()?.manifest;
    Some(ArchivedImage {
        config: blob_name(&manifest.config.digest),
        repo_tags: tags(image).iter().map(Reference::familiar).collect(),
        layers: manifest.layers.iter().map(|layer| blob_name(&layer.digest)).collect(),
    })
}

fn document(sink: &mut dyn Sink, name: &str, mut bytes: &[u8]) -> Result<()> {
    let size = bytes.len() as u64;
    sink.file(name, &mut bytes, size).map(drop)
}

fn about(image: &ImageToSave, error: StoreError) -> StoreError {
    let name = image.names.first().map(Reference::familiar).or(image.labels.first().cloned());
    let image = name.unwrap_or_else(|| image.target.digest.to_string());
    ArchiveError::Save { image, source: Box::new(error) }.into()
}
