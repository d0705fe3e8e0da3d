//! Records of the steps that ran, as files.
//!
//! `cache/steps/KEY.json` says which layer a step made, `KEY-LAYER.index` what is in it, `KEY.inputs` what it
//! read. The record is written last and by renaming, so whoever finds it finds the rest: also when two make a step at
//! once, for each layer has its index. Those of layers that no record has go with the next [`prune`](super::prune()).

use std::fmt;
use std::fs::{self, File};
use std::io::ErrorKind::{AlreadyExists, NotFound};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use store::layer::LayerIndex;
use store::{Descriptor, DiffId, Held, SnapshotId, Store, StoreError};

use super::{Input, Inputs, StepKey};
use crate::cancel::Cancel;
use crate::execute::{StepError, io_error};

const STEPS: &str = "cache/steps";
const PLACES: &str = "cache/places";
const RESULTS: &str = "cache/results";
const LOCKS: &str = "cache/locks";
/// The file in which a byte stands for each key.
const LOCK: &str = "steps";
/// Bytes that most records do not have.
const SHORT: usize = 4096;
/// How often a build that waits for another looks whether it was cancelled.
const PATIENCE: Duration = Duration::from_millis(10);
/// A command that finds everything cached need not write to say so each time.
const TO_THE_MINUTE: Duration = Duration::from_secs(60);

/// What is remembered of a step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) schema: u32,
    pub(crate) key: String,
    /// Of the state it ran on.
    pub(crate) parent: String,
    pub(crate) name: String,
    /// When its layer was made, in seconds since 1970.
    pub(crate) created: i64,
    pub(crate) diff_id: DiffId,
    pub(crate) descriptor: Descriptor,
    /// Of whichever form the store had then.
    pub(crate) snapshot: Option<SnapshotId>,
    /// The step with every word expanded, as in the key.
    pub(crate) step: serde_json::Value,
    /// The step with an equal result that this one gave way to: later steps are keyed by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) same_as: Option<StepKey>,
    /// Where it was made for; records of before do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<String>,
    /// When it was written, in milliseconds since 1970; records of before do not tell. The time of its file is that of its
    /// last use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) written: Option<u64>,
    /// Of the record without this field: a damaged one is as good as none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sum: Option<String>,
}

/// The records of a store.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    store: Store,
    pub(super) steps: PathBuf,
    pub(super) places: PathBuf,
    pub(super) results: PathBuf,
    lock: PathBuf,
}

/// Held while a step is made: a byte of one file that all keys share, so that no build waits for a step that it does not
/// need, and no file is made and removed for each step.
#[derive(Debug)]
pub(crate) struct StepLock {
    /// The lock goes with it.
    _file: File,
}

impl Cache {
    pub(crate) fn open(store: &Store) -> Result<Cache, StoreError> {
        Ok(Cache {
            store: store.clone(),
            steps: store.directory(STEPS)?,
            places: store.directory(PLACES)?,
            results: store.directory(RESULTS)?,
            lock: store.directory(LOCKS)?.join(LOCK),
        })
    }

    /// The record of a step if its layer is still there; it is held from then on. The time of its file is when it was last
    /// used, to the minute: `prune` asks.
    pub(crate) fn find(&self, key: StepKey) -> Result<Option<Record>, StepError> {
        self.find_text(&key.to_string())
    }

    pub(crate) fn find_text(&self, key: &str) -> Result<Option<Record>, StepError> {
        let Some((file, mut record)) = self.read_file(key) else { return Ok(None) };
        // Without an index that is whole (after a loss of power, say), the step runs again.
        if !self.store.hold(Held::Blob(record.descriptor.digest))?
            || !is_whole_index(&self.index_path(&record))
        {
            return Ok(None);
        }
        let now = SystemTime::now();
        if !is_recent(&file, now) {
            // Who may not say so uses it nevertheless.
            let _unchanged = file.set_modified(now);
        }
        if let Some(snapshot) = record.snapshot.take()
            && self.store.hold_snapshot(&snapshot)?
        {
            record.snapshot = Some(snapshot);
        }
        Ok(Some(record))
    }

    /// The record as it stands, whether or not its layer is there.
    pub(crate) fn read(&self, key: &str) -> Option<Record> {
        self.read_file(key).map(|(_, record)| record)
    }

    fn read_file(&self, key: &str) -> Option<(File, Record)> {
        let mut file = File::open(self.path(key, "json")).ok()?;
        let bytes = read_short(&mut file).ok()?;
        let record: Record = serde_json::from_slice(&bytes).ok()?;
        let whole = record.sum.as_ref().is_none_or(|sum| record.sum().is_ok_and(|s| s == *sum));
        (record.schema == Record::SCHEMA && record.key == key && whole).then_some((file, record))
    }

    /// Whether the step ran before, even if its record is damaged or gone.
    pub(crate) fn has_run(&self, key: StepKey) -> bool {
        let key = key.to_string();
        ["json", "gone"].iter().any(|extension| self.path(&key, extension).exists())
    }

    /// What the layer of a record contains.
    pub(crate) fn index(&self, record: &Record) -> Result<LayerIndex, StepError> {
        Cache::index_at(&self.index_path(record))
    }

    pub(crate) fn index_at(path: &Path) -> Result<LayerIndex, StepError> {
        let bytes = fs::read(path).map_err(io_error("read", path))?;
        Ok(LayerIndex::from_vec(bytes)?)
    }

    /// Tells what a step read, as it was written down, sorted by name. What is damaged is not told.
    pub(crate) fn inputs(&self, key: &str, tell: &mut dyn FnMut(String, String)) {
        let Ok(file) = File::open(self.path(key, "inputs")) else { return };
        let mut input = serde_json::Deserializer::from_reader(BufReader::new(file));
        let _ = input.deserialize_map(Pairs(tell));
    }

    pub(crate) fn write(
        &self,
        record: &Record,
        index: &LayerIndex,
        inputs: &Inputs,
    ) -> Result<(), StepError> {
        self.replace(&self.index_path(record), |file| index.write_to(file))?;
        // A key says what was read, so there are none from before either.
        if inputs.len() > 0 {
            self.replace(&self.path(&record.key, "inputs"), |file| write_inputs(file, inputs))?;
        }
        let mut record = Record { written: Some(millis(SystemTime::now())), ..record.clone() };
        record.sum = Some(record.sum()?);
        let bytes = json("the record", &record)?;
        self.replace(&self.path(&record.key, "json"), |file| file.write_all(&bytes))
    }

    /// Waits until no other build makes a step of this key.
    pub(crate) fn lock(&self, key: StepKey, cancel: &Cancel) -> Result<StepLock, StepError> {
        let file = self.lock_file()?;
        while !self.lock_byte(&file, key)? {
            if cancel.is_cancelled() {
                return Err(StepError::Cancelled);
            }
            std::thread::sleep(PATIENCE);
        }
        Ok(StepLock { _file: file })
    }

    /// None while another build makes a step of this key.
    pub(crate) fn try_lock(&self, key: StepKey) -> Result<Option<StepLock>, StepError> {
        let file = self.lock_file()?;
        Ok(self.lock_byte(&file, key)?.then_some(StepLock { _file: file }))
    }

    fn lock_file(&self) -> Result<File, StepError> {
        let mut options = File::options();
        let file = options.create(true).truncate(false).write(true).open(&self.lock);
        file.map_err(io_error("open", &self.lock))
    }

    fn lock_byte(&self, file: &File, key: StepKey) -> Result<bool, StepError> {
        let locked = sys::lock::try_lock_byte(file, key.lock_byte());
        locked.map_err(|error| io_error("lock", &self.lock)(error.into()))
    }

    /// Replaces a file of [`super::places`].
    pub(super) fn set_place(&self, file: StepKey, text: &str) -> Result<(), StepError> {
        let write = |file: &mut File| file.write_all(text.as_bytes());
        self.replace(&self.places.join(file.to_string()), write)
    }

    /// Whether some step on this state has a recorded result.
    pub(crate) fn has_results_on(&self, parent: StepKey) -> bool {
        self.results.join(parent.to_string()).exists()
    }

    /// The key of the step on the state `parent` that had this result.
    pub(crate) fn with_result(&self, parent: StepKey, result: StepKey) -> Option<String> {
        let path = self.results.join(parent.to_string()).join(result.to_string());
        let key = fs::read_to_string(path).ok()?;
        key.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(key)
    }

    pub(crate) fn set_result(
        &self,
        parent: StepKey,
        result: StepKey,
        key: StepKey,
    ) -> Result<(), StepError> {
        // More often than anybody prunes and makes it again in between.
        const TRIES: u32 = 100;
        let dir = self.results.join(parent.to_string());
        let mut tries = 0;
        loop {
            let text = key.to_string();
            let write = |file: &mut File| file.write_all(text.as_bytes());
            let made = fs::create_dir_all(&dir).map_err(io_error("create", &dir));
            match made.and_then(|()| self.replace(&dir.join(result.to_string()), write)) {
                // Pruned while it was empty: before the file came, or when it was there and was looked at.
                Err(StepError::Io { source, .. })
                    if matches!(source.kind(), NotFound | AlreadyExists) && tries < TRIES =>
                {
                    tries += 1;
                }
                done => return done,
            }
        }
    }

    pub(crate) fn record(
        key: StepKey,
        parent: StepKey,
        name: &str,
        step: serde_json::Value,
    ) -> impl FnOnce(i64, DiffId, Descriptor, Option<SnapshotId>) -> Record {
        let (key, parent, name) = (key.to_string(), parent.to_string(), name.to_owned());
        move |created, diff_id, descriptor, snapshot| Record {
            schema: Record::SCHEMA,
            key,
            parent,
            name,
            created,
            diff_id,
            descriptor,
            snapshot,
            step,
            same_as: None,
            platform: None,
            written: None,
            sum: None,
        }
    }

    pub(crate) fn index_path(&self, record: &Record) -> PathBuf {
        self.path(&format!("{}-{}", record.key, record.descriptor.digest.hex()), "index")
    }

    pub(super) fn path(&self, key: &str, extension: &str) -> PathBuf {
        self.steps.join(format!("{key}.{extension}"))
    }

    fn replace(
        &self,
        path: &Path,
        write: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<(), StepError> {
        let temp = self.store.temp_path()?;
        let written = File::create(&temp).and_then(|mut file| write(&mut file));
        written.map_err(io_error("write", &temp))?;
        fs::rename(&temp, path).map_err(io_error("replace", path))
    }
}

/// A file of a few hundred bytes, mostly: then by one call, without asking for its size.
fn read_short(file: &mut File) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; SHORT];
    let count = file.read(&mut bytes)?;
    bytes.truncate(count);
    if count == SHORT {
        file.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn is_whole_index(path: &Path) -> bool {
    let whole = || {
        let mut file = File::open(path)?;
        let mut start = [0; SHORT];
        let count = file.read(&mut start)?;
        if count < SHORT {
            return LayerIndex::is_whole(&start[..count], count as u64);
        }
        let length = file.metadata()?.len();
        LayerIndex::is_whole(start.chain(file), length)
    };
    whole().unwrap_or(false)
}

/// As one object, sorted by name.
fn write_inputs(file: &mut File, inputs: &Inputs) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    let mut object = serde_json::Serializer::new(&mut out);
    object.collect_map(inputs.iter().map(|(name, input)| (name, Shown(input))))?;
    out.flush()
}

/// An input as it is written down.
struct Shown(Input);

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Hands out the pairs of an object as they are read.
struct Pairs<'a>(&'a mut dyn FnMut(String, String));

impl<'de> Visitor<'de> for Pairs<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<(), A::Error> {
        while let Some((name, text)) = pairs.next_entry()? {
            (self.0)(name, text);
        }
        Ok(())
    }
}

/// Whether its time says so already. One in the future, from before the clock was set back, does not.
fn is_recent(file: &File, now: SystemTime) -> bool {
    let modified = file.metadata().and_then(|found| found.modified());
    modified.is_ok_and(|time| now.duration_since(time).is_ok_and(|age| age < TO_THE_MINUTE))
}

pub(super) fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Record {
    pub(super) const SCHEMA: u32 = 1;

    fn sum(&self) -> Result<String, StepError> {
        let text = json("the record", &Record { sum: None, ..self.clone() })?;
        Ok(blake3::hash(&text).to_hex()[..16].to_owned())
    }
}

fn json<T: Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>, StepError> {
    serde_json::to_vec(value).map_err(|source| StepError::Serialise { what, source })
}

/// Everything the records refer to, for [`Store::prune`].
pub fn roots(store: &Store) -> Result<Vec<Held>, StoreError> {
    let cache = Cache::open(store)?;
    let mut roots = Vec::new();
    let list = |path: &Path| {
        let path = path.to_owned();
        move |source| StoreError::Io { act: "list", path, source }
    };
    for entry in fs::read_dir(&cache.steps).map_err(list(&cache.steps))? {
        let entry = entry.map_err(list(&cache.steps))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(record) = name.strip_suffix(".json").and_then(|key| cache.read(key)) else {
            continue;
        };
        roots.push(Held::Blob(record.descriptor.digest));
        roots.extend(record.snapshot.map(Held::Snapshot));
    }
    Ok(roots)
}
