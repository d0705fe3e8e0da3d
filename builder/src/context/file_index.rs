//! What the files of a context contained when they were last read.
//!
//! A file whose device, inode, size, times and mode are those of the record has the recorded content and extended
//! attributes (changing either changes the ctime), so that a build with nothing changed reads no file. Except, as in
//! git, when the file was changed so shortly before it was read that a second change could bear the same time; and
//! except what was recorded later than now: the clock was set back, and times of before may come again.
//!
//! Format: magic; for each directory its path and the number of its files; for each of these its name, its numbers in
//! little endian and its attributes; then the BLAKE3 hash of all that. A damaged or foreign index counts as empty.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use store::layer::ContentDigest;
use sys::root_dir::{Metadata, Timestamp};

const MAGIC: &[u8; 8] = b"rbfidx02";
/// Nanoseconds within which two changes may bear the same time: a tick of the slowest kernel clock, and
/// the whole second that some file systems keep.
const FINE: i64 = 20_000_000;
const COARSE: i64 = 2_000_000_000;

pub(crate) type Xattrs = BTreeMap<Vec<u8>, Vec<u8>>;

/// Known files by directory.
#[derive(Debug, Default)]
pub(crate) struct FileIndex {
    /// Where it is kept; nowhere for none.
    path: Option<PathBuf>,
    /// For writing `path` by renaming.
    temp: Option<PathBuf>,
    directories: HashMap<Vec<u8>, Records>,
    loaded_at: i64,
}

/// The files of a directory, sorted by name.
pub(crate) type Records = Vec<(Box<[u8]>, Record)>;

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
pub(crate) struct Stat([u64; 6]);

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

    /// Whether a change after `read_at` would be sure to show in the times.
    fn is_settled(&self, read_at: i64) -> bool {
        let newest = (self.0[3] as i64).max(self.0[4] as i64);
        let slack = if newest % 1_000_000_000 == 0 { COARSE } else { FINE };
        newest.saturating_add(slack) < read_at
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
        let directories = fs::read(&path).ok().and_then(|bytes| decode(&bytes)).unwrap_or_default();
        FileIndex { path: Some(path), temp: Some(temp), directories, loaded_at: now() }
    }

    /// What is known of a directory, for [`find`]. Whoever takes it gives it back with [`FileIndex::save`]: it is there
    /// only once.
    pub(crate) fn take(&mut self, path: &[u8]) -> Records {
        self.directories.remove(path).unwrap_or_default()
    }

    /// In nanoseconds since 1970.
    pub(crate) fn loaded_at(&self) -> i64 {
        self.loaded_at
    }

    /// Replaces what is known of these directories and writes the index. Losing it costs time only, so failures are
    /// not reported.
    pub(crate) fn save(&mut self, directories: impl Iterator<Item = (Vec<u8>, Records)>) {
        let (Some(path), Some(temp)) = (&self.path, &self.temp) else { return };
        self.directories.extend(directories);
        let bytes = encode(&self.directories);
        let written = fs::write(temp, bytes).and_then(|()| fs::rename(temp, path));
        if written.is_err() {
            let _ = fs::remove_file(temp);
        }
    }
}

/// The record of a file that is still what it was, in an index loaded at that time. `records` is passed by, so names must
/// come in their order.
pub(crate) fn find<'r>(
    records: &mut &'r [(Box<[u8]>, Record)],
    name: &[u8],
    metadata: &Metadata,
    loaded_at: i64,
) -> Option<&'r Record> {
    let skip = records.iter().take_while(|(known, _)| **known < *name).count();
    *records = &records[skip..];
    let (known, record) = records.first()?;
    (**known == *name && record.holds(metadata, loaded_at)).then_some(record)
}

fn encode(directories: &HashMap<Vec<u8>, Records>) -> Vec<u8> {
    let mut paths: Vec<_> = directories.iter().filter(|(_, records)| !records.is_empty()).collect();
    paths.sort_by(|a, b| a.0.cmp(b.0));
    let mut bytes = MAGIC.to_vec();
    let put = |bytes: &mut Vec<u8>, part: &[u8]| {
        bytes.extend((part.len() as u32).to_le_bytes());
        bytes.extend(part);
    };
    for (path, records) in paths {
        put(&mut bytes, path);
        bytes.extend((records.len() as u32).to_le_bytes());
        for (name, record) in records {
            put(&mut bytes, name);
            record.stat.0.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
            bytes.extend(record.read_at.to_le_bytes());
            bytes.extend(record.digest.as_bytes());
            bytes.extend((record.xattrs.len() as u32).to_le_bytes());
            for (name, value) in &record.xattrs {
                put(&mut bytes, name);
                put(&mut bytes, value);
            }
        }
    }
    let sum = blake3::hash(&bytes);
    bytes.extend(sum.as_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<HashMap<Vec<u8>, Records>> {
    let (body, sum) = bytes.split_last_chunk::<32>()?;
    if blake3::hash(body).as_bytes() != sum {
        return None;
    }
    let mut input = Input(body.strip_prefix(MAGIC)?);
    let mut directories = HashMap::new();
    while !input.0.is_empty() {
        let path = input.part()?.to_vec();
        let count = input.count()?;
        let mut records = Vec::with_capacity(count.min(input.0.len() / FIXED));
        for _ in 0..count {
            let name = input.part()?.into();
            records.push((name, input.record()?));
        }
        directories.insert(path, records);
    }
    Some(directories)
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn count(&mut self) -> Option<usize> {
        let (count, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        usize::try_from(u32::from_le_bytes(*count)).ok()
    }

    fn part(&mut self) -> Option<&'a [u8]> {
        let length = self.count()?;
        let (part, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(part)
    }

    fn record(&mut self) -> Option<Record> {
        let (fixed, rest) = self.0.split_first_chunk::<FIXED>()?;
        self.0 = rest;
        let number = |at: usize| {
            let bytes = fixed[at * 8..][..8].try_into().expect("eight bytes were cut out");
            u64::from_le_bytes(bytes)
        };
        let digest: [u8; 32] = fixed[FIXED - 32..].try_into().expect("32 bytes were cut out");
        let mut xattrs = Xattrs::new();
        for _ in 0..self.count()? {
            xattrs.insert(self.part()?.to_vec(), self.part()?.to_vec());
        }
        Some(Record {
            stat: Stat(std::array::from_fn(number)),
            read_at: number(NUMBERS) as i64,
            digest: ContentDigest::from_bytes(digest),
            xattrs,
        })
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
        let records = vec![(name.as_bytes().into(), record)];
        index_of(dir).save(std::iter::once((Vec::new(), records)));
    }

    fn found(index: &FileIndex, name: &str, metadata: &Metadata) -> Option<Record> {
        let mut records = index.directories.get(&b""[..]).map_or(&[][..], Vec::as_slice);
        find(&mut records, name.as_bytes(), metadata, index.loaded_at).cloned()
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
            assert!(decode(&damaged).is_none(), "byte {position}");
            assert!(decode(&bytes[..position]).is_none(), "cut at {position}");
        }
    }
}
