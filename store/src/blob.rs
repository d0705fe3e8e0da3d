//! Blobs: bytes named by their digest, in `images/blobs/sha256`.
//!
//! A blob is written to a file in `temp/` and renamed when its digest is known (or checked), so what has a
//! digest for a name has that digest. A blob that exists already is not written again.
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::error::{Result, StoreError, io_error};
use crate::hashed_file::{Hashed, HashedFile};
use crate::layer::write::Lends;
use crate::lease::Held;
use crate::lock::LockName;
use crate::midstates::{Marks, Midstate};
use crate::open::{Store, remove_any};

/// No document (manifest, index, configuration) may be larger: they are read into memory.
pub const DOCUMENT_LIMIT: u64 = 8 << 20;

/// Digest and size of a stored blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobInfo {
    pub digest: Digest,
    pub size: u64,
}

/// A blob being written. Dropped without [`BlobWriter::finish`], it leaves nothing.
#[derive(Debug)]
pub struct BlobWriter {
    store: Store,
    path: PathBuf,
    file: Option<HashedFile>,
}

impl Store {
    /// Stores what `reader` yields if it is the blob with that digest and size, else nothing.
    /// Reads nothing if the blob is there already.
    pub fn put_verified(&self, digest: Digest, size: u64, reader: &mut dyn Read) -> Result<()> {
        if self.hold(Held::Blob(digest))? {
            return Ok(());
        }
        let mut writer = self.blob_writer()?;
        // One byte more than announced is enough to know that it is wrong.
        let copied = copy_into(&mut reader.take(size.saturating_add(1)), &mut writer);
        let written = writer.size();
        let stored = copied.and_then(|()| writer.finish_as(digest, size));
        stored.map_err(|error| error.for_space_of(|| format!("blob {digest}"), Some(size), written))
    }

    /// Stores `bytes`.
    pub fn put_bytes(&self, bytes: &[u8]) -> Result<BlobInfo> {
        let info = BlobInfo { digest: Digest::of(bytes), size: bytes.len() as u64 };
        self.put_verified(info.digest, info.size, &mut &bytes[..])?;
        Ok(info)
    }

    /// As [`Store::put_bytes`]; a stored document with that digest but other bytes is replaced.
    pub(crate) fn put_repaired(&self, bytes: &[u8]) -> Result<BlobInfo> {
        let digest = Digest::of(bytes);
        if !self.has_blob(&digest) || self.read_document("document", &digest).is_ok() {
            return self.put_bytes(bytes);
        }
        let mut writer = self.blob_writer()?;
        copy_into(&mut &bytes[..], &mut writer)?;
        writer.seal()?.replacing().publish()
    }

    /// A blob to be written piece by piece.
    pub fn blob_writer(&self) -> Result<BlobWriter> {
        let path = self.temp_path()?;
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let file = file.map_err(io_error("create", &path))?;
        Ok(BlobWriter { store: self.clone(), path, file: Some(HashedFile::new(file)) })
    }

    /// Whether the blob is there now. To rely on it, [`Store::hold`] it.
    pub fn has_blob(&self, digest: &Digest) -> bool {
        self.blob_path(digest).exists()
    }

    pub fn open_blob(&self, digest: &Digest) -> Result<File> {
        let path = self.blob_path(digest);
        File::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::BlobMissing { digest: *digest },
            _ => io_error("open the blob", &path)(error),
        })
    }

    pub fn blob_size(&self, digest: &Digest) -> Result<u64> {
        let file = self.open_blob(digest)?;
        let metadata = file.metadata().map_err(io_error("look at", &self.blob_path(digest)))?;
        Ok(metadata.len())
    }

    /// The bytes of a document, checked against its digest.
    pub fn read_document(&self, what: &'static str, digest: &Digest) -> Result<Vec<u8>> {
        let path = self.blob_path(digest);
        let file = self.open_blob(digest)?;
        let size = file.metadata().map_err(io_error("look at", &path))?.len();
        if size > DOCUMENT_LIMIT {
            let (digest, limit) = (*digest, DOCUMENT_LIMIT);
            return Err(StoreError::DocumentTooLarge { what, digest, size, limit });
        }
        let mut bytes = Vec::with_capacity(size as usize);
        let mut file = file.take(DOCUMENT_LIMIT);
        file.read_to_end(&mut bytes).map_err(io_error("read the blob", &path))?;
        let actual = Digest::of(&bytes);
        if actual != *digest {
            return Err(StoreError::BlobCorrupt { expected: *digest, actual });
        }
        Ok(bytes)
    }

    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        let mut path = self.sub("images/blobs/sha256");
        path.push(digest.hex());
        path
    }
}

impl BlobWriter {
    /// Makes the blob visible under whatever digest it has.
    pub fn finish(self) -> Result<BlobInfo> {
        self.seal()?.publish()
    }

    /// Makes the blob visible if it has this digest and size.
    pub fn finish_as(self, digest: Digest, size: u64) -> Result<()> {
        let sealed = self.seal()?;
        sealed.check(digest, size)?;
        sealed.publish().map(drop)
    }

    /// Ends the writing without making the blob visible yet.
    pub(crate) fn seal(mut self) -> Result<SealedBlob> {
        let file = self.file.take().expect("a blob is sealed once");
        let hashed = file.finish().map_err(io_error("write", &self.path))?;
        let Hashed { digest, size, midstates } = hashed;
        let info = BlobInfo { digest, size };
        Ok(SealedBlob { writer: self, info, midstates, replaces: false })
    }

    /// Where who writes a layer sets marks (`LayerWriter::marking`), so that the next one like it is made quicker.
    pub fn marks(&self) -> Option<Marks> {
        self.file.as_ref().map(HashedFile::marks)
    }

    /// What is written may begin as `former` does. To be called before anything is written.
    pub fn follow(&mut self, former: &Digest) {
        let midstates = self.store.midstates(former);
        if let Some(file) = &mut self.file {
            file.follow(midstates);
        }
    }

    /// The file, which grows.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes written so far.
    pub fn size(&self) -> u64 {
        self.file.as_ref().map_or(0, HashedFile::size)
    }
}

/// A complete blob that nobody sees yet. Dropped, it leaves nothing.
#[derive(Debug)]
pub(crate) struct SealedBlob {
    writer: BlobWriter,
    pub(crate) info: BlobInfo,
    midstates: Vec<Midstate>,
    /// The one that is there is known to be damaged.
    replaces: bool,
}

impl SealedBlob {
    pub(crate) fn check(&self, expected: Digest, size: u64) -> Result<()> {
        let BlobInfo { digest, size: actual } = self.info;
        if size != actual {
            return Err(StoreError::BlobSize { digest: expected, expected: size, actual });
        }
        if digest != expected {
            return Err(StoreError::BlobCorrupt { expected, actual: digest });
        }
        Ok(())
    }

    /// For a blob that was found damaged: what has its name must go.
    pub(crate) fn replacing(self) -> SealedBlob {
        SealedBlob { replaces: true, ..self }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.writer.path
    }

    /// Waits until the disk has the bytes, so that who syncs the blob once it has its name waits for next to nothing.
    pub(crate) fn sync(&self) -> Result<()> {
        self.open()?.sync_data().map_err(io_error("sync", self.path()))
    }

    pub(crate) fn publish(&self) -> Result<BlobInfo> {
        let BlobWriter { store, path: temp, .. } = &self.writer;
        let held = Held::Blob(self.info.digest);
        let path = store.blob_path(&self.info.digest);
        let session = store.session()?;
        session.hold(held.clone())?;
        let _sweep = store.lock_shared(LockName::Sweep)?;
        let mut own = false;
        if self.replaces {
            store.mark_unsynced(&held)?;
            fs::rename(temp, &path).map_err(io_error("replace the blob", &path))?;
            own = true;
        } else if !path.exists() {
            store.mark_unsynced(&held)?;
            own = rename_new(temp, &path)?;
        }
        session.confirm(held);
        if own {
            store.note_own(self.info);
            store.remember_midstates(&self.info.digest, &self.midstates)?;
        }
        Ok(self.info)
    }

    /// The bytes, for as long as it is not published.
    pub(crate) fn open(&self) -> Result<File> {
        let path = &self.writer.path;
        File::open(path).map_err(io_error("open the new blob", path))
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.file {
            Some(file) => file.write(bytes),
            None => Err(is_finished()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lends for BlobWriter {
    fn space(&mut self) -> io::Result<&mut [u8]> {
        self.file.as_mut().ok_or_else(is_finished)?.space()
    }

    fn filled(&mut self, count: usize) -> io::Result<&[u8]> {
        Ok(self.file.as_mut().ok_or_else(is_finished)?.filled(count))
    }
}

fn is_finished() -> io::Error {
    io::Error::other("the blob is finished")
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        // After a rename there is nothing left. A failure leaves it to the next to open the store.
        let _ = remove_any(&self.path);
    }
}

/// Renames unless there is a blob of that name already: that one may be synced, ours is not. True if ours has the
/// name now.
fn rename_new(temp: &Path, path: &Path) -> Result<bool> {
    use rustix::fs::{CWD, RenameFlags};
    use rustix::io::Errno;
    match rustix::fs::renameat_with(CWD, temp, CWD, path, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        // File systems that cannot: then the content is the same at least.
        Err(Errno::INVAL | Errno::NOSYS) => {
            fs::rename(temp, path).map_err(io_error("store the blob", path)).map(|()| true)
        }
        Err(errno) => Err(io_error("store the blob", path)(errno.into())),
    }
}

/// Copies in large pieces and tells a failing source from a failing disk.
pub(crate) fn copy_into(reader: &mut dyn Read, writer: &mut BlobWriter) -> Result<()> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => return Err(StoreError::BlobSource { source }),
        };
        writer.write_all(&buffer[..read]).map_err(io_error("write", &writer.path.clone()))?;
    }
}
