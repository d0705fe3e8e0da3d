//! Sparse files: GNU's old header map and the three PAX forms.

use std::io::{self, Read};

use super::header::number;
use super::pax::Records;
use super::{BLOCK, Problem};

/// Where the stored bytes of a sparse file belong; everything else is zeros.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SparseMap {
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) size: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// More pieces than any honest file has.
const MAX_CHUNKS: usize = 1 << 20;

/// How a PAX archive says that a file is sparse.
pub(crate) enum PaxSparse {
    No,
    /// Formats 0.0 and 0.1: the map is in the records.
    Map(SparseMap),
    /// Format 1.0: the map precedes the data.
    InData {
        size: u64,
    },
}

pub(crate) fn from_records(records: &Records) -> Result<PaxSparse, Problem> {
    let integer = |key| records.integer(key).and_then(non_negative);
    if records.get(b"GNU.sparse.major") == Some(b"1") {
        let size = integer("GNU.sparse.realsize")?;
        let size = size.ok_or("is sparse but has no size")?;
        return Ok(PaxSparse::InData { size });
    }
    let Some(size) = integer("GNU.sparse.size")? else { return Ok(PaxSparse::No) };
    let numbers: Vec<u64> = match records.get(b"GNU.sparse.map") {
        Some(map) => map.split(|&byte| byte == b',').map(decimal).collect::<Result<_, _>>()?,
        None => records
            .iter()
            .filter(|(key, _)| {
                *key == b"GNU.sparse.offset".as_slice() || *key == b"GNU.sparse.numbytes".as_slice()
            })
            .map(|(_, value)| decimal(value))
            .collect::<Result<_, _>>()?,
    };
    if !numbers.len().is_multiple_of(2) {
        return Err(damaged());
    }
    Ok(PaxSparse::Map(SparseMap { chunks: pairs(&numbers), size }))
}

/// Reads format 1.0's map from the start of the data. Returns it and how many bytes it took.
pub(crate) fn read_map(mut data: impl Read, size: u64) -> io::Result<(SparseMap, u64)> {
    let mut lines = Lines { data: &mut data, block: [0; BLOCK], next: BLOCK, taken: 0 };
    let count = usize::try_from(lines.number()?).unwrap_or(usize::MAX);
    if count > MAX_CHUNKS {
        return Err(io::Error::other(damaged()));
    }
    let mut numbers = Vec::with_capacity(count.min(4096) * 2);
    for _ in 0..count * 2 {
        numbers.push(lines.number()?);
    }
    let taken = lines.taken;
    Ok((SparseMap { chunks: pairs(&numbers), size }, taken))
}

/// Decimal numbers, each on a line, in whole blocks.
struct Lines<'a, R> {
    data: &'a mut R,
    block: [u8; BLOCK],
    next: usize,
    taken: u64,
}

impl<R: Read> Lines<'_, R> {
    fn number(&mut self) -> io::Result<u64> {
        let mut digits = Vec::new();
        loop {
            if self.next == BLOCK {
                self.data.read_exact(&mut self.block)?;
                self.taken += BLOCK as u64;
                self.next = 0;
            }
            let byte = self.block[self.next];
            self.next += 1;
            if byte == b'\n' {
                return decimal(&digits).map_err(io::Error::other);
            }
            digits.push(byte);
            if digits.len() > 20 {
                return Err(io::Error::other(damaged()));
            }
        }
    }
}

/// Old GNU format: pairs of octal fields, 24 bytes each; an empty one ends the list.
pub(crate) fn push_gnu_chunks(fields: &[u8], chunks: &mut Vec<Chunk>) -> Result<(), Problem> {
    for field in fields.chunks_exact(24) {
        if field[12] == 0 {
            break;
        }
        let part = |bytes| {
            number(bytes).ok().and_then(|value| u64::try_from(value).ok()).ok_or_else(damaged)
        };
        chunks.push(Chunk { offset: part(&field[..12])?, length: part(&field[12..24])? });
    }
    if chunks.len() > MAX_CHUNKS { Err(damaged()) } else { Ok(()) }
}

impl SparseMap {
    /// Checks the map against the `stored` bytes that follow in the archive. Returns how many bytes are in none.
    pub(crate) fn check(&self, stored: u64) -> Result<u64, Problem> {
        let mut end = 0;
        let mut total = 0_u64;
        for chunk in &self.chunks {
            let chunk_end = chunk.offset.checked_add(chunk.length).ok_or_else(damaged)?;
            if chunk.offset < end || chunk_end > self.size {
                return Err(damaged());
            }
            end = chunk_end;
            total += chunk.length;
        }
        if total == stored { Ok(self.size.saturating_sub(total)) } else { Err(damaged()) }
    }
}

/// The file as its readers see it: stored bytes and zeros.
pub(crate) struct SparseReader<R> {
    data: R,
    map: SparseMap,
    chunk: usize,
    position: u64,
}

impl<R> SparseReader<R> {
    pub(crate) fn new(data: R, map: SparseMap) -> SparseReader<R> {
        SparseReader { data, map, chunk: 0, position: 0 }
    }
}

impl<R: Read> Read for SparseReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.map.chunks.get(self.chunk).is_some_and(|c| c.offset + c.length <= self.position)
        {
            self.chunk += 1;
        }
        let chunk = self.map.chunks.get(self.chunk).copied();
        let chunk = chunk.unwrap_or(Chunk { offset: self.map.size, length: 0 });
        let hole = self.position < chunk.offset;
        let end = if hole { chunk.offset } else { chunk.offset + chunk.length };
        let left = usize::try_from(end - self.position).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let count = if hole {
            buffer[..wanted].fill(0);
            wanted
        } else {
            match self.data.read(&mut buffer[..wanted])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => count,
            }
        };
        self.position += count as u64;
        Ok(count)
    }
}

fn pairs(numbers: &[u64]) -> Vec<Chunk> {
    numbers.chunks_exact(2).map(|pair| Chunk { offset: pair[0], length: pair[1] }).collect()
}

fn decimal(bytes: &[u8]) -> Result<u64, Problem> {
    std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()).ok_or_else(damaged)
}

fn non_negative(value: Option<i64>) -> Result<Option<u64>, Problem> {
    value.map(|value| u64::try_from(value).map_err(|_| damaged())).transpose()
}

fn damaged() -> Problem {
    "has a damaged sparse map".to_owned()
}
