//! Where an archive's documents and blobs come from: a tar stream or the directory of an OCI layout.
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sys::RootDir;

use super::ArchiveError;
use super::flat::FlatImage;
use super::known::{Known, compare};
use crate::blob::{DOCUMENT_LIMIT, SealedBlob, copy_into};
use crate::digest::Digest;
use crate::error::{Result, StoreError, sys_error};
use crate::layer::{Entry, EntryKind, LayerError, Member, Whiteouts, read_layer};
use crate::lease::Held;
use crate::open::Store;

const MAX_LINKS: usize = 8;
/// Each takes a file in the store until the archive has been read.
const MAX_FILES: usize = 1 << 16;

/// A blob of an archive, checked and ready to become visible.
#[derive(Clone, Debug)]
pub(super) enum Found {
    /// In the store already, and held.
    Stored { digest: Digest, size: u64 },
    /// The number of a blob written by this load.
    New(usize),
}

/// An archive whose members can be asked for by name or digest.
pub(super) trait Source {
    /// A small file beside the blobs.
    fn document(&mut self, name: &str) -> Result<Option<Vec<u8>>>;
    /// The file of that name, whatever its digest.
    fn file(&mut self, name: &str) -> Result<Option<Found>>;
    /// Blobs written by this load.
    fn written(&self) -> &[SealedBlob];
    /// Makes those of them visible that were asked for.
    fn publish(&self) -> Result<()>;
}

/// `blobs/sha256/<hex>`: where an OCI layout keeps a blob.
pub(super) fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// A tar, read once from beginning to end; every file was stored on the way, invisibly.
#[derive(Debug, Default)]
pub(super) struct TarSource {
    documents: BTreeMap<String, Vec<u8>>,
    files: HashMap<String, Found>,
    /// Links to other members, as `docker save` makes them for layers that images share.
    links: HashMap<String, String>,
    written: Vec<SealedBlob>,
    /// Those of `written` that some image needs.
    asked: BTreeSet<usize>,
}

impl TarSource {
    pub(super) fn read(store: &Store, reader: impl Read) -> Result<TarSource> {
        let mut source = TarSource::default();
        let mut failure = None;
        let read = read_layer(reader, Whiteouts::Literal, &mut |member, content| {
            let Member::Entry(entry) = member else { return Ok(()) };
            source.take(store, &entry, content).map_err(|error| {
                failure = Some(error);
                // Only ends the reading; what is reported is `failure`.
                LayerError::Read { source: io::ErrorKind::Other.into() }
            })
        });
        match (failure, read) {
            (Some(error), _) => Err(error),
            (None, Err(LayerError::Read { source })) => Err(read_error(source)),
            (None, Err(error)) => Err(read_error(io::Error::other(error))),
            (None, Ok(())) => Ok(source),
        }
    }

    fn take(&mut self, store: &Store, entry: &Entry, mut content: &mut dyn Read) -> Result<()> {
        if self.files.len() + self.links.len() >= MAX_FILES {
            return Err(ArchiveError::TooManyFiles { limit: MAX_FILES }.into());
        }
        let name = clean_name(&entry.path);
        if self.has(&name) && !entry.is_dir() {
            return Err(ArchiveError::Duplicate { name }.into());
        }
        match &entry.kind {
            EntryKind::Symlink { target } => {
                let target = join_names(parent(&name), &String::from_utf8_lossy(target));
                self.links.insert(name, target);
            }
            EntryKind::Hardlink { target } => drop(self.links.insert(name, clean_name(target))),
            EntryKind::File { size, .. } => {
                if is_document(&name) {
                    let bytes = read_limited(&name, &mut content)?;
                    self.documents.insert(name, bytes);
                } else {
                    let found = self.store_file(store, &name, content, *size)?;
                    self.files.insert(name, found);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn has(&self, name: &str) -> bool {
        self.documents.contains_key(name)
            || self.files.contains_key(name)
            || self.links.contains_key(name)
    }

    fn store_file(
        &mut self,
        store: &Store,
        name: &str,
        content: &mut dyn Read,
        size: u64,
    ) -> Result<Found> {
        let sealed = match digest_of_name(name) {
            Some(digest) if store.hold(Held::Blob(digest))? => {
                match compare(store, digest, name, content)? {
                    Known::Sound { size } => return Ok(Found::Stored { digest, size }),
                    Known::Damaged(sealed) => *sealed,
                }
            }
            _ => store_new(store, name, content, size)?,
        };
        self.written.push(sealed);
        Ok(Found::New(self.written.len() - 1))
    }

    /// Follows links from member to member.
    fn resolve(&self, name: &str) -> Result<String> {
        let mut current = clean_name(name.as_bytes());
        for _ in 0..MAX_LINKS {
            match self.links.get(&current) {
                Some(target) => current = target.clone(),
                None => return Ok(current),
            }
        }
        Err(ArchiveError::Link { name: name.to_owned() }.into())
    }
}

impl Source for TarSource {
    fn document(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.documents.get(&self.resolve(name)?).cloned())
    }

    fn file(&mut self, name: &str) -> Result<Option<Found>> {
        let found = self.files.get(&self.resolve(name)?).cloned();
        if let Some(Found::New(number)) = found {
            self.asked.insert(number);
        }
        Ok(found)
    }

    fn written(&self) -> &[SealedBlob] {
        &self.written
    }

    fn publish(&self) -> Result<()> {
        self.asked.iter().try_for_each(|number| self.written[*number].publish().map(drop))
    }
}

/// What is looked at of a blob that the store has already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// For a build that names the same layout every time.
    Size,
    Content,
}

/// A directory with an OCI layout, or what can be read as one; blobs are read when asked for.
#[derive(Debug)]
pub(super) struct DirSource {
    store: Store,
    dir: RootDir,
    flat: Option<FlatImage>,
    check: Check,
    files: HashMap<String, Found>,
    written: Vec<SealedBlob>,
}

impl DirSource {
    pub(super) fn open(store: &Store, path: &Path, check: Check) -> Result<DirSource> {
        let dir = RootDir::open(path).map_err(sys_error("open the image layout"))?;
        let (store, files, written) = (store.clone(), HashMap::new(), Vec::new());
        let mut source = DirSource { store, dir, flat: None, check, files, written };
        if source.document("index.json")?.is_none() {
            let manifest = source.document("manifest.json")?;
            source.flat = manifest.and_then(|bytes| FlatImage::recognise(&bytes));
        }
        Ok(source)
    }

    fn open_blob(&self, name: &str) -> Result<Option<File>> {
        let (Some(flat), Some(digest)) = (&self.flat, digest_of_name(name)) else {
            return self.open_file(name);
        };
        for place in flat.places(digest) {
            if let Some(file) = self.open_file(&place)? {
                return Ok(Some(file));
            }
        }
        Ok(None)
    }

    fn known(&self, digest: Digest, name: &str, file: &mut File) -> Result<Known> {
        let size = file.metadata().map_err(read_error)?.len();
        match self.check {
            Check::Size if self.store.blob_size(&digest)? == size => Ok(Known::Sound { size }),
            _ => compare(&self.store, digest, name, file),
        }
    }

    fn open_file(&self, name: &str) -> Result<Option<File>> {
        match self.dir.open_file(name) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(sys_error("read the image layout")(error)),
        }
    }
}

impl Source for DirSource {
    fn document(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        if let Some(flat) = &self.flat {
            return Ok(flat.document(name));
        }
        let Some(mut file) = self.open_file(name)? else { return Ok(None) };
        read_limited(name, &mut file).map(Some)
    }

    fn file(&mut self, name: &str) -> Result<Option<Found>> {
        if let Some(found) = self.files.get(name) {
            return Ok(Some(found.clone()));
        }
        let Some(mut file) = self.open_blob(name)? else { return Ok(None) };
        let found = match digest_of_name(name) {
            Some(digest) if self.store.hold(Held::Blob(digest))? => {
                match self.known(digest, name, &mut file)? {
                    Known::Sound { size } => Found::Stored { digest, size },
                    Known::Damaged(sealed) => self.add(*sealed),
                }
            }
            _ => {
                let size = file.metadata().map_err(read_error)?.len();
                let sealed = store_new(&self.store, name, &mut file, size)?;
                self.add(sealed)
            }
        };
        self.files.insert(name.to_owned(), found.clone());
        Ok(Some(found))
    }

    fn written(&self) -> &[SealedBlob] {
        &self.written
    }

    fn publish(&self) -> Result<()> {
        self.written.iter().try_for_each(|sealed| sealed.publish().map(drop))
    }
}

impl DirSource {
    fn add(&mut self, sealed: SealedBlob) -> Found {
        self.written.push(sealed);
        Found::New(self.written.len() - 1)
    }
}

/// A file that the store does not have; one that is named by a digest must have it.
fn store_new(store: &Store, name: &str, content: &mut dyn Read, size: u64) -> Result<SealedBlob> {
    let mut writer = store.blob_writer()?;
    let copied = copy_into(content, &mut writer);
    let written = writer.size();
    let sealed = copied.and_then(|()| writer.seal()).map_err(|error| match error {
        StoreError::BlobSource { source } => read_error(source),
        error => error.for_space_of(|| format!("`{name}` of the archive"), Some(size), written),
    })?;
    let actual = sealed.info.digest;
    match digest_of_name(name) {
        Some(expected) if expected != actual => {
            Err(ArchiveError::Corrupt { name: name.to_owned(), actual }.into())
        }
        _ => Ok(sealed),
    }
}

/// The files at the top of an archive that describe it.
fn is_document(name: &str) -> bool {
    matches!(name, "index.json" | "oci-layout" | "manifest.json" | "repositories")
}

fn digest_of_name(name: &str) -> Option<Digest> {
    Digest::from_hex(name.strip_prefix("blobs/sha256/")?).ok()
}

fn read_limited(name: &str, reader: &mut dyn Read) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(DOCUMENT_LIMIT + 1).read_to_end(&mut bytes).map_err(read_error)?;
    if bytes.len() as u64 > DOCUMENT_LIMIT {
        let (name, limit) = (name.to_owned(), DOCUMENT_LIMIT);
        return Err(ArchiveError::TooLarge { name, limit }.into());
    }
    Ok(bytes)
}

pub(super) fn read_error(source: io::Error) -> StoreError {
    ArchiveError::Read { source }.into()
}

/// Without `.`, empty components and what `..` takes back. Names are only ever compared, never opened.
fn clean_name(name: &[u8]) -> String {
    join_names("", &String::from_utf8_lossy(name))
}

fn join_names(base: &str, name: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(name.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(parent, _)| parent)
}
