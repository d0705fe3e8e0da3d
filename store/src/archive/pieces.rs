//! What compressed layers are made of, so that a layer that is like an earlier one is not compressed all over again.
//!
//! `cache/pieces/<hex>.<form>` lists the pieces of the blob `<hex>` in their order: digest and length of the plain
//! bytes, digest and length of the compressed ones. The bytes themselves stay where they are, in the blob. A piece is
//! checked when it is taken; a list that is damaged or whose blob is gone counts as absent.
use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::digest::Digest;
use crate::error::{Result, io_error};
use crate::layer::ContentDigest;
use crate::layer::parallel::{KnownPieces, Memory, PieceRecord};
use crate::lease::Held;
use crate::open::Store;
use crate::summed;

pub(crate) const PIECES: &str = "cache/pieces";
const MAGIC: &[u8; 8] = b"rbpiece1";
/// A digest and a length.
const HALF: usize = 32 + 4;
const RECORD: usize = 2 * HALF;
/// So many layers are looked at, those that were made last.
const MOST_LISTS: usize = 64;

impl Store {
    /// The pieces of layers that were compressed in this form.
    pub(super) fn known_pieces(&self, form: &str) -> Result<Memory> {
        let dir = self.directory(PIECES)?;
        let mut lists: Vec<(SystemTime, Digest, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&dir).map_err(io_error("list", &dir))? {
            let entry = entry.map_err(io_error("list", &dir))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some((hex, of)) = name.split_once('.') else { continue };
            if let (true, Ok(digest)) = (of == form, Digest::from_hex(hex)) {
                let made = entry.metadata().and_then(|file| file.modified());
                lists.push((made.unwrap_or(SystemTime::UNIX_EPOCH), digest, entry.path()));
            }
        }
        lists.sort_by_key(|(made, ..)| std::cmp::Reverse(*made));
        let mut known = Known::default();
        for (_, digest, path) in lists.into_iter().take(MOST_LISTS) {
            let Some(records) = fs::read(&path).ok().and_then(|bytes| decode(&bytes)) else {
                continue;
            };
            // Held: it must not go while pieces of it are taken.
            if self.hold(Held::Blob(digest))? {
                known.add(self.blob_path(&digest), &records);
            }
        }
        Ok(Arc::new(known))
    }

    pub(super) fn remember_pieces(
        &self,
        blob: &Digest,
        form: &str,
        pieces: &[PieceRecord],
    ) -> Result<()> {
        if pieces.is_empty() {
            return Ok(());
        }
        let path = self.directory(PIECES)?.join(format!("{}.{form}", blob.hex()));
        self.replace_file(&path, &encode(pieces))
    }
}

#[derive(Debug, Default)]
struct Known {
    pieces: HashMap<ContentDigest, Place>,
    blobs: Vec<Blob>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    blob: usize,
    offset: u64,
    record: PieceRecord,
}

#[derive(Debug)]
struct Blob {
    path: PathBuf,
    file: Mutex<Option<Arc<File>>>,
}

impl Known {
    fn add(&mut self, path: PathBuf, records: &[PieceRecord]) {
        let (blob, mut offset) = (self.blobs.len(), 0);
        self.blobs.push(Blob { path, file: Mutex::default() });
        for record in records {
            self.pieces.entry(record.plain).or_insert(Place { blob, offset, record: *record });
            offset += u64::from(record.packed_length);
        }
    }
}

impl Blob {
    fn open(&self) -> Option<Arc<File>> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.is_none() {
            *file = File::open(&self.path).ok().map(Arc::new);
        }
        file.clone()
    }
}

impl KnownPieces for Known {
    fn take(
        &self,
        plain: &ContentDigest,
        length: usize,
        out: &mut Vec<u8>,
    ) -> Option<(usize, ContentDigest)> {
        let place = self.pieces.get(plain)?;
        let record = &place.record;
        let file = self.blobs[place.blob].open()?;
        let end = record.packed_length as usize;
        out.resize(end.max(out.len()), 0);
        let whole = record.plain_length as usize == length
            && file.read_exact_at(&mut out[..end], place.offset).is_ok()
            && ContentDigest::of(&out[..end]) == record.packed;
        whole.then_some((end, record.packed))
    }
}

fn encode(pieces: &[PieceRecord]) -> Vec<u8> {
    let record = |piece: &PieceRecord| {
        let mut bytes = [0; RECORD];
        let halves = [(&piece.plain, piece.plain_length), (&piece.packed, piece.packed_length)];
        for (half, (digest, length)) in bytes.chunks_exact_mut(HALF).zip(halves) {
            half[..32].copy_from_slice(digest.as_bytes());
            half[32..].copy_from_slice(&length.to_le_bytes());
        }
        bytes
    };
    summed::encode(MAGIC, pieces.iter().map(record))
}

fn decode(bytes: &[u8]) -> Option<Vec<PieceRecord>> {
    let half = |bytes: &[u8]| {
        let (digest, length) = bytes.split_first_chunk::<32>()?;
        let length = u32::from_le_bytes(length.try_into().ok()?);
        Some((ContentDigest::from_bytes(*digest), length))
    };
    let record = |bytes: &[u8; RECORD]| {
        let (plain, plain_length) = half(&bytes[..HALF])?;
        let (packed, packed_length) = half(&bytes[HALF..])?;
        Some(PieceRecord { plain, plain_length, packed, packed_length })
    };
    summed::decode(MAGIC, bytes)?.iter().map(record).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_comes_back() {
        let piece = |number: u8| PieceRecord {
            plain: ContentDigest::of(&[number]),
            plain_length: u32::from(number) << 16,
            packed: ContentDigest::of(&[number, 1]),
            packed_length: 7,
        };
        let pieces = [piece(1), piece(2), piece(3)];
        let bytes = encode(&pieces);
        assert_eq!(decode(&bytes).as_deref(), Some(&pieces[..]));
    }

    #[test]
    fn only_undamaged_pieces_are_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("blob");
        fs::write(&path, "firstsecond").unwrap();
        let record = |plain: &[u8], packed: &[u8]| PieceRecord {
            plain: ContentDigest::of(plain),
            plain_length: plain.len() as u32,
            packed: ContentDigest::of(packed),
            packed_length: packed.len() as u32,
        };
        let mut known = Known::default();
        known.add(path.clone(), &[record(b"1", b"first"), record(b"22", b"second")]);
        let take = |plain: &[u8], length| {
            let mut out = Vec::new();
            let (end, _) = known.take(&ContentDigest::of(plain), length, &mut out)?;
            out.truncate(end);
            Some(out)
        };
        assert_eq!(take(b"22", 2).as_deref(), Some(&b"second"[..]));
        assert_eq!(take(b"22", 3), None);
        assert_eq!(take(b"333", 3), None);
        fs::write(&path, "fIrstsecond").unwrap();
        assert_eq!(take(b"1", 1), None);
        assert_eq!(take(b"22", 2).as_deref(), Some(&b"second"[..]));
    }
}
