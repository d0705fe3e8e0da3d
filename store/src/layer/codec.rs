//! The stored form of a [`LayerIndex`]: compact, checked, and what it is in memory too.
//!
//! `MAGIC`, the number of entries, the entries (a path as the number of bytes shared with the one
//! before and the rest; numbers as LEB128), then the BLAKE3 hash of all that. A new format gets a
//! new magic, and an index that cannot be read is made again from its layer.

use std::io::{self, Read, Write};

use super::content::ContentDigest;
use super::entry::{Entry, EntryKind, Xattrs};
use super::{LayerError, LayerIndex};

const MAGIC: &[u8; 8] = b"rbindex1";
const HASH: usize = 32;
/// BLAKE3 is fastest on large pieces.
const PIECE: usize = 64 << 10;

impl LayerIndex {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.encoded().len());
        self.write_to(&mut out).expect("memory takes all bytes");
        out
    }

    /// Writes the stored form.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        let mut head = MAGIC.to_vec();
        put_number(&mut head, self.len() as u64);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&head).update(self.encoded());
        out.write_all(&head)?;
        out.write_all(self.encoded())?;
        out.write_all(hasher.finalize().as_bytes())
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<LayerIndex, LayerError> {
        LayerIndex::from_vec(bytes.to_vec())
    }

    /// Of the stored form, which becomes a part of it.
    pub fn from_vec(mut bytes: Vec<u8>) -> Result<LayerIndex, LayerError> {
        let mut input = Input(checked(&bytes)?);
        let no_sense = || damaged("an entry makes no sense");
        let count = input.number().and_then(|count| usize::try_from(count).ok());
        let count = count.ok_or_else(no_sense)?;
        let (start, length) = (bytes.len() - HASH - input.0.len(), input.0.len());
        bytes.drain(..start);
        bytes.truncate(length);
        LayerIndex::of_encoded(bytes, count).ok_or_else(no_sense)
    }

    /// Whether these `length` bytes are those of an index as they were written.
    pub fn is_whole(mut reader: impl Read, length: u64) -> io::Result<bool> {
        let Some(body) = length.checked_sub(HASH as u64) else { return Ok(false) };
        let (mut hasher, mut hash) = (blake3::Hasher::new(), [0; HASH]);
        let mut magic = [0; MAGIC.len()];
        if body < magic.len() as u64 {
            return Ok(false);
        }
        reader.read_exact(&mut magic)?;
        hasher.update(&magic);
        let mut piece = vec![0; PIECE.min(usize::try_from(body).unwrap_or(PIECE))];
        let mut rest = reader.by_ref().take(body - magic.len() as u64);
        loop {
            let count = rest.read(&mut piece)?;
            if count == 0 {
                break;
            }
            hasher.update(&piece[..count]);
        }
        reader.read_exact(&mut hash)?;
        Ok(magic == *MAGIC && *hasher.finalize().as_bytes() == hash)
    }
}

/// What stands between the magic and the checksum, if both are right.
fn checked(bytes: &[u8]) -> Result<&[u8], LayerError> {
    let split = bytes.len().checked_sub(HASH).ok_or(damaged("it is cut short"))?;
    let (body, hash) = bytes.split_at(split);
    let entries = body.strip_prefix(MAGIC).ok_or(damaged("unknown format"))?;
    match blake3::hash(body).as_bytes() == hash {
        true => Ok(entries),
        false => Err(damaged("its checksum is wrong")),
    }
}

fn damaged(problem: &'static str) -> LayerError {
    LayerError::Index { problem }
}

pub(super) fn put_entry(out: &mut Vec<u8>, last: &[u8], entry: &Entry) {
    let shared = last.iter().zip(&entry.path).take_while(|(a, b)| a == b).count();
    put_number(out, shared as u64);
    put_bytes(out, &entry.path[shared..]);
    put_kind(out, &entry.kind);
    put_number(out, u64::from(entry.mode));
    put_number(out, u64::from(entry.uid));
    put_number(out, u64::from(entry.gid));
    // The sign in the lowest bit, so that negative times stay short too.
    put_number(out, ((entry.mtime << 1) ^ (entry.mtime >> 63)).cast_unsigned());
    put_number(out, entry.xattrs.len() as u64);
    for (name, value) in &entry.xattrs {
        put_bytes(out, name);
        put_bytes(out, value);
    }
}

fn put_kind(out: &mut Vec<u8>, kind: &EntryKind) {
    match kind {
        EntryKind::Dir { opaque: false } => out.push(b'd'),
        EntryKind::Dir { opaque: true } => out.push(b'o'),
        EntryKind::File { size, digest, offset } => {
            out.push(b'f');
            put_number(out, *size);
            // Zero: unknown.
            put_number(out, offset.map_or(0, |offset| offset + 1));
            match digest {
                None => out.push(0),
                Some(digest) => {
                    out.push(1);
                    out.extend_from_slice(digest.as_bytes());
                }
            }
        }
        EntryKind::Symlink { target } => {
            out.push(b'l');
            put_bytes(out, target);
        }
        EntryKind::Hardlink { target } => {
            out.push(b'h');
            put_bytes(out, target);
        }
        EntryKind::CharDevice { major, minor } => {
            out.push(b'c');
            put_number(out, u64::from(*major));
            put_number(out, u64::from(*minor));
        }
        EntryKind::BlockDevice { major, minor } => {
            out.push(b'b');
            put_number(out, u64::from(*major));
            put_number(out, u64::from(*minor));
        }
        EntryKind::Fifo => out.push(b'p'),
        EntryKind::Whiteout => out.push(b'w'),
    }
}

fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// All of an entry but its path.
pub(super) struct Described {
    kind: EntryKind,
    mode: u32,
    uid: u32,
    gid: u32,
    mtime: i64,
    xattrs: Xattrs,
}

impl Described {
    pub(super) fn is_hard_link(&self) -> bool {
        matches!(self.kind, EntryKind::Hardlink { .. })
    }

    pub(super) fn named(self, path: Vec<u8>) -> Entry {
        let Described { kind, mode, uid, gid, mtime, xattrs } = self;
        Entry { path, kind, mode, uid, gid, mtime, xattrs }
    }
}

/// Entries in their stored form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl Input<'_> {
    /// From the path of the entry before to that of the next one, with which it begins.
    pub(super) fn path(&mut self, path: &mut Vec<u8>) -> Option<()> {
        let shared = usize::try_from(self.number()?).ok()?;
        if shared > path.len() {
            return None;
        }
        path.truncate(shared);
        path.extend_from_slice(self.bytes()?);
        Some(())
    }

    pub(super) fn described(&mut self) -> Option<Described> {
        let kind = self.kind()?;
        let mode = self.small()?;
        let uid = self.small()?;
        let gid = self.small()?;
        let mtime = self.number()?;
        let mtime = (mtime >> 1).cast_signed() ^ -(mtime & 1).cast_signed();
        let mut xattrs = Xattrs::new();
        for _ in 0..self.number()? {
            xattrs.insert(self.bytes()?.to_vec(), self.bytes()?.to_vec());
        }
        Some(Described { kind, mode, uid, gid, mtime, xattrs })
    }

    fn kind(&mut self) -> Option<EntryKind> {
        Some(match self.byte()? {
            b'd' => EntryKind::Dir { opaque: false },
            b'o' => EntryKind::Dir { opaque: true },
            b'f' => {
                let size = self.number()?;
                let offset = self.number()?.checked_sub(1);
                let digest = match self.byte()? {
                    0 => None,
                    _ => Some(ContentDigest::from_bytes(self.take(HASH)?.try_into().ok()?)),
                };
                EntryKind::File { size, digest, offset }
            }
            b'l' => EntryKind::Symlink { target: self.bytes()?.to_vec() },
            b'h' => EntryKind::Hardlink { target: self.bytes()?.to_vec() },
            b'c' => EntryKind::CharDevice { major: self.small()?, minor: self.small()? },
            b'b' => EntryKind::BlockDevice { major: self.small()?, minor: self.small()? },
            b'p' => EntryKind::Fifo,
            b'w' => EntryKind::Whiteout,
            _ => return None,
        })
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn small(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn bytes(&mut self) -> Option<&[u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }

    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> LayerIndex {
        let digest = Some(ContentDigest::of(b"x"));
        let file = EntryKind::File { size: u64::MAX, digest, offset: Some(512) };
        let mut first = Entry::new("a/b", file, 0o4755);
        first.mtime = -5;
        first.uid = u32::MAX - 1;
        first.xattrs.insert(b"user.x".to_vec(), vec![0, 255]);
        vec![
            first,
            Entry::new("a", EntryKind::Dir { opaque: true }, 0o1777),
            Entry::new("", EntryKind::Dir { opaque: false }, 0o755),
            Entry::new("a/c", EntryKind::Hardlink { target: b"a/b".to_vec() }, 0),
            Entry::new("a/d", EntryKind::Symlink { target: vec![0xff, b'/'] }, 0o777),
            Entry::new("e", EntryKind::CharDevice { major: 1, minor: 300 }, 0o600),
            Entry::new("f", EntryKind::BlockDevice { major: 8, minor: 0 }, 0o600),
            Entry::new("g", EntryKind::Fifo, 0o600),
            Entry::new("h", EntryKind::File { size: 0, digest: None, offset: None }, 0),
            Entry::whiteout("i"),
        ]
        .into_iter()
        .collect()
    }

    #[test]
    fn comes_back_as_it_was() {
        let index = sample();
        assert!(index.has_hard_links());
        assert_eq!(LayerIndex::from_bytes(&index.to_bytes()).unwrap(), index);
        let empty = LayerIndex::default();
        assert!(!empty.has_hard_links());
        assert_eq!(LayerIndex::from_bytes(&empty.to_bytes()).unwrap(), empty);
    }

    #[test]
    fn every_damaged_byte_is_noticed() {
        let is_whole = |bytes: &[u8]| LayerIndex::is_whole(bytes, bytes.len() as u64).unwrap();
        let bytes = sample().to_bytes();
        assert!(is_whole(&bytes));
        for position in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 1;
            assert!(LayerIndex::from_bytes(&damaged).is_err(), "byte {position}");
            assert!(LayerIndex::from_bytes(&bytes[..position]).is_err(), "cut at {position}");
            assert!(!is_whole(&damaged) && !is_whole(&bytes[..position]), "{position}");
        }
    }
}
