//! What the files of a context contained when they were last read.
//!
//! A file whose device, inode, size, times and mode are those of the record has the recorded
//! content, so that a build with nothing changed reads no file. Except, as in git, when the file
//! was changed so shortly before it was read that a second change could bear the same time.
//!
//! Format: magic, then for each file its path and numbers in little endian, then the BLAKE3 hash
//! of all that. A damaged or foreign index counts as empty.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use store::layer::ContentDigest;
use sys::root_dir::{Metadata, Timestamp};

const MAGIC: &[u8; 8] = b"rbfidx01";
/// Nanoseconds within which two changes may bear the same time: a tick of the slowest kernel clock, and
/// the whole second that some file systems keep.
const FINE: i64 = 20_000_000;
const COARSE: i64 = 2_000_000_000;

/// Known contents by path.
#[derive(Debug, Default)]
pub(crate) struct FileIndex {
    /// Where it is kept; nowhere for none.
    path: Option<PathBuf>,
    /// For writing `path` by renaming.
    temp: Option<PathBuf>,
    records: BTreeMap<Vec<u8>, Record>,
    changed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record {
    stat: Stat,
    /// When reading began, in nanoseconds since 1970.
    read_at: i64,
    digest: ContentDigest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat([u64; 6]);

const NUMBERS: usize = 6;
const FIXED: usize = NUMBERS * 8 + 8 + 32;

impl Stat {
    fn of(metadata: &Metadata) -> Stat {
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
        let records = fs::read(&path).ok().and_then(|bytes| decode(&bytes)).unwrap_or_default();
        FileIndex { path: Some(path), temp: Some(temp), records, changed: false }
    }

    pub(crate) fn get(&self, path: &[u8], metadata: &Metadata) -> Option<ContentDigest> {
        let record = self.records.get(path)?;
        let stat = Stat::of(metadata);
        (record.stat == stat && stat.is_settled(record.read_at)).then_some(record.digest)
    }

    pub(crate) fn put(
        &mut self,
        path: &[u8],
        metadata: &Metadata,
        read_at: i64,
        digest: ContentDigest,
    ) {
        let record = Record { stat: Stat::of(metadata), read_at, digest };
        self.records.insert(path.to_vec(), record);
        self.changed = true;
    }

    /// Losing it costs time only, so failures are not reported.
    pub(crate) fn save(&mut self) {
        let (Some(path), Some(temp)) = (&self.path, &self.temp) else { return };
        if !std::mem::take(&mut self.changed) {
            return;
        }
        let written = fs::write(temp, encode(&self.records)).and_then(|()| fs::rename(temp, path));
        if written.is_err() {
            let _ = fs::remove_file(temp);
        }
    }
}

fn encode(records: &BTreeMap<Vec<u8>, Record>) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for (path, record) in records {
        bytes.extend((path.len() as u32).to_le_bytes());
        bytes.extend(path);
        for number in record.stat.0 {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(record.read_at.to_le_bytes());
        bytes.extend(record.digest.as_bytes());
    }
    let sum = blake3::hash(&bytes);
    bytes.extend(sum.as_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<BTreeMap<Vec<u8>, Record>> {
    let (body, sum) = bytes.split_last_chunk::<32>()?;
    if blake3::hash(body).as_bytes() != sum {
        return None;
    }
    let mut rest = body.strip_prefix(MAGIC)?;
    let mut records = BTreeMap::new();
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (path, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let (fixed, after) = after.split_first_chunk::<FIXED>()?;
        let number = |at: usize| {
            let bytes = fixed[at * 8..][..8].try_into().expect("eight bytes were cut out");
            u64::from_le_bytes(bytes)
        };
        let digest: [u8; 32] = fixed[FIXED - 32..].try_into().expect("32 bytes were cut out");
        let record = Record {
            stat: Stat(std::array::from_fn(number)),
            read_at: number(NUMBERS) as i64,
            digest: ContentDigest::from_bytes(digest),
        };
        records.insert(path.to_vec(), record);
        rest = after;
    }
    Some(records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sys::RootDir;

    fn index_of(dir: &std::path::Path) -> FileIndex {
        FileIndex::load(dir.join("index"), dir.join("temp"))
    }

    #[test]
    fn contents_are_remembered_until_anything_changes() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("f"), "one").unwrap();
        let root = RootDir::open(dir.path()).unwrap();
        let metadata = root.metadata("f").unwrap();
        let digest = ContentDigest::of(b"one");
        let late = nanos(metadata.ctime) + 10 * COARSE;
        let mut index = index_of(dir.path());
        index.put(b"f", &metadata, late, digest);
        index.save();

        let index = index_of(dir.path());
        assert_eq!(index.get(b"f", &metadata), Some(digest));
        assert_eq!(index.get(b"g", &metadata), None);
        let longer = Metadata { size: 4, ..metadata };
        assert_eq!(index.get(b"f", &longer), None);
    }

    #[test]
    fn a_file_read_just_after_it_changed_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("f"), "one").unwrap();
        let metadata = RootDir::open(dir.path()).unwrap().metadata("f").unwrap();
        let mut index = index_of(dir.path());
        index.put(b"f", &metadata, nanos(metadata.ctime) + 1000, ContentDigest::of(b"one"));
        assert_eq!(index.get(b"f", &metadata), None);
    }

    #[test]
    fn a_damaged_index_counts_as_empty() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("f"), "one").unwrap();
        let metadata = RootDir::open(dir.path()).unwrap().metadata("f").unwrap();
        let mut index = index_of(dir.path());
        index.put(b"f", &metadata, i64::MAX, ContentDigest::of(b"one"));
        index.save();
        let mut bytes = fs::read(dir.path().join("index")).unwrap();
        bytes[20] ^= 1;
        fs::write(dir.path().join("index"), bytes).unwrap();
        assert!(index_of(dir.path()).records.is_empty());
    }
}
