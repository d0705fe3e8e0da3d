//! [`LayerWriter`]: layer archives whose bytes depend on the entries and nothing else.
//!
//! POSIX headers; PAX records only for what a header cannot hold; whole-second times, no access
//! times, no user names; entries in the order of [`compare_paths`], so parents first, and a hard
//! link after the file it names. Two zero blocks end the archive.

use std::cmp::Ordering;
use std::io::{self, Read, Write};

use super::content::{ContentDigest, ContentHasher};
use super::entry::{Entry, EntryKind, join, split_parent};
use super::error::show;
use super::tar_format::header::{Fields, flag, pax_header};
use super::tar_format::{BLOCK, padding};
use super::{LayerError, LayerIndex, compare_paths, xattr};
use crate::midstates::{APART, Mark, Marks};

/// A sink that lends the memory it writes from: what is read goes there at once, instead of being copied there.
pub trait Lends: Write {
    /// At least one byte.
    fn space(&mut self) -> io::Result<&mut [u8]>;

    /// The first `count` bytes of the space are to be written. These are returned.
    fn filled(&mut self, count: usize) -> io::Result<&[u8]>;
}

/// Writes one layer and keeps its index, with content digests and offsets.
#[derive(Debug)]
pub struct LayerWriter<W> {
    sink: W,
    pass: Pass<W>,
    position: u64,
    written: LayerIndex,
    last_digest: Option<ContentDigest>,
    buffer: Vec<u8>,
    marking: Option<Marking>,
}

/// Reads once, up to so many bytes, and passes what was read on to the sink; nothing at the end.
type Pass<W> =
    for<'a> fn(&'a mut W, &'a mut Vec<u8>, usize, &mut dyn Read) -> Result<&'a [u8], NotPassed>;

enum NotPassed {
    Read(io::Error),
    Write(io::Error),
}

/// Sets marks (`crate::midstates`).
#[derive(Debug)]
struct Marking {
    marks: Marks,
    last: u64,
    /// Of all headers, and of the digest of each content.
    seen: ContentHasher,
    /// What is to be hashed next. All at once is quicker.
    fresh: Vec<u8>,
}

const ZEROS: [u8; BLOCK] = [0; BLOCK];
const BUFFER: usize = 256 << 10;

impl<W: Write> LayerWriter<W> {
    pub fn new(sink: W) -> LayerWriter<W> {
        let written = LayerIndex::default();
        let (last_digest, buffer, marking) = (None, Vec::new(), None);
        LayerWriter { sink, pass: copied, position: 0, written, last_digest, buffer, marking }
    }

    /// Sets marks, of a blob that has just been begun.
    pub fn marking(mut self, marks: Marks) -> LayerWriter<W> {
        let (seen, fresh) = (ContentHasher::default(), Vec::new());
        self.marking = Some(Marking { marks, last: 0, seen, fresh });
        self
    }

    /// Appends an entry; a file comes with a reader of exactly its size. Entries must come in the
    /// order of [`compare_paths`].
    pub fn append(
        &mut self,
        entry: &Entry,
        content: Option<&mut dyn Read>,
    ) -> Result<(), LayerError> {
        self.check(entry)?;
        let mut written = entry.clone();
        written.xattrs = xattr::for_image(written.xattrs);
        if written.is_symlink() {
            written.mode = 0o777; // as the kernel shows them all
        }
        match &entry.kind {
            EntryKind::File { size, .. } => {
                self.header(&entry.path, &written, *size)?;
                let offset = Some(self.position);
                let digest = Some(self.content(&entry.path, *size, content)?);
                self.last_digest = digest;
                written.kind = EntryKind::File { size: *size, digest, offset };
            }
            EntryKind::Dir { opaque } => {
                let path = if entry.path.is_empty() { b"." } else { entry.path.as_slice() };
                self.header(&[path, b"/"].concat(), &written, 0)?;
                if *opaque {
                    self.marker(&join(&entry.path, b".wh..wh..opq"))?;
                }
            }
            EntryKind::Whiteout => {
                let (parent, name) = split_parent(&entry.path).unwrap_or_default();
                self.marker(&join(parent, &[b".wh.", name].concat()))?;
            }
            _ => self.header(&entry.path, &written, 0)?,
        }
        self.written.push(&written);
        self.mark(None);
        Ok(())
    }

    /// Ends the archive. Returns the sink, which is not flushed, and what was written.
    pub fn finish(mut self) -> Result<(W, LayerIndex), LayerError> {
        self.put(&ZEROS)?;
        self.put(&ZEROS)?;
        Ok((self.sink, self.written))
    }

    /// Of the bytes of the file that was appended last.
    pub fn last_digest(&self) -> Option<ContentDigest> {
        self.last_digest
    }

    /// Bytes written so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    fn check(&self, entry: &Entry) -> Result<(), LayerError> {
        let refuse = |problem: &str| Err(damaged(&entry.path, problem));
        if let Some(last) = self.written.last_path()
            && compare_paths(last, &entry.path) != Ordering::Less
        {
            return refuse("is out of order");
        }
        if entry.path.contains(&0) {
            return refuse("has a NUL byte in its name");
        }
        // Readers would take it for a deletion.
        if entry.path.split(|&byte| byte == b'/').any(|name| name.starts_with(b".wh.")) {
            return refuse("has a name starting with `.wh.`, which layers reserve for deletions");
        }
        match &entry.kind {
            EntryKind::Dir { .. } => Ok(()),
            _ if entry.path.is_empty() => refuse("must be a directory"),
            EntryKind::CharDevice { major: 0, minor: 0 } => refuse("is device 0:0"),
            EntryKind::Hardlink { target } => {
                let written = self.written.get(target).is_some_and(|entry| {
                    !matches!(
                        entry.kind,
                        EntryKind::Dir { .. } | EntryKind::Hardlink { .. } | EntryKind::Whiteout
                    )
                });
                if written { Ok(()) } else { refuse("links to a file that does not precede it") }
            }
            _ => Ok(()),
        }
    }

    fn header(&mut self, path: &[u8], entry: &Entry, size: u64) -> Result<(), LayerError> {
        let none = (flag::FILE, b"".as_slice(), (0, 0));
        let (type_flag, link, device) = match &entry.kind {
            EntryKind::Dir { .. } => (flag::DIR, none.1, none.2),
            EntryKind::File { .. } | EntryKind::Whiteout => none,
            EntryKind::Symlink { target } => (flag::SYMLINK, target.as_slice(), none.2),
            EntryKind::Hardlink { target } => (flag::HARDLINK, target.as_slice(), none.2),
            EntryKind::CharDevice { major, minor } => (flag::CHAR_DEVICE, none.1, (*major, *minor)),
            EntryKind::BlockDevice { major, minor } => {
                (flag::BLOCK_DEVICE, none.1, (*major, *minor))
            }
            EntryKind::Fifo => (flag::FIFO, none.1, none.2),
        };
        let fields = Fields {
            path,
            link,
            type_flag,
            mode: entry.mode & 0o7777,
            uid: entry.uid,
            gid: entry.gid,
            size,
            mtime: entry.mtime,
            device,
        };
        self.extended_header(&fields, entry)
    }

    fn extended_header(&mut self, fields: &Fields<'_>, entry: &Entry) -> Result<(), LayerError> {
        let (block, mut records) = fields.encode();
        // All names of a file share its attributes; the first one carries them.
        if !matches!(entry.kind, EntryKind::Hardlink { .. }) {
            for (name, value) in &entry.xattrs {
                if name.contains(&b'=') {
                    let problem = format!(
                        "has the extended attribute `{}`: layers cannot hold a `=` in its name",
                        show(name)
                    );
                    return Err(damaged(&entry.path, problem));
                }
                records.push(&[b"SCHILY.xattr.", name.as_slice()].concat(), value);
            }
        }
        if !records.is_empty() {
            let bytes = records.encode();
            self.put(&pax_header(fields.path, bytes.len()))?;
            self.put(&bytes)?;
            self.pad(bytes.len() as u64)?;
        }
        self.put(&block)
    }

    /// An empty file whose name is the message.
    fn marker(&mut self, path: &[u8]) -> Result<(), LayerError> {
        let kind = EntryKind::File { size: 0, digest: None, offset: None };
        self.header(path, &Entry::new(path, kind, 0), 0)
    }

    fn content(
        &mut self,
        path: &[u8],
        size: u64,
        content: Option<&mut dyn Read>,
    ) -> Result<ContentDigest, LayerError> {
        let changed = || LayerError::SizeChanged { path: show(path), expected: size };
        let failed = |error| match error {
            NotPassed::Read(source) => LayerError::ReadFile { path: show(path), source },
            NotPassed::Write(source) => LayerError::Write { source },
        };
        let mut hasher = ContentHasher::default();
        let mut empty = io::empty();
        let content = content.unwrap_or(&mut empty);
        let mut buffer = std::mem::take(&mut self.buffer);
        // A small layer touches little memory; one byte more shows whether a file has grown.
        let wanted = usize::try_from(size).unwrap_or(BUFFER).saturating_add(1).min(BUFFER);
        let mut left = size;
        loop {
            let passed = (self.pass)(&mut self.sink, &mut buffer, wanted, &mut *content);
            let bytes = passed.map_err(failed)?;
            if bytes.is_empty() {
                break;
            }
            left = left.checked_sub(bytes.len() as u64).ok_or_else(changed)?;
            hasher.update(bytes);
            self.position += bytes.len() as u64;
            if left > 0 {
                self.mark(Some(&hasher));
            }
        }
        self.buffer = buffer;
        if left > 0 {
            return Err(changed());
        }
        let digest = hasher.finish();
        if let Some(marking) = &mut self.marking
            && size > 0
        {
            marking.fresh.extend(digest.as_bytes());
        }
        self.pad(size)?;
        Ok(digest)
    }

    /// Sets a mark if it is time to: between entries, or in a file of which `begun` has seen what is written. What stands
    /// before it must end with a block of the hash.
    fn mark(&mut self, begun: Option<&ContentHasher>) {
        let at = self.position;
        let Some(marking) = &mut self.marking else { return };
        if at - marking.last < APART || !at.is_multiple_of(BLOCK as u64) {
            return;
        }
        marking.seen.update(&marking.fresh);
        marking.fresh.clear();
        let mut seen = marking.seen.clone();
        if let Some(begun) = begun {
            seen.update(begun.finish().as_bytes());
        }
        marking.last = at;
        marking.marks.set(Mark { at, seen: seen.finish() });
    }

    fn pad(&mut self, size: u64) -> Result<(), LayerError> {
        let length = usize::try_from(padding(size)).unwrap_or(0);
        self.put(&ZEROS[..length])
    }

    /// A header, or what fills up a block.
    fn put(&mut self, bytes: &[u8]) -> Result<(), LayerError> {
        if let Some(marking) = &mut self.marking {
            marking.fresh.extend(bytes);
        }
        self.put_content(bytes)
    }

    fn put_content(&mut self, bytes: &[u8]) -> Result<(), LayerError> {
        self.sink.write_all(bytes).map_err(|source| LayerError::Write { source })?;
        self.position += bytes.len() as u64;
        Ok(())
    }
}

impl<W: Lends> LayerWriter<W> {
    /// Reads into the memory of the sink.
    pub fn lending(mut self) -> LayerWriter<W> {
        self.pass = lent;
        self
    }
}

fn copied<'a, W: Write>(
    sink: &'a mut W,
    buffer: &'a mut Vec<u8>,
    wanted: usize,
    content: &mut dyn Read,
) -> Result<&'a [u8], NotPassed> {
    if buffer.len() < wanted {
        buffer.resize(wanted, 0);
    }
    let count = read_once(content, buffer)?;
    sink.write_all(&buffer[..count]).map_err(NotPassed::Write)?;
    Ok(&buffer[..count])
}

fn lent<'a, W: Lends>(
    sink: &'a mut W,
    _buffer: &'a mut Vec<u8>,
    _wanted: usize,
    content: &mut dyn Read,
) -> Result<&'a [u8], NotPassed> {
    let count = read_once(content, sink.space().map_err(NotPassed::Write)?)?;
    sink.filled(count).map_err(NotPassed::Write)
}

fn read_once(content: &mut dyn Read, buffer: &mut [u8]) -> Result<usize, NotPassed> {
    loop {
        match content.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read.map_err(NotPassed::Read),
        }
    }
}

fn damaged(path: &[u8], problem: impl Into<String>) -> LayerError {
    LayerError::Entry { path: show(path), problem: problem.into() }
}
