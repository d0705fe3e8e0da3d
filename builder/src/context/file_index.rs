//! What the files of a context contained when they were last read.
//!
//! A file whose device, inode, size, times and mode are those of the record has the recorded content and extended
//! attributes (changing either changes the ctime), so that a build with nothing changed reads no file. Except, as in
//! git, when the file was changed so shortly before it was read that a second change could bear the same time; and
//! except what was recorded later than now: the clock was set back, and times of before may come again.
//!
//! Format: magic; for each directory its path and the number of its files; for each of these its name, its numbers in
//! little endian and its attributes; then the BLAKE3 hash of all that. A damaged or foreign index counts as empty.
//!
//! The index of a million files has 100 MB. It is read through once, to check it and to note where each directory is, and
//! then a directory at a time, while that is listed: [`Records`] go along with its names. A new index is written of what
//! was listed, and of the old one where nothing was.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use store::layer::ContentDigest;
use sys::root_dir::{Metadata, Timestamp};

const MAGIC: &[u8; 8] = b"rbfidx02";
/// Nanoseconds within which two changes may bear the same time: a tick of the slowest kernel clock, and
/// the whole second that some file systems keep.
const FINE: i64 = 20_000_000;
const COARSE: i64 = 2_000_000_000;

pub(crate) type Xattrs = BTreeMap<Vec<u8>, Vec<u8>>;

/// BLAKE3 is fastest on large pieces.
const PIECE: usize = 64 << 10;

/// Known files by directory.
#[derive(Debug, Default)]
pub(crate) struct FileIndex {
    /// Where it is kept; nowhere for none.
    path: Option<PathBuf>,
    /// For writing `path` by renaming.
    temp: Option<PathBuf>,
    /// As it was when it was checked: nobody writes to it, another takes its place.
    file: Option<Arc<File>>,
    /// Where in the file the number of a directory's files and these are.
    directories: BTreeMap<Vec<u8>, Range<u64>>,
    loaded_at: i64,
}

/// The known files of a directory, sorted by name, being passed by.
#[derive(Debug)]
pub(crate) struct Records {
    input: BufReader<Part>,
    /// How many are still to be read.
    left: usize,
    /// Of the next one, or of the one that was found last.
    name: Vec<u8>,
    next: Option<Record>,
    loaded_at: i64,
}

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    stat: Stat,
    /// Before anything of the file was looked at, in nanoseconds since 1970.
    read_at: i64,
    digest: ContentDigest,
    pub(crate) xattrs: Xattrs,
}

/// What tells whether a file was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat([u64; NUMBERS]);

/// What of a [`Stat`] a listing does not have anyway.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rest {
    dev: u64,
    ino: u64,
    ctime: i64,
    /// Of the modification time.
    subsecond: u32,
}

const NUMBERS: usize = 6;
const FIXED: usize = NUMBERS * 8 + 8 + 32;

impl Stat {
    pub(crate) fn of(metadata: &Metadata) -> Stat {
        Stat([
            metadata.dev,
            metadata.ino,
            metadata.size,
            nanos(metadata.mtime) as u64,
            nanos(metadata.ctime) as u64,
            u64::from(metadata.mode),
        ])
    }

    /// Of a file of this size, modification time (in seconds) and mode.
    pub(crate) fn with(rest: Rest, size: u64, mtime: i64, mode: u32) -> Stat {
        let Rest { dev, ino, ctime, subsecond } = rest;
        let mtime = nanos(Timestamp { secs: mtime, nanos: subsecond });
        Stat([dev, ino, size, mtime as u64, ctime as u64, u64::from(mode)])
    }

    /// Whether a change after `read_at` would be sure to show in the times.
    fn is_settled(&self, read_at: i64) -> bool {
        let newest = (self.0[3] as i64).max(self.0[4] as i64);
        let slack = if newest % 1_000_000_000 == 0 { COARSE } else { FINE };
        newest.saturating_add(slack) < read_at
    }
}

impl Rest {
    pub(crate) fn of(metadata: &Metadata) -> Rest {
        let &Metadata { dev, ino, mtime, ctime, .. } = metadata;
        Rest { dev, ino, ctime: nanos(ctime), subsecond: mtime.nanos }
    }
}

impl Record {
    pub(crate) fn of(stat: Stat, read_at: i64, digest: ContentDigest, xattrs: Xattrs) -> Record {
        Record { stat, read_at, digest, xattrs }
    }

    /// The digest of the bytes, and when they were looked at.
    pub(crate) fn content(&self) -> (ContentDigest, i64) {
        (self.digest, self.read_at)
    }

    /// Whether the file is still what it was.
    fn holds(&self, metadata: &Metadata, now: i64) -> bool {
        self.stat == Stat::of(metadata) && self.stat.is_settled(self.read_at) && self.read_at <= now
    }
}

fn nanos(time: Timestamp) -> i64 {
    time.secs.saturating_mul(1_000_000_000).saturating_add(i64::from(time.nanos))
}

/// Nanoseconds since 1970.
pub(crate) fn now() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX)
}

impl FileIndex {
    /// Reads the index at `path`; `temp` is a free name in the same file system.
    pub(crate) fn load(path: PathBuf, temp: PathBuf) -> FileIndex {
        let checked = File::open(&path).and_then(|file| Ok((check(&file)?, Arc::new(file))));
        let (directories, file) = checked.ok().unzip();
        let (path, temp, directories) = (Some(path), Some(temp), directories.unwrap_or_default());
        FileIndex { path, temp, file, directories, loaded_at: now() }
    }

    /// What is known of the files of a directory.
    pub(crate) fn records(&self, path: &[u8]) -> Records {
        let part = self.part(path).unwrap_or_default();
        let mut input = BufReader::with_capacity(PIECE.min(part.len()), part);
        let left = count(&mut input).unwrap_or(0);
        Records { input, left, name: Vec::new(), next: None, loaded_at: self.loaded_at }
    }

    fn part(&self, path: &[u8]) -> Option<Part> {
        let (file, range) = (self.file.clone()?, self.directories.get(path)?.clone());
        Some(Part { file: Some(file), range })
    }

    /// Writes the index anew, with these directories instead of what was known of them. Losing it costs time only, so
    /// failures are not reported.
    pub(crate) fn save<'d, R>(&self, directories: BTreeMap<&'d [u8], R>)
    where
        R: Iterator<Item = (&'d [u8], Record)> + Clone,
    {
        let (Some(path), Some(temp)) = (&self.path, &self.temp) else { return };
        let written = self.write(temp, directories).and_then(|()| fs::rename(temp, path));
        if written.is_err() {
            let _ = fs::remove_file(temp);
        }
    }

    fn write<'d, R>(&self, temp: &PathBuf, mut directories: BTreeMap<&'d [u8], R>) -> io::Result<()>
    where
        R: Iterator<Item = (&'d [u8], Record)> + Clone,
    {
        let mut out = BufWriter::with_capacity(PIECE, Hashing::new(File::create(temp)?));
        out.write_all(MAGIC)?;
        let mut paths: BTreeSet<Vec<u8>> = self.directories.keys().cloned().collect();
        paths.extend(directories.keys().map(|path| path.to_vec()));
        for path in paths {
            let Some(records) = directories.remove(path.as_slice()) else {
                put(&mut out, &path)?;
                io::copy(&mut self.part(&path).unwrap_or_default(), &mut out)?;
                continue;
            };
            let count = records.clone().count();
            if count == 0 {
                continue;
            }
            put(&mut out, &path)?;
            put_count(&mut out, count)?;
            for (name, record) in records {
                put(&mut out, name)?;
                put_record(&mut out, &record)?;
            }
        }
        let Hashing { mut inner, hasher } = out.into_inner().map_err(|error| error.into_error())?;
        inner.write_all(hasher.finalize().as_bytes())
    }
}

impl Records {
    /// The record of a file that is still what it was. Names must come in their order.
    pub(crate) fn find(&mut self, name: &[u8], metadata: &Metadata) -> Option<Record> {
        while self.next.is_none() || self.name.as_slice() < name {
            self.left = self.left.checked_sub(1)?;
            // What cannot be read any more is not known.
            self.next = None;
            read_part(&mut self.input, &mut self.name).ok()?;
            self.next = Some(record(&mut self.input).ok()?);
        }
        let known = self.next.take_if(|_| self.name == name)?;
        known.holds(metadata, self.loaded_at).then_some(known)
    }
}

fn put(out: &mut impl Write, part: &[u8]) -> io::Result<()> {
    put_count(out, part.len())?;
    out.write_all(part)
}

fn put_count(out: &mut impl Write, count: usize) -> io::Result<()> {
    let count = u32::try_from(count).map_err(|_| io::ErrorKind::FileTooLarge)?;
    out.write_all(&count.to_le_bytes())
}

fn put_record(out: &mut impl Write, record: &Record) -> io::Result<()> {
    for number in record.stat.0 {
        out.write_all(&number.to_le_bytes())?;
    }
    out.write_all(&record.read_at.to_le_bytes())?;
    out.write_all(record.digest.as_bytes())?;
    put_count(out, record.xattrs.len())?;
    for (name, value) in &record.xattrs {
        put(out, name)?;
        put(out, value)?;
    }
    Ok(())
}

/// Where the directories of a whole index are.
fn check(file: &File) -> io::Result<BTreeMap<Vec<u8>, Range<u64>>> {
    let damaged = || io::Error::from(io::ErrorKind::InvalidData);
    let end = file.metadata()?.len().checked_sub(SUM).ok_or_else(damaged)?;
    let mut input = BufReader::with_capacity(PIECE, Hashing::new(file.take(end)));
    if fixed::<{ MAGIC.len() }>(&mut input)? != *MAGIC {
        return Err(damaged());
    }
    let mut directories = BTreeMap::new();
    let mut at = MAGIC.len() as u64;
    while at < end {
        let path = part(&mut input)?;
        let start = at + 4 + path.len() as u64;
        let files = count(&mut input)?;
        at = start + 4;
        for _ in 0..files {
            at += pass(&mut input)?;
        }
        directories.insert(path, start..at);
    }
    let Hashing { inner, hasher } = input.into_inner();
    let sum: [u8; SUM as usize] = fixed(&mut inner.into_inner())?;
    if *hasher.finalize().as_bytes() == sum { Ok(directories) } else { Err(damaged()) }
}

/// Length of the hash at the end.
const SUM: u64 = 32;

/// Goes past a file with its name. Says how long that is.
fn pass(input: &mut impl BufRead) -> io::Result<u64> {
    let mut length = pass_part(input, FIXED)?;
    let xattrs = count(input)?;
    for _ in 0..2 * xattrs {
        length += pass_part(input, 0)?;
    }
    Ok(length + 4)
}

/// Goes past a part and `more` behind it.
fn pass_part(input: &mut impl BufRead, more: usize) -> io::Result<u64> {
    let length = count(input)? + more;
    let mut left = length;
    while left > 0 {
        let step = input.fill_buf()?.len().min(left);
        if step == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        input.consume(step);
        left -= step;
    }
    Ok(4 + length as u64)
}

fn fixed<const N: usize>(input: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn count(input: &mut impl Read) -> io::Result<usize> {
    Ok(u32::from_le_bytes(fixed(input)?) as usize)
}

fn part(input: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    read_part(input, &mut bytes).map(|()| bytes)
}

/// Into `bytes`, whose memory is used again. Of as many bytes as there really are, whatever its length says.
fn read_part(input: &mut impl BufRead, bytes: &mut Vec<u8>) -> io::Result<()> {
    bytes.clear();
    let mut left = count(input)?;
    while left > 0 {
        let ready = input.fill_buf()?;
        let step = ready.len().min(left);
        if step == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&ready[..step]);
        input.consume(step);
        left -= step;
    }
    Ok(())
}

fn record(input: &mut impl BufRead) -> io::Result<Record> {
    let numbers: [u8; FIXED] = fixed(input)?;
    let (words, digest) = numbers.as_chunks::<8>().0.split_at(NUMBERS + 1);
    let word = |at: usize| u64::from_le_bytes(words[at]);
    let stat = std::array::from_fn(word);
    let read_at = word(NUMBERS) as i64;
    let digest = ContentDigest::from_bytes(std::array::from_fn(|at| digest[at / 8][at % 8]));
    let mut xattrs = Xattrs::new();
    for _ in 0..count(input)? {
        xattrs.insert(part(input)?, part(input)?);
    }
    Ok(Record { stat: Stat(stat), read_at, digest, xattrs })
}

/// Hashes what goes through it.
struct Hashing<T> {
    inner: T,
    hasher: blake3::Hasher,
}

impl<T> Hashing<T> {
    fn new(inner: T) -> Hashing<T> {
        Hashing { inner, hasher: blake3::Hasher::new() }
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A part of a file that others read too.
#[derive(Debug, Default)]
struct Part {
    file: Option<Arc<File>>,
    range: Range<u64>,
}

impl Part {
    fn len(&self) -> usize {
        usize::try_from(self.range.end - self.range.start).unwrap_or(usize::MAX)
    }
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.len());
        let Some(file) = self.file.as_ref().filter(|_| most > 0) else { return Ok(0) };
        let count = file.read_at(&mut buffer[..most], self.range.start)?;
        self.range.start += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sys::RootDir;

    fn index_of(dir: &std::path::Path) -> FileIndex {
        FileIndex::load(dir.join("index"), dir.join("temp"))
    }

    fn keep(dir: &std::path::Path, name: &str, record: Record) {
        let records = std::iter::once((name.as_bytes(), record));
        index_of(dir).save(BTreeMap::from([(&b""[..], records)]));
    }

    fn found(index: &FileIndex, name: &str, metadata: &Metadata) -> Option<Record> {
        index.records(b"").find(name.as_bytes(), metadata)
    }

    fn file(dir: &std::path::Path) -> Metadata {
        fs::write(dir.join("f"), "one").unwrap();
        // As if it had been there for long.
        let metadata = RootDir::open(dir).unwrap().metadata("f").unwrap();
        let old = Timestamp { secs: metadata.ctime.secs - 100, nanos: 5 };
        Metadata { mtime: old, ctime: old, ..metadata }
    }

    fn one(metadata: &Metadata, read_at: i64) -> Record {
        let xattrs = Xattrs::from([(b"user.a".to_vec(), b"b".to_vec())]);
        Record::of(Stat::of(metadata), read_at, ContentDigest::of(b"one"), xattrs)
    }

    #[test]
    fn contents_are_remembered_until_anything_changes() {
        let dir = tempfile::tempdir().unwrap();
        let metadata = file(dir.path());
        let Metadata { size, mtime, mode, .. } = metadata;
        assert_eq!(Stat::with(Rest::of(&metadata), size, mtime.secs, mode), Stat::of(&metadata));
        let record = one(&metadata, nanos(metadata.ctime) + 2 * COARSE);
        keep(dir.path(), "f", record.clone());
        let index = index_of(dir.path());
        assert_eq!(found(&index, "f", &metadata), Some(record));
        assert_eq!(found(&index, "g", &metadata), None);
        let later = Timestamp { nanos: 6, ..metadata.ctime };
        for other in [
            Metadata { size: 4, ..metadata.clone() },
            Metadata { mode: 0o600, ..metadata.clone() },
            Metadata { ino: metadata.ino + 1, ..metadata.clone() },
            // Another machine, or another disk.
            Metadata { dev: metadata.dev + 1, ..metadata.clone() },
            Metadata { mtime: later, ..metadata.clone() },
            // What sets size and times back cannot set this one back.
            Metadata { ctime: later, ..metadata.clone() },
        ] {
            assert_eq!(found(&index, "f", &other), None, "{other:?}");
        }
    }

    #[test]
    fn a_file_read_just_after_it_changed_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let metadata = file(dir.path());
        let changed = nanos(metadata.ctime);
        for (read_at, trusted) in [
            (changed, false),
            (changed + FINE, false),
            (changed + FINE + 1, true),
            // It seems older than itself: the clock was set back.
            (changed - COARSE, false),
        ] {
            keep(dir.path(), "f", one(&metadata, read_at));
            let found = found(&index_of(dir.path()), "f", &metadata);
            assert_eq!(found.is_some(), trusted, "{}", read_at - changed);
        }
        // A file system that keeps whole seconds.
        let time = Timestamp { nanos: 0, ..metadata.ctime };
        let coarse = Metadata { mtime: time, ctime: time, ..metadata };
        keep(dir.path(), "f", one(&coarse, nanos(time) + COARSE));
        assert_eq!(found(&index_of(dir.path()), "f", &coarse), None);
    }

    #[test]
    fn what_was_recorded_in_the_future_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let metadata = file(dir.path());
        keep(dir.path(), "f", one(&metadata, now() + 3600 * 1_000_000_000));
        assert_eq!(found(&index_of(dir.path()), "f", &metadata), None);
    }

    #[test]
    fn a_damaged_index_counts_as_empty() {
        let dir = tempfile::tempdir().unwrap();
        let metadata = file(dir.path());
        keep(dir.path(), "f", one(&metadata, 1));
        let bytes = fs::read(dir.path().join("index")).unwrap();
        assert_eq!(index_of(dir.path()).directories.len(), 1);
        for position in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 1;
            for (bytes, what) in [(&damaged[..], "byte"), (&bytes[..position], "cut")] {
                fs::write(dir.path().join("index"), bytes).unwrap();
                let index = index_of(dir.path());
                assert!(index.directories.is_empty(), "{what} {position}");
                assert_eq!(found(&index, "f", &metadata), None, "{what} {position}");
            }
        }
    }

    /// What was not looked at stays, what was is replaced, and files are found among others.
    #[test]
    fn a_new_index_has_what_was_known_of_other_directories() {
        let dir = tempfile::tempdir().unwrap();
        let metadata = file(dir.path());
        let read_at = nanos(metadata.ctime) + 2 * COARSE;
        let save = |path: &[u8], names: &[&str]| {
            let records = names.iter().map(|name| (name.as_bytes(), one(&metadata, read_at)));
            index_of(dir.path()).save(BTreeMap::from([(path, records)]));
        };
        let known = |path: &[u8]| {
            let mut records = index_of(dir.path()).records(path);
            let names = ["a", "b", "c", "d", "e"].into_iter();
            names
                .filter(|name| records.find(name.as_bytes(), &metadata).is_some())
                .collect::<String>()
        };
        save(b"x/y", &["b", "d"]);
        save(b"x", &["a", "bb", "c"]);
        save(b"z", &["e"]);
        assert_eq!([known(b"x"), known(b"x/y"), known(b"z")], ["ac", "bd", "e"]);
        save(b"x", &["a"]);
        save(b"z", &[]);
        assert_eq!([known(b"x"), known(b"x/y"), known(b"z")], ["a", "bd", ""]);
        assert_eq!(index_of(dir.path()).directories.len(), 2);
    }
}
