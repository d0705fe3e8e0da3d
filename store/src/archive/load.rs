//! Loading: which kind of archive it is, and making visible what was found good.
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::source::{DirSource, Found, Source, TarSource, blob_name};
use super::{ArchiveError, LoadedImage, load_docker, load_oci};
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::{Result, StoreError, io_error};
use crate::image::{Image, names};
use crate::layer::decompressor;
use crate::open::Store;
use crate::platform::Platform;
use crate::reference::Reference;

/// An image found in an archive, with everything it refers to checked.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) manifest: Descriptor,
    /// The manifest's bytes where the archive has none of its own.
    pub(super) made_manifest: Option<Vec<u8>>,
    pub(super) id: Digest,
    pub(super) names: Vec<Reference>,
}

impl Store {
    /// Loads every image of an archive: an OCI layout (tar or directory) or a Docker archive, the tar compressed
    /// or not. No image becomes visible before all have been checked.
    pub fn load_path(&self, path: &Path) -> Result<Vec<LoadedImage>> {
        if path.is_dir() {
            let mut source = DirSource::open(self, path)?;
            let candidates = read_candidates(self, &mut source)?;
            return self.accept(&source, candidates);
        }
        let file = File::open(path).map_err(io_error("open the archive", path))?;
        self.load(file)
    }

    /// As [`Store::load_path`], from a stream.
    pub fn load(&self, reader: impl Read + Send) -> Result<Vec<LoadedImage>> {
        let plain = decompressor(reader).map_err(super::source::read_error)?;
        let mut source = TarSource::read(self, plain)?;
        let candidates = read_candidates(self, &mut source)?;
        self.accept(&source, candidates)
    }

    /// One image of an OCI layout (a directory or a tar) without listing it among the store's images: by its
    /// name or tag, by digest, or the only one. Its blobs are held as long as this handle.
    pub fn open_layout(&self, path: &Path, name: Option<&str>) -> Result<Image> {
        let mut source: Box<dyn Source> = if path.is_dir() {
            Box::new(DirSource::open(self, path)?)
        } else {
            let file = File::open(path).map_err(io_error("open the archive", path))?;
            let plain = decompressor(file).map_err(super::source::read_error)?;
            Box::new(TarSource::read(self, plain)?)
        };
        let selected =
            |entry: &Descriptor| name.is_none_or(|name| load_oci::is_called(entry, name));
        let index = load_oci::read_index(&mut *source)?.ok_or(ArchiveError::NotAnImage)?;
        let offered: Vec<String> = index.manifests.iter().map(load_oci::label).collect();
        let mut entries: Vec<_> = index.manifests.iter().filter(|entry| selected(entry)).collect();
        entries.dedup_by_key(|entry| entry.digest);
        let shown = path.display().to_string();
        let entry = match (entries.as_slice(), name) {
            ([entry], _) => *entry,
            ([], None) => return Err(ArchiveError::Empty.into()),
            ([], Some(name)) => {
                let name = name.to_owned();
                return Err(ArchiveError::NoSuchName { path: shown, name, offered }.into());
            }
            _ => return Err(ArchiveError::SeveralImages { path: shown, offered }.into()),
        };
        let candidate = load_oci::candidate(self, &mut *source, entry)?;
        self.publish_blobs(&*source, std::slice::from_ref(&candidate))?;
        self.load_image(None, &candidate.manifest, &Platform::host())
    }

    /// Blobs first, then everything durable, then all names at once.
    fn accept(&self, source: &dyn Source, candidates: Vec<Candidate>) -> Result<Vec<LoadedImage>> {
        if candidates.is_empty() {
            return Err(ArchiveError::Empty.into());
        }
        self.publish_blobs(source, &candidates)?;
        self.sync()?;
        self.update_index(|index| {
            for candidate in &candidates {
                names::assign(index, &candidate.manifest, &candidate.names);
            }
            Ok(())
        })?;
        let mut loaded: Vec<LoadedImage> = Vec::new();
        for Candidate { manifest, id, names, .. } in candidates {
            // The same image may be listed once for each of its names.
            match loaded.iter_mut().find(|image| image.manifest.digest == manifest.digest) {
                Some(known) => known.names.extend(names),
                None => loaded.push(LoadedImage { id, manifest, names }),
            }
        }
        Ok(loaded)
    }

    fn publish_blobs(&self, source: &dyn Source, candidates: &[Candidate]) -> Result<()> {
        for sealed in source.written() {
            sealed.publish()?;
        }
        for bytes in candidates.iter().filter_map(|candidate| candidate.made_manifest.as_ref()) {
            self.put_bytes(bytes)?;
        }
        Ok(())
    }
}

/// `docker save` writes both kinds of documents; the OCI ones keep the manifest.
fn read_candidates(store: &Store, source: &mut dyn Source) -> Result<Vec<Candidate>> {
    if let Some(index) = load_oci::read_index(source)? {
        return load_oci::candidates(store, source, &index);
    }
    match source.document("manifest.json")? {
        Some(bytes) => load_docker::candidates(store, source, &bytes),
        None => Err(ArchiveError::NotAnImage.into()),
    }
}

/// Finds a blob by its descriptor, in the archive or else in the store, and checks its size.
pub(super) fn find_blob(
    store: &Store,
    source: &mut dyn Source,
    blob: &Descriptor,
) -> Result<Found> {
    let name = blob_name(&blob.digest);
    let found = match source.file(&name)? {
        Some(found) => found,
        None if store.hold(crate::lease::Held::Blob(blob.digest))? => {
            Found::Stored { digest: blob.digest, size: store.blob_size(&blob.digest)? }
        }
        None => return Err(ArchiveError::Missing { name }.into()),
    };
    let actual = size_of(source, &found);
    if actual != blob.size {
        let (digest, expected) = (blob.digest, blob.size);
        return Err(StoreError::BlobSize { digest, expected, actual });
    }
    Ok(found)
}

pub(super) fn size_of(source: &dyn Source, found: &Found) -> u64 {
    match found {
        Found::Stored { size, .. } => *size,
        Found::New(number) => source.written()[*number].info.size,
    }
}

pub(super) fn digest_of(source: &dyn Source, found: &Found) -> Digest {
    match found {
        Found::Stored { digest, .. } => *digest,
        Found::New(number) => source.written()[*number].info.digest,
    }
}

pub(super) fn open(store: &Store, source: &dyn Source, found: &Found) -> Result<File> {
    match found {
        Found::Stored { digest, .. } => store.open_blob(digest),
        Found::New(number) => source.written()[*number].open(),
    }
}

/// The bytes of a document among the blobs.
pub(super) fn read_bytes(
    store: &Store,
    source: &dyn Source,
    found: &Found,
    what: &'static str,
) -> Result<Vec<u8>> {
    let (size, digest) = (size_of(source, found), digest_of(source, found));
    let limit = crate::blob::DOCUMENT_LIMIT;
    if size > limit {
        return Err(StoreError::DocumentTooLarge { what, digest, size, limit });
    }
    let mut bytes = Vec::new();
    let mut file = open(store, source, found)?;
    file.read_to_end(&mut bytes).map_err(super::source::read_error)?;
    Ok(bytes)
}
