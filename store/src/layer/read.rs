//! Reading a layer archive: one member after the other, every field checked.
//!
//! The archive is not trusted. Paths come out clean and below the root: leading slashes and `.`
//! are dropped, `..` is refused. Whether a parent is a symbolic link is not known here; that is
//! for whoever has the tree (`collect.rs`).

use std::io::{self, Read};

use super::LayerError;
use super::entry::Entry;
use super::error::show;
use super::member::{Extended, Layout, Special, clean, special};
use super::tar_format::header::{RawHeader, flag, number};
use super::tar_format::pax::Records;
use super::tar_format::sparse::{self, SparseMap, SparseReader};
use super::tar_format::{BLOCK, padding};

/// Whether `.wh.` names delete (layers) or are names like others (archives given to ADD).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whiteouts {
    Interpret,
    Literal,
}

/// What one member of the archive says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Member {
    Entry(Entry),
    /// `.wh.NAME`: the path is deleted from the layers below.
    Whiteout {
        path: Vec<u8>,
    },
    /// `.wh..wh..opq`: everything in this directory is deleted from the layers below.
    Opaque {
        path: Vec<u8>,
    },
}

/// Called for each member with the bytes of its file (empty for the rest).
pub type Visit<'a> = dyn FnMut(Member, &mut dyn Read) -> Result<(), LayerError> + 'a;

/// Longest name or PAX header accepted: what other readers accept too.
const MAX_EXTENSION: i64 = 1 << 20;

/// Reads an uncompressed tar to its last byte, so that a hashing reader below sees all of it.
pub fn read_layer(
    reader: impl Read,
    whiteouts: Whiteouts,
    visit: &mut Visit<'_>,
) -> Result<(), LayerError> {
    let mut archive = Archive { reader, position: 0, global: Records::default() };
    while let Some(header) = archive.next_header()? {
        archive.member(header, whiteouts, visit)?;
    }
    archive.drain()
}

/// Whether a file is an archive that ADD unpacks: its first header, after decompression, is one of
/// tar. An error of the reader is an answer too: no.
pub fn is_archive(reader: impl Read + Send) -> bool {
    let Ok(reader) = super::decompressor(reader) else { return false };
    let mut archive = Archive { reader, position: 0, global: Records::default() };
    matches!(archive.next_header(), Ok(Some(_)))
}

struct Archive<R> {
    reader: R,
    position: u64,
    global: Records,
}

impl<R: Read> Archive<R> {
    /// The next member's header; `None` at the end of the archive.
    fn next_header(&mut self) -> Result<Option<Extended>, LayerError> {
        let mut records = self.global.clone();
        let (mut long_path, mut long_link, mut extended) = (None, None, false);
        loop {
            let Some(block) = self.header_block()? else {
                if extended {
                    return Err(damaged("the archive", "ends after an extension header"));
                }
                return Ok(None);
            };
            let type_flag = RawHeader(&block).type_flag();
            extended |= type_flag != flag::PAX_GLOBAL;
            match type_flag {
                flag::PAX => records.extend(self.records(&block)?),
                flag::PAX_GLOBAL => {
                    let global = self.records(&block)?;
                    self.global.extend(global.clone());
                    records = [global, records].into_iter().fold(Records::default(), append);
                }
                flag::GNU_LONG_NAME => long_path = Some(self.long_text(&block)?),
                flag::GNU_LONG_LINK => long_link = Some(self.long_text(&block)?),
                _ => return Ok(Some(Extended { block, records, long_path, long_link })),
            }
        }
    }

    fn header_block(&mut self) -> Result<Option<[u8; BLOCK]>, LayerError> {
        let Some(block) = self.block_or_end()? else { return Ok(None) };
        let header = RawHeader(&block);
        if header.is_zero() {
            return match self.block_or_end()? {
                Some(next) if !RawHeader(&next).is_zero() => {
                    Err(damaged("the archive", "goes on after a zero block"))
                }
                _ => Ok(None),
            };
        }
        if !header.checksum_fits() {
            let text = format!("at byte {} has a wrong checksum", self.position - BLOCK as u64);
            return Err(damaged("header", text));
        }
        Ok(Some(block))
    }

    fn block_or_end(&mut self) -> Result<Option<[u8; BLOCK]>, LayerError> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.reader.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(damaged("the archive", "ends in the middle of a header")),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(LayerError::Read { source }),
            }
        }
        self.position += BLOCK as u64;
        Ok(Some(block))
    }

    /// The data of an extension header.
    fn extension(&mut self, block: &[u8; BLOCK]) -> Result<Vec<u8>, LayerError> {
        let header = RawHeader(block);
        let name = show(&header.path());
        let size = header.size().map_err(|problem| damaged(&name, problem))?;
        if !(0..=MAX_EXTENSION).contains(&size) {
            return Err(damaged(name, format!("is an extension header of {size} bytes")));
        }
        let size = size.cast_unsigned();
        let mut bytes = Vec::new();
        let mut data = Data { archive: self, left: size };
        data.read_to_end(&mut bytes).map_err(|source| read_error(&name, source))?;
        self.skip(padding(size), &name)?;
        Ok(bytes)
    }

    fn records(&mut self, block: &[u8; BLOCK]) -> Result<Records, LayerError> {
        let name = show(&RawHeader(block).path());
        Records::parse(&self.extension(block)?).map_err(|problem| damaged(name, problem))
    }

    fn long_text(&mut self, block: &[u8; BLOCK]) -> Result<Vec<u8>, LayerError> {
        let mut text = self.extension(block)?;
        if let Some(end) = text.iter().position(|&byte| byte == 0) {
            text.truncate(end);
        }
        Ok(text)
    }

    fn member(
        &mut self,
        header: Extended,
        whiteouts: Whiteouts,
        visit: &mut Visit<'_>,
    ) -> Result<(), LayerError> {
        let raw_path = header.raw_path();
        let name = show(&raw_path);
        let fail = |problem| damaged(&name, problem);
        let path = clean(&raw_path).map_err(fail)?;
        let stored = header.stored_size().map_err(fail)?;
        let gnu_map = self.gnu_sparse_map(&header.block, &name)?;
        let end = self.position.checked_add(stored).and_then(|end| end.checked_add(511));
        let end = end.ok_or_else(|| fail("is impossibly large".to_owned()))? & !511;

        let mut data = Data { archive: self, left: stored };
        let map = match gnu_map {
            Some(map) => Some(map),
            None => header.pax_sparse_map(&mut data, &name)?,
        };
        if let Some(map) = &map {
            map.check(data.left).map_err(fail)?;
        }
        let position = data.archive.position;
        let layout = match &map {
            None => Layout { size: stored, offset: Some(position) },
            Some(map) => Layout { size: map.size, offset: None },
        };
        let member = match special(&path, whiteouts).map_err(fail)? {
            Special::Ignored => None,
            Special::Member(member) => Some(member),
            Special::No => Some(Member::Entry(header.entry(path, &layout).map_err(fail)?)),
        };
        match (member, map) {
            (None, _) => {}
            (Some(member), None) => visit(member, &mut data)?,
            (Some(member), Some(map)) => visit(member, &mut SparseReader::new(&mut data, map))?,
        }
        let rest = end - self.position;
        self.skip(rest, &name)
    }

    /// The map of an old GNU sparse file, which may go on in blocks after the header.
    fn gnu_sparse_map(
        &mut self,
        block: &[u8; BLOCK],
        name: &str,
    ) -> Result<Option<SparseMap>, LayerError> {
        let header = RawHeader(block);
        if header.type_flag() != flag::GNU_SPARSE {
            return Ok(None);
        }
        let fail = |problem| damaged(name, problem);
        if !header.is_gnu() {
            return Err(fail("is sparse but not in GNU format".to_owned()));
        }
        let size = number(&block[483..495]).ok();
        let size = size.and_then(|size| u64::try_from(size).ok());
        let size = size.ok_or_else(|| fail("has a damaged size".to_owned()))?;
        let mut chunks = Vec::new();
        sparse::push_gnu_chunks(&block[386..482], &mut chunks).map_err(fail)?;
        let mut more = block[482] != 0;
        while more {
            let next = self.block_or_end()?;
            let next = next.ok_or_else(|| fail("is cut short".to_owned()))?;
            sparse::push_gnu_chunks(&next[..504], &mut chunks).map_err(fail)?;
            more = next[504] != 0;
        }
        Ok(Some(SparseMap { chunks, size }))
    }

    fn skip(&mut self, count: u64, name: &str) -> Result<(), LayerError> {
        let mut data = Data { archive: self, left: count };
        io::copy(&mut data, &mut io::sink()).map(drop).map_err(|source| read_error(name, source))
    }

    /// What follows the end mark is padding, whatever it contains.
    fn drain(mut self) -> Result<(), LayerError> {
        io::copy(&mut self.reader, &mut io::sink())
            .map(drop)
            .map_err(|source| LayerError::Read { source })
    }
}

fn append(mut first: Records, then: Records) -> Records {
    first.extend(then);
    first
}

/// The bytes of one member. An archive that ends before them is an error.
struct Data<'a, R> {
    archive: &'a mut Archive<R>,
    left: u64,
}

impl<R: Read> Read for Data<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(0);
        }
        let count = self.archive.reader.read(&mut buffer[..wanted])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.archive.position += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

pub(super) fn damaged(path: impl Into<String>, problem: impl Into<String>) -> LayerError {
    LayerError::Entry { path: path.into(), problem: problem.into() }
}

pub(super) fn read_error(path: &str, source: io::Error) -> LayerError {
    if source.kind() == io::ErrorKind::UnexpectedEof {
        return damaged(path, "is cut short");
    }
    LayerError::ReadFile { path: path.to_owned(), source }
}
