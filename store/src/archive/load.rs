//! Loading: which kind of archive it is, and making visible what was found good.
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::rc::Rc;

use super::load_oci::Images;
use super::source::{Check, DirSource, Found, Source, TarSource, blob_name};
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
    /// The manifest, or the index of an image for several platforms, which stays as it came.
    pub(super) target: Descriptor,
    /// The manifest's bytes where the archive has none of its own.
    pub(super) made_manifest: Option<Vec<u8>>,
    /// What the archive has of it: one for each platform.
    pub(super) images: Rc<[FoundImage]>,
    pub(super) names: Vec<Reference>,
    pub(super) label: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct FoundImage {
    pub(crate) id: Digest,
    pub(crate) platform: Platform,
}

impl Candidate {
    /// The ID of the image for this machine, else of the first.
    fn id(&self) -> Digest {
        let host = Platform::host();
        let for_host = self.images.iter().find(|image| image.platform.runs_on(&host));
        for_host.or(self.images.first()).map_or(self.target.digest, |image| image.id)
    }
}

/// Which images of an archive are wanted.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Of images for several platforms, only this one; else all that the archive has.
    pub platform: Option<Platform>,
    /// Only the image of that name, tag or digest.
    pub name: Option<String>,
}

impl Store {
    /// Loads images of an archive: an OCI layout (tar or directory) or a Docker archive, the tar compressed or not.
    /// No image becomes visible before all have been checked.
    pub fn load_path(&self, path: &Path, options: &LoadOptions) -> Result<Vec<LoadedImage>> {
        let loaded = self.fetch_path(path, options)?;
        self.list(&loaded)?;
        Ok(loaded)
    }

    /// As [`Store::load_path`], from a stream.
    pub fn load(
        &self,
        reader: impl Read + Send,
        options: &LoadOptions,
    ) -> Result<Vec<LoadedImage>> {
        let loaded = self.fetch(reader, options)?;
        self.list(&loaded)?;
        Ok(loaded)
    }

    /// As [`Store::load_path`], but the images are not listed: their blobs are held as long as this handle.
    pub fn fetch_path(&self, path: &Path, options: &LoadOptions) -> Result<Vec<LoadedImage>> {
        if path.is_dir() {
            let mut source = DirSource::open(self, path, Check::Content)?;
            let candidates = read_candidates(self, &mut source, options)?;
            return self.accept(&source, candidates);
        }
        let file = File::open(path).map_err(io_error("open the archive", path))?;
        self.fetch(file, options)
    }

    /// As [`Store::fetch_path`], from a stream.
    pub fn fetch(
        &self,
        reader: impl Read + Send,
        options: &LoadOptions,
    ) -> Result<Vec<LoadedImage>> {
        let plain = decompressor(reader).map_err(super::source::read_error)?;
        let mut source = TarSource::read(self, plain)?;
        let candidates = read_candidates(self, &mut source, options)?;
        self.accept(&source, candidates)
    }

    /// One image of an OCI layout (a directory or a tar) without listing it among the store's images: by its
    /// name or tag, by digest, or the only one. Its blobs are held as long as this handle.
    pub fn open_layout(&self, path: &Path, name: Option<&str>) -> Result<Image> {
        let mut source: Box<dyn Source> = if path.is_dir() {
            Box::new(DirSource::open(self, path, Check::Size)?)
        } else {
            let file = File::open(path).map_err(io_error("open the archive", path))?;
            let plain = decompressor(file).map_err(super::source::read_error)?;
            Box::new(TarSource::read(self, plain)?)
        };
        let index = load_oci::read_index(&mut *source)?.ok_or(ArchiveError::NotAnImage)?;
        let shown = format!("`{}`", path.display());
        let mut entries = load_oci::select(&index, name, &shown)?;
        entries.dedup_by_key(|entry| entry.digest);
        let entry = match entries.as_slice() {
            [entry] => *entry,
            [] => return Err(ArchiveError::Empty.into()),
            several => {
                let offered = several.iter().map(|entry| load_oci::label(entry)).collect();
                return Err(ArchiveError::SeveralImages { archive: shown, offered }.into());
            }
        };
        let host = Platform::host();
        let candidate = Images::new(self, &mut *source, Some(host.clone())).candidate(entry)?;
        self.publish_blobs(&*source, std::slice::from_ref(&candidate))?;
        self.load_image(None, &candidate.target, &host)
    }

    fn accept(&self, source: &dyn Source, candidates: Vec<Candidate>) -> Result<Vec<LoadedImage>> {
        if candidates.is_empty() {
            return Err(ArchiveError::Empty.into());
        }
        self.publish_blobs(source, &candidates)?;
        let mut loaded: Vec<LoadedImage> = Vec::new();
        for candidate in candidates {
            let id = candidate.id();
            let Candidate { target, names, label, .. } = candidate;
            // The same image may be listed once for each of its names.
            match loaded.iter_mut().find(|image| image.manifest.digest == target.digest) {
                Some(known) => {
                    known.names.extend(names);
                    known.labels.extend(label);
                }
                None => {
                    let labels = label.into_iter().collect();
                    loaded.push(LoadedImage { id, manifest: target, names, labels });
                }
            }
        }
        Ok(loaded)
    }

    /// After the blobs: everything durable, then all names at once.
    fn list(&self, loaded: &[LoadedImage]) -> Result<()> {
        self.sync()?;
        self.update_index(|index| {
            let given = loaded.iter().map(|image| (&image.manifest, image.names.as_slice()));
            names::assign(index, &given.collect::<Vec<_>>());
            Ok(())
        })?;
        loaded.iter().for_each(|image| self.mark_listed(&image.manifest));
        Ok(())
    }

    fn publish_blobs(&self, source: &dyn Source, candidates: &[Candidate]) -> Result<()> {
        source.publish()?;
        let made = candidates.iter().filter_map(|candidate| candidate.made_manifest.as_ref());
        made.into_iter().try_for_each(|bytes| self.put_repaired(bytes).map(drop))
    }
}

/// `docker save` writes both kinds of documents; the OCI ones keep the manifest.
fn read_candidates(
    store: &Store,
    source: &mut dyn Source,
    options: &LoadOptions,
) -> Result<Vec<Candidate>> {
    let candidates = if let Some(index) = load_oci::read_index(source)? {
        load_oci::candidates(store, source, &index, options)?
    } else if let Some(bytes) = source.document("manifest.json")? {
        load_docker::candidates(store, source, &bytes, options)?
    } else if source.document("repositories")?.is_some() {
        return Err(ArchiveError::Ancient.into());
    } else {
        return Err(ArchiveError::NotAnImage.into());
    };
    check_platforms(&candidates, options.platform.as_ref())?;
    Ok(candidates)
}

pub(super) fn check_platforms(candidates: &[Candidate], wanted: Option<&Platform>) -> Result<()> {
    let Some(wanted) = wanted else { return Ok(()) };
    let is_for = |candidate: &&Candidate| {
        candidate.images.iter().any(|image| image.platform.runs_on(wanted))
    };
    match candidates.iter().find(|candidate| !is_for(candidate)) {
        None => Ok(()),
        Some(other) => Err(StoreError::NoPlatform {
            digest: other.target.digest,
            wanted: Box::new(wanted.clone()),
            offered: other.images.iter().map(|image| image.platform.clone()).collect(),
        }),
    }
}

/// Finds a blob by its descriptor, in the archive or else in the store, and checks size and digest: what has its name
/// in a tar may be a link.
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
    let actual = digest_of(source, &found);
    if actual != blob.digest {
        return Err(ArchiveError::Corrupt { name, actual }.into());
    }
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
    if let Found::Stored { .. } = found {
        return store.read_document(what, &digest);
    }
    let mut bytes = Vec::new();
    let mut file = open(store, source, found)?;
    file.read_to_end(&mut bytes).map_err(super::source::read_error)?;
    Ok(bytes)
}
