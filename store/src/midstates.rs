//! Where the SHA-256 of a layer stood on the way, so that a layer which begins as an earlier one did is not hashed from
//! its beginning again.
//!
//! Every [`APART`] bytes who writes a layer sets a [`Mark`]: a place, and the BLAKE3 hash of all that stands before it
//! (headers as they are, files by the content digests that are computed anyway). `cache/midstates/<hex>` lists the marks of
//! the blob `<hex>`, with the state of its SHA-256 at each. Whoever writes a similar blob next follows that list: as
//! long as the marks are the same the bytes are, and the state is taken from the list. What came since the last common
//! mark is kept until the next one, and hashed if that differs.
//!
//! What a list says is never about bytes on the disk, but about bytes that were hashed; so a damaged blob does not matter,
//! and a damaged list counts as none.

use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::digest::{Digest, Hasher, MIDSTATE};
use crate::error::Result;
use crate::layer::ContentDigest;
use crate::open::Store;
use crate::summed;

pub(crate) const MIDSTATES: &str = "cache/midstates";
/// Another one whenever marks, or how `sha2` writes a state down, become something else.
const MAGIC: &[u8; 8] = b"rbstate1";
const RECORD: usize = 8 + 32 + MIDSTATE;
/// Bytes from one mark to the next, or a few more.
pub(crate) const APART: u64 = 2 << 20;
/// Below so many marks hashing takes less time than a file.
const WORTHWHILE: usize = 4;

/// A place in a blob, and what stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) at: u64,
    pub(crate) seen: ContentDigest,
}

/// Marks on their way from who writes a layer to who hashes it.
#[derive(Clone, Debug, Default)]
pub struct Marks(Arc<Mutex<VecDeque<Mark>>>);

impl Marks {
    /// To be called when everything before the mark, and nothing behind it, has been written.
    pub(crate) fn set(&self, mark: Mark) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(mark);
    }

    /// Those up to `end`.
    pub(crate) fn take(&self, end: u64) -> Vec<Mark> {
        let mut marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = marks.iter().take_while(|mark| mark.at <= end).count();
        marks.drain(..count).collect()
    }
}

/// Where a hash stood at a mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Midstate {
    mark: Mark,
    state: [u8; MIDSTATE],
}

impl Midstate {
    pub(crate) fn new(mark: Mark, hasher: &Hasher) -> Midstate {
        Midstate { mark, state: hasher.midstate() }
    }

    /// The hasher, if this is the state at `mark`.
    pub(crate) fn at(&self, mark: &Mark) -> Option<Hasher> {
        if self.mark == *mark { Hasher::from_midstate(&self.state) } else { None }
    }
}

impl Store {
    /// Of a blob that was written here; nothing if nothing is known.
    pub(crate) fn midstates(&self, blob: &Digest) -> Vec<Midstate> {
        let read = fs::read(self.sub(MIDSTATES).join(blob.hex()));
        read.ok().and_then(|bytes| decode(&bytes)).unwrap_or_default()
    }

    pub(crate) fn remember_midstates(&self, blob: &Digest, states: &[Midstate]) -> Result<()> {
        if states.len() < WORTHWHILE {
            return Ok(());
        }
        let path: PathBuf = self.directory(MIDSTATES)?.join(blob.hex());
        self.replace_file(&path, &encode(states))
    }
}

fn encode(states: &[Midstate]) -> Vec<u8> {
    let record = |Midstate { mark, state }: &Midstate| {
        let mut bytes = [0; RECORD];
        bytes[..8].copy_from_slice(&mark.at.to_le_bytes());
        bytes[8..40].copy_from_slice(mark.seen.as_bytes());
        bytes[40..].copy_from_slice(state);
        bytes
    };
    summed::encode(MAGIC, states.iter().map(record))
}

fn decode(bytes: &[u8]) -> Option<Vec<Midstate>> {
    let record = |bytes: &[u8; RECORD]| {
        let (at, rest) = bytes.split_first_chunk::<8>()?;
        let (seen, state) = rest.split_first_chunk::<32>()?;
        let mark = Mark { at: u64::from_le_bytes(*at), seen: ContentDigest::from_bytes(*seen) };
        Some(Midstate { mark, state: state.try_into().ok()? })
    };
    summed::decode(MAGIC, bytes)?.iter().map(record).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_comes_back() {
        let mut hasher = Hasher::default();
        let state = |number: u8| {
            hasher.update(&[number; 64]);
            let mark = Mark { at: u64::from(number) << 33, seen: ContentDigest::of(&[number]) };
            Midstate::new(mark, &hasher)
        };
        let states = [1, 2, 3].map(state);
        let bytes = encode(&states);
        assert_eq!(decode(&bytes).as_deref(), Some(&states[..]));
        let resumed = states[2].at(&states[2].mark).unwrap();
        assert_eq!(resumed.finish(), hasher.finish());
        assert!(states[2].at(&states[1].mark).is_none());
    }

    #[test]
    fn marks_are_taken_once_and_in_their_order() {
        let marks = Marks::default();
        let mark = |at| Mark { at, seen: ContentDigest::of(b"") };
        [3, 5, 8].map(mark).into_iter().for_each(|mark| marks.set(mark));
        assert_eq!(marks.take(2), []);
        assert_eq!(marks.take(5), [mark(3), mark(5)]);
        assert_eq!(marks.clone().take(9), [mark(8)]);
        assert_eq!(marks.take(9), []);
    }
}
