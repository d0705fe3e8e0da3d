//! Forgetting records, cache mounts and repositories that were fetched from.
//!
//! Records go while a collection holds the store's `sweep` lock, just before it asks what the records lead to.
//! A build that found a record wrote the record's layer into its lease before it looked for the record's index;
//! so a record whose layer no lease lists is either unknown to all builds, or its finder looks afterwards and
//! takes it for a miss. Records that a build writes meanwhile are of layers it holds.
//!
//! Of a record that goes while others stay a marker remains ([`super::markers`]). Indexes of layers that a running build uses
//! stay, whatever the record of their step has by now.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use store::{Held, Store, StoreError};

use super::budget::{self, Budget, SIZES, Sizes, What};
use super::limit::CacheLimit;
use super::markers;
use super::mounts;
use super::places;
use super::record::{Cache, Record, millis, roots};

/// What [`prune`] forgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheSelection {
    /// Also what images are made of, and cache mounts.
    pub all: bool,
    /// Only what was not used for so long.
    pub unused_for: Option<Duration>,
    /// Only so much that the rest is within the limit; then cache mounts go, too.
    pub limit: Option<CacheLimit>,
}

/// What [`prune`] removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrunedCache {
    /// Keys of the records and names of the cache mounts.
    pub entries: Vec<String>,
    pub bytes: u64,
}

/// Forgets records and mounts that `selection` means and that nothing running uses, and collects everything that
/// nothing leads to any more. No `selection`: only collects.
pub fn prune(store: &Store, selection: Option<CacheSelection>) -> Result<PrunedCache, StoreError> {
    let mut sweep = Sweep::default();
    let pruned = store.prune(&mut || {
        if let Some(selection) = selection {
            sweep = Sweep::of(store, selection)?;
        }
        roots(store)
    })?;
    let mut bytes = pruned.bytes + sweep.bytes;
    for path in sweep.aside {
        bytes += store.remove_aside(&path)?;
    }
    Ok(PrunedCache { entries: sweep.entries, bytes })
}

/// Forgets so much of the cache that the rest is within `limit`, or in use. None if there was nothing to do. What
/// this handle of the store has used counts as in use: it should be a new one.
pub fn keep_within(store: &Store, limit: CacheLimit) -> Result<Option<PrunedCache>, StoreError> {
    // One system call answers nearly always.
    if limit.is_kept_by(&store.disk()?) {
        return Ok(None);
    }
    // Measured before the collection, during which others have to wait.
    let cache = Cache::open(store)?;
    let mut sizes = Sizes::load(store)?;
    let (records, of_images) = (records(&cache)?, of_images(store)?);
    let unused = |_: &Record| SystemTime::UNIX_EPOCH;
    let budget = Budget::of(store, &cache, &records, &unused, &of_images, &mut sizes)?;
    sizes.save();
    if budget::over(store, &limit, &budget)?.is_none() {
        return Ok(None);
    }
    let selection = CacheSelection { all: false, unused_for: None, limit: Some(limit) };
    prune(store, Some(selection)).map(Some)
}

#[derive(Debug, Default)]
struct Sweep {
    entries: Vec<String>,
    aside: Vec<PathBuf>,
    bytes: u64,
}

impl Sweep {
    fn of(store: &Store, selection: CacheSelection) -> Result<Sweep, StoreError> {
        let cache = Cache::open(store)?;
        let mut sweep = Sweep::default();
        let oldest = selection.unused_for.and_then(|age| SystemTime::now().checked_sub(age));
        let too_new = |used: SystemTime| oldest.is_some_and(|oldest| used > oldest);
        let chosen = match selection.limit {
            Some(limit) => Some(chosen(store, &cache, selection.all, &limit, &too_new)?),
            None => None,
        };
        let spared = |what: What| chosen.as_ref().is_some_and(|chosen| !chosen.contains(&what));
        sweep.records(store, &cache, selection, &|record, used| {
            too_new(used) || spared(What::Record(record.key.clone()))
        })?;
        if selection.all || selection.limit.is_some() {
            let stays = |path: &Path, used| too_new(used) || spared(What::Path(path.to_owned()));
            sweep.mounts(store, &stays)?;
            for path in paths_in(&store.directory("cache/files")?)? {
                if !stays(&path, modified(&path)) {
                    sweep.bytes += remove(&path)?;
                }
            }
        }
        Ok(sweep)
    }

    fn records(
        &mut self,
        store: &Store,
        cache: &Cache,
        selection: CacheSelection,
        stays: &dyn Fn(&Record, SystemTime) -> bool,
    ) -> Result<(), StoreError> {
        // What appears after this is not looked at.
        let files = paths_in(&cache.steps)?;
        let held = store.held()?;
        let of_images = if selection.all { HashSet::new() } else { of_images(store)? };
        let (mut kept, mut gone) = (Kept::default(), Vec::new());
        for record in records_in(cache, &files) {
            let layer = Held::Blob(record.descriptor.digest);
            let used = used(cache, &record);
            if held.contains(&layer) || of_images.contains(&layer) || stays(&record, used) {
                kept.add(cache, &record);
            } else {
                gone.push(record.key);
            }
        }
        let now = millis(SystemTime::now()).max(kept.newest);
        for key in gone {
            if !kept.keys.is_empty() || !held.is_empty() {
                markers::set(cache, &key, now)?;
            }
            self.bytes += remove(&cache.path(&key, "json"))?;
            kept.gone.insert(key.clone());
            self.entries.push(key);
        }
        if kept.keys.is_empty() {
            self.bytes += remove(&store.directory("cache")?.join(SIZES))?;
        }
        self.leftovers(cache, files, &kept, &held)
    }

    /// What belongs to records that are not there.
    fn leftovers(
        &mut self,
        cache: &Cache,
        files: Vec<PathBuf>,
        kept: &Kept,
        held: &HashSet<Held>,
    ) -> Result<(), StoreError> {
        for path in files {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let extension = path.extension().unwrap_or_default().to_string_lossy().into_owned();
            let needed = match extension.as_str() {
                "gone" => kept.may_stand_on(&stem, markers::time(&path), !held.is_empty()),
                "index" => kept.indexes.contains(&path) || is_of_any(&stem, held),
                _ => kept.keys.contains(&stem),
            };
            if needed {
                continue;
            }
            if extension == "json" {
                // What was chosen is gone; if it is there, somebody has made it again.
                if !path.exists() || kept.gone.contains(&stem) || cache.read(&stem).is_some() {
                    continue;
                }
                // It is damaged.
                if !kept.keys.is_empty() || !held.is_empty() {
                    markers::set(cache, &stem, markers::FOREVER)?;
                }
            }
            self.bytes += remove(&path)?;
        }
        let leads_nowhere = |path: &Path| {
            fs::read_to_string(path).map(|key| !kept.keys.contains(&key)).unwrap_or_default()
        };
        for path in paths_in(&cache.places)? {
            let lines = fs::read_to_string(&path).map(|text| places::lines(&text));
            if lines.is_ok_and(|lines| !lines.iter().any(|line| kept.keys.contains(&line.key))) {
                self.bytes += remove(&path)?;
            }
        }
        for state in paths_in(&cache.results)? {
            for path in paths_in(&state)?.into_iter().filter(|path| leads_nowhere(path)) {
                self.bytes += remove(&path)?;
            }
            // Stays when it is not empty.
            let _ = fs::remove_dir(&state);
        }
        Ok(())
    }

    fn mounts(
        &mut self,
        store: &Store,
        stays: &dyn Fn(&Path, SystemTime) -> bool,
    ) -> Result<(), StoreError> {
        for mount in directories(store)? {
            if stays(&mount.path, modified(&mount.lock_path())) {
                continue;
            }
            let Some(_lock) = mount.lock()? else { continue };
            if mount.path.exists() {
                self.aside.push(store.set_aside(&mount.path)?);
                self.entries.push(mount.name());
            }
        }
        mounts::forget_names(store)
    }
}

/// In milliseconds. A build writes at its end what it made on a result that it found at its beginning.
pub(super) const LONGEST_BUILD: u64 = 7 * 24 * 3600 * 1000;

/// The records that stay.
#[derive(Debug, Default)]
struct Kept {
    keys: HashSet<String>,
    indexes: HashSet<PathBuf>,
    /// When the first and the last of them were written; what does not tell is older than everything.
    oldest: Option<u64>,
    newest: u64,
    /// The states that they stand on or lead to.
    states: HashSet<String>,
    /// What has been removed.
    gone: HashSet<String>,
}

impl Kept {
    fn add(&mut self, cache: &Cache, record: &Record) {
        let written = record.written.unwrap_or(0);
        self.indexes.insert(cache.index_path(record));
        self.keys.insert(record.key.clone());
        self.oldest = Some(self.oldest.map_or(written, |oldest| oldest.min(written)));
        self.newest = self.newest.max(written);
        self.states.insert(record.parent.clone());
        self.states.extend(record.same_as.map(|state| state.to_string()));
    }

    /// Whether a record that stays, or a build that runs, may have to do with the first result of a step that was removed
    /// at this time.
    fn may_stand_on(&self, key: &str, time: u64, builds_run: bool) -> bool {
        match self.oldest {
            Some(oldest) => {
                self.states.contains(key) || oldest <= time.saturating_add(LONGEST_BUILD)
            }
            None => builds_run,
        }
    }
}

/// Whether an index is of a layer that is held.
fn is_of_any(stem: &str, held: &HashSet<Held>) -> bool {
    let layer = stem.split_once('-').and_then(|(_, hex)| format!("sha256:{hex}").parse().ok());
    layer.is_some_and(|layer| held.contains(&Held::Blob(layer)))
}

/// What goes so that the rest is within `limit`. Sizes are those that were measured before, but of what is new.
fn chosen(
    store: &Store,
    cache: &Cache,
    all: bool,
    limit: &CacheLimit,
    too_new: &dyn Fn(SystemTime) -> bool,
) -> Result<HashSet<What>, StoreError> {
    let records = records(cache)?;
    let (held, mut sizes) = (store.held()?, Sizes::load(store)?);
    let uncounted = if all { HashSet::new() } else { of_images(store)? };
    let when = |record: &Record| used(cache, record);
    let budget = Budget::of(store, cache, &records, &when, &uncounted, &mut sizes)?;
    let Some(keep) = budget::over(store, limit, &budget)? else { return Ok(HashSet::new()) };
    let in_use = |record: &&Record| {
        held.contains(&Held::Blob(record.descriptor.digest)) || too_new(when(record))
    };
    let in_use: HashSet<&str> = records.iter().filter(in_use).map(|r| r.key.as_str()).collect();
    Ok(budget.excess(keep, &mut |what| match what {
        What::Record(key) => !in_use.contains(key.as_str()),
        What::Path(path) if path.is_dir() => {
            let mount = Mount { path: path.clone() };
            !too_new(modified(&mount.lock_path())) && mount.lock().is_ok_and(|lock| lock.is_some())
        }
        What::Path(path) => !too_new(modified(path)),
    }))
}

/// When a record was last found or made. What is in the future is of a clock that was wrong: it counts as now.
pub(super) fn used(cache: &Cache, record: &Record) -> SystemTime {
    modified(&cache.path(&record.key, "json")).min(SystemTime::now())
}

/// A directory of a cache mount, or a repository that git sources were fetched into. Its lock file stays for ever: whoever waits for it has it open.
#[derive(Debug)]
pub(super) struct Mount {
    pub(super) path: PathBuf,
}

impl Mount {
    pub(super) fn name(&self) -> String {
        let parent = self.path.parent().and_then(Path::file_name).unwrap_or_default();
        let number = self.path.file_name().unwrap_or_default();
        format!("{}/{}", parent.to_string_lossy(), number.to_string_lossy())
    }

    pub(super) fn lock_path(&self) -> PathBuf {
        self.path.with_extension("lock")
    }

    /// None while a RUN uses it.
    pub(super) fn lock(&self) -> Result<Option<File>, StoreError> {
        let path = self.lock_path();
        let mut options = File::options();
        let file = options.create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(failed("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(source)) => Err(failed("lock", &path)(source)),
        }
    }
}

pub(super) fn cache_mounts(store: &Store) -> Result<Vec<Mount>, StoreError> {
    directories_in(&store.directory("cache/mounts")?)
}

/// Repositories that git sources were fetched into have the form of mounts.
pub(super) fn repositories(store: &Store) -> Result<Vec<Mount>, StoreError> {
    directories_in(&store.directory("cache/git")?)
}

/// Everything in the cache that is a directory with a lock.
pub(super) fn directories(store: &Store) -> Result<Vec<Mount>, StoreError> {
    let mut all = cache_mounts(store)?;
    all.extend(repositories(store)?);
    Ok(all)
}

fn directories_in(dir: &Path) -> Result<Vec<Mount>, StoreError> {
    let mut found = Vec::new();
    for parent in paths_in(dir)? {
        let paths = paths_in(&parent)?.into_iter();
        found.extend(paths.filter(|path| path.is_dir()).map(|path| Mount { path }));
    }
    Ok(found)
}

pub(super) fn records(cache: &Cache) -> Result<Vec<Record>, StoreError> {
    Ok(records_in(cache, &paths_in(&cache.steps)?).collect())
}

fn records_in(cache: &Cache, files: &[PathBuf]) -> impl Iterator<Item = Record> {
    let is_record = |path: &&PathBuf| path.extension().is_some_and(|ending| ending == "json");
    let keys = files.iter().filter(is_record).filter_map(|path| path.file_stem());
    keys.filter_map(|key| cache.read(&key.to_string_lossy()))
}

pub(super) fn things(record: &Record) -> impl Iterator<Item = Held> {
    let snapshot = record.snapshot.clone().map(Held::Snapshot);
    std::iter::once(Held::Blob(record.descriptor.digest)).chain(snapshot)
}

pub(super) fn of_images(store: &Store) -> Result<HashSet<Held>, StoreError> {
    Ok(store.image_contents()?.into_iter().flat_map(|(_, things)| things).collect())
}

/// What cannot be looked at any more counts as new.
pub(super) fn modified(path: &Path) -> SystemTime {
    fs::metadata(path).and_then(|file| file.modified()).unwrap_or_else(|_| SystemTime::now())
}

/// Removes a file and says how long it was; one that is gone has no length.
pub(super) fn remove(path: &Path) -> Result<u64, StoreError> {
    let length = fs::symlink_metadata(path).map_or(0, |file| file.len());
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(length),
    }
}

pub(super) fn paths_in(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed("list", dir))?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(failed("list", dir))?.path());
    }
    paths.sort();
    Ok(paths)
}

pub(super) fn failed(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { act, path, source }
}
