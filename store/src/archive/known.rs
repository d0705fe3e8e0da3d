//! Blobs that come although the store has them: whether its own is still sound.
//!
//! What comes is read and hashed anyway; the stored blob is read beside it, which costs no second hash. If they differ,
//! the one whose digest fits is the one that came, and it replaces the other: to load an image again repairs it. Layers
//! that were unpacked from the damaged blob do not exist, because a layer that does not fit its diff ID is not kept.
use std::fs::File;
use std::io::{self, Read, Write};

use super::ArchiveError;
use super::source::read_error;
use crate::blob::{BlobWriter, SealedBlob, copy_into};
use crate::digest::{Digest, Hasher};
use crate::error::{Result, StoreError, io_error};
use crate::open::Store;

/// The stored blob after a look at the one that came.
#[derive(Debug)]
pub(super) enum Known {
    Sound {
        size: u64,
    },
    /// What came is to replace it.
    Damaged(Box<SealedBlob>),
}

/// Compares the stored blob with `content`, whose digest is computed from its bytes: an error if it is not `digest`.
/// `name` is what the archive calls it.
pub(super) fn compare(
    store: &Store,
    digest: Digest,
    name: &str,
    content: &mut dyn Read,
) -> Result<Known> {
    let path = store.blob_path(&digest);
    let mut stored = store.open_blob(&digest)?;
    let (mut came, mut own) = (vec![0; PIECE], vec![0; PIECE]);
    let (mut hasher, mut size) = (Hasher::default(), 0);
    loop {
        let count = fill(content, &mut came).map_err(read_error)?;
        // A blob that cannot be read is as good as one with other bytes; one byte more would be too many.
        let wanted = if count < PIECE { count + 1 } else { count };
        let same = fill(&mut stored, &mut own[..wanted.min(PIECE)])
            .is_ok_and(|read| read == count && own[..read] == came[..count]);
        if !same {
            let mut equal = File::open(&path).map_err(io_error("open the blob", &path))?.take(size);
            let mut writer = store.blob_writer()?;
            copy_into(&mut equal, &mut writer)?;
            return replacement(writer, digest, name, &came[..count], content);
        }
        hasher.update(&came[..count]);
        size += count as u64;
        if count < PIECE {
            break;
        }
    }
    match hasher.finish() {
        actual if actual == digest => Ok(Known::Sound { size }),
        actual => Err(ArchiveError::Corrupt { name: name.to_owned(), actual }.into()),
    }
}

const PIECE: usize = 256 << 10;

fn replacement(
    mut writer: BlobWriter,
    digest: Digest,
    name: &str,
    piece: &[u8],
    rest: &mut dyn Read,
) -> Result<Known> {
    let failed = |source| StoreError::from(ArchiveError::Store { name: name.to_owned(), source });
    writer.write_all(piece).map_err(failed)?;
    match copy_into(rest, &mut writer) {
        Err(StoreError::BlobSource { source }) => return Err(read_error(source)),
        copied => copied?,
    }
    let sealed = writer.seal()?;
    match sealed.info.digest {
        actual if actual == digest => Ok(Known::Damaged(Box::new(sealed.replacing()))),
        actual => Err(ArchiveError::Corrupt { name: name.to_owned(), actual }.into()),
    }
}

/// Reads until the buffer is full or the end.
fn fill(reader: &mut (impl Read + ?Sized), buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
