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
use super::tar_format::{BLOCK, Problem, padding};

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

/// Names and PAX records of one member together: what other readers accept for each of them.
const MAX_EXTENSION: u64 = 1 << 20;
/// Records of global headers, which every member gets a copy of.
const MAX_GLOBAL: u64 = 64 << 10;
/// Memory for all names and link targets, and for all extended attributes, of an archive. They stay in its
/// index, and a compressed archive that has nothing else would be a thousand times smaller.
const MAX_NAMES: u64 = 1 << 30;
const MAX_XATTRS: u64 = 64 << 20;
/// Zeros that an archive does not have, but that are hashed like others: half a minute's worth. An archive of a kilobyte
/// can have any number of them.
const MAX_HOLES: u64 = 64 << 30;
/// The kernel takes no longer path or link target.
const PATH_MAX: usize = 4096;

/// Reads an uncompressed tar to its last byte, so that a hashing reader below sees all of it.
pub fn read_layer(
    reader: impl Read,
    whiteouts: Whiteouts,
    visit: &mut Visit<'_>,
) -> Result<(), LayerError> {
    let mut archive = Archive::new(reader);
    while let Some(header) = archive.next_header()? {
        archive.member(header, whiteouts, visit)?;
    }
    archive.drain()
}

/// Whether a file is an archive that ADD unpacks: its first header, after decompression, is one of
/// tar. An error of the reader is an answer too: no.
pub fn is_archive(reader: impl Read + Send) -> bool {
    let Ok(reader) = super::decompressor(reader) else { return false };
    let mut archive = Archive::new(reader);
    matches!(archive.next_header(), Ok(Some(_)))
}

struct Archive<R> {
    reader: R,
    position: u64,
    global: Records,
    /// Memory that the members so far take in an index, about.
    names: u64,
    xattrs: u64,
    /// Zeros of sparse files so far.
    holes: u64,
}

impl<R: Read> Archive<R> {
    fn new(reader: R) -> Archive<R> {
        Archive { reader, position: 0, global: Records::default(), names: 0, xattrs: 0, holes: 0 }
    }

    /// The next member's header; `None` at the end of the archive.
    fn next_header(&mut self) -> Result<Option<Extended>, LayerError> {
        let mut records = self.global.clone();
        let (mut long_path, mut long_link, mut extended) = (None, None, false);
        let mut room = MAX_EXTENSION;
        loop {
            let Some(block) = self.header_block()? else {
                if extended {
                    return Err(broken("ends after an extension header"));
                }
                return Ok(None);
            };
            let type_flag = RawHeader(&block).type_flag();
            extended |= type_flag != flag::PAX_GLOBAL;
            match type_flag {
                flag::PAX => records.extend(self.records(&block, &mut room)?),
                flag::PAX_GLOBAL => {
                    let global = self.records(&block, &mut room)?;
                    self.add_global(&global)?;
                    records = [global, records].into_iter().fold(Records::default(), append);
                }
                flag::GNU_LONG_NAME => long_path = Some(self.long_text(&block, &mut room)?),
                flag::GNU_LONG_LINK => long_link = Some(self.long_text(&block, &mut room)?),
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
                    Err(broken("goes on after a zero block"))
                }
                _ => Ok(None),
            };
        }
        if !header.checksum_fits() {
            let start = self.position - BLOCK as u64;
            return Err(broken(format!("has a header with a wrong checksum at byte {start}")));
        }
        Ok(Some(block))
    }

    fn block_or_end(&mut self) -> Result<Option<[u8; BLOCK]>, LayerError> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.reader.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(broken("ends in the middle of a header")),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(LayerError::Read { source }),
            }
        }
        self.position += BLOCK as u64;
        Ok(Some(block))
    }

    fn add_global(&mut self, records: &Records) -> Result<(), LayerError> {
        self.global.extend(records.clone());
        self.global.forget_overridden();
        if self.global.memory() > MAX_GLOBAL {
            let problem = format!("has global extension headers of more than {MAX_GLOBAL} bytes");
            return Err(broken(problem));
        }
        Ok(())
    }

    /// The data of an extension header, for which there is `room` yet.
    fn extension(&mut self, block: &[u8; BLOCK], room: &mut u64) -> Result<Vec<u8>, LayerError> {
        let header = RawHeader(block);
        let name = show(&header.path());
        let size = header.size().map_err(|problem| damaged(&name, problem))?;
        let size = u64::try_from(size)
            .map_err(|_| damaged(&name, format!("is an extension header of {size} bytes")))?;
        *room = room.checked_sub(size).ok_or_else(|| {
            let problem = format!("has extension headers of more than {MAX_EXTENSION} bytes");
            damaged(&name, problem)
        })?;
        let mut bytes = Vec::new();
        let mut data = Data { archive: self, left: size };
        data.read_to_end(&mut bytes).map_err(|source| read_error(&name, source))?;
        self.skip(padding(size), &name)?;
        Ok(bytes)
    }

    fn records(&mut self, block: &[u8; BLOCK], room: &mut u64) -> Result<Records, LayerError> {
        let name = show(&RawHeader(block).path());
        Records::parse(&self.extension(block, room)?).map_err(|problem| damaged(name, problem))
    }

    fn long_text(&mut self, block: &[u8; BLOCK], room: &mut u64) -> Result<Vec<u8>, LayerError> {
        let mut text = self.extension(block, room)?;
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
        let path = clean(&raw_path).and_then(short).map_err(fail)?;
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
            let holes = map.check(data.left).map_err(fail)?;
            let sum = data.archive.holes.saturating_add(holes);
            if sum > MAX_HOLES {
                let limit = MAX_HOLES >> 30;
                return Err(fail(format!("makes the archive's holes more than {limit} GiB")));
            }
            data.archive.holes = sum;
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
        if let Some(member) = &member {
            data.archive.account(member)?;
        }
        match (member, map) {
            (None, _) => {}
            (Some(member), None) => visit(member, &mut data)?,
            (Some(member), Some(map)) => visit(member, &mut SparseReader::new(&mut data, map))?,
        }
        let rest = end - self.position;
        self.skip(rest, &name)
    }

    /// Refuses an archive whose description alone would fill the memory.
    fn account(&mut self, member: &Member) -> Result<(), LayerError> {
        let too_much =
            |what: &str, limit: u64| broken(format!("has {what} of more than {} MiB", limit >> 20));
        self.names += member.memory_of_names();
        if self.names > MAX_NAMES {
            return Err(too_much("names", MAX_NAMES));
        }
        if let Member::Entry(entry) = member {
            let size = |(name, value): (&Vec<u8>, &Vec<u8>)| (name.len() + value.len() + 64) as u64;
            self.xattrs += entry.xattrs.iter().map(size).sum::<u64>();
        }
        if self.xattrs > MAX_XATTRS {
            return Err(too_much("extended attributes", MAX_XATTRS));
        }
        Ok(())
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

impl Member {
    fn memory_of_names(&self) -> u64 {
        let (path, target) = match self {
            Member::Whiteout { path } | Member::Opaque { path } => (path, None),
            Member::Entry(entry) => (&entry.path, entry.kind.target()),
        };
        (size_of::<Entry>() + path.len() + target.map_or(0, <[u8]>::len)) as u64
    }
}

/// A path or link target that a system can have.
pub(super) fn short(path: Vec<u8>) -> Result<Vec<u8>, Problem> {
    if path.len() < PATH_MAX {
        return Ok(path);
    }
    Err(format!("has a path of {} bytes, which must be less than {PATH_MAX}", path.len()))
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

fn broken(problem: impl Into<String>) -> LayerError {
    LayerError::Archive { problem: problem.into() }
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
