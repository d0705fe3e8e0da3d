//! What a limit means for the cache as it is: how much it takes, and what of it has to go.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use store::usage::measure;
use store::{Held, SnapshotId, Store, StoreError};

use super::limit::{CacheLimit, Rank, ranks};
use super::prune::{directories, modified, paths_in, things};
use super::record::{Cache, Record};

/// Mounts and file indexes that were not needed for so long go before everything else.
const STALE: Duration = Duration::from_secs(48 * 3600);

/// In the directory of the cache.
pub(super) const SIZES: &str = "sizes";

/// Bytes of blobs and snapshots. Snapshots never change, so what was once measured is remembered (`cache/sizes`),
/// unless it depends on others because they share files.
#[derive(Debug)]
pub(super) struct Sizes {
    store: Store,
    path: PathBuf,
    known: HashMap<String, u64>,
    asked: HashMap<String, u64>,
}

impl Sizes {
    pub(super) fn load(store: &Store) -> Result<Sizes, StoreError> {
        let path = store.directory("cache")?.join(SIZES);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let entry = |line: &str| {
            let (id, bytes) = line.split_once(' ')?;
            Some((id.to_owned(), bytes.parse().ok()?))
        };
        let known = text.lines().filter_map(entry).collect();
        Ok(Sizes { store: store.clone(), path, known, asked: HashMap::new() })
    }

    pub(super) fn of(&mut self, held: &Held) -> Result<u64, StoreError> {
        let Held::Snapshot(id) = held else { return Ok(self.store.size_of(held)?.bytes) };
        let name = SnapshotId::to_string(id);
        if let Some(bytes) = self.known.get(&name) {
            self.asked.insert(name, *bytes);
            return Ok(*bytes);
        }
        let size = self.store.size_of(held)?;
        if !size.shares {
            self.known.insert(name.clone(), size.bytes);
            self.asked.insert(name, size.bytes);
        }
        Ok(size.bytes)
    }

    /// Remembers what was asked for, and nothing else. Losing it costs time only.
    pub(super) fn save(&self) {
        let text: String = self.asked.iter().map(|(id, bytes)| format!("{id} {bytes}\n")).collect();
        let written = match text.is_empty() {
            true => fs::remove_file(&self.path).map_err(|_| ()),
            false => self.store.temp_path().map_err(drop).and_then(|temp| {
                let written = fs::write(&temp, text).and_then(|()| fs::rename(&temp, &self.path));
                written.map_err(|_| drop(fs::remove_file(&temp)))
            }),
        };
        let _next_time = written;
    }
}

/// Something that can go, and what goes with it.
#[derive(Debug)]
struct Item {
    stale: bool,
    rank: Rank,
    /// The key of a record, or the path of a mount or a file index.
    what: What,
    bytes: u64,
    things: Vec<Held>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum What {
    Record(String),
    Path(PathBuf),
}

/// All that counts, and how much it is.
#[derive(Debug, Default)]
pub(super) struct Budget {
    items: Vec<Item>,
    /// How many items lead to a thing, and its bytes.
    things: HashMap<Held, (usize, u64)>,
    pub(super) total: u64,
}

impl Budget {
    /// `uncounted` is what would not be freed.
    pub(super) fn of(
        store: &Store,
        cache: &Cache,
        records: &[Record],
        used: &dyn Fn(&Record) -> SystemTime,
        uncounted: &HashSet<Held>,
        sizes: &mut Sizes,
    ) -> Result<Budget, StoreError> {
        let mut budget = Budget::default();
        let ranks = ranks(records, used);
        let mut indexes = indexes(cache)?;
        for record in records {
            if uncounted.contains(&Held::Blob(record.descriptor.digest)) {
                continue;
            }
            let mut bytes = indexes.remove(record.key.as_str()).unwrap_or(0);
            for extension in ["json", "inputs"] {
                bytes += measure(&cache.path(&record.key, extension))?.bytes;
            }
            let things: Vec<Held> = things(record).filter(|t| !uncounted.contains(t)).collect();
            for thing in &things {
                budget.lead_to(thing, sizes)?;
            }
            budget.total += bytes;
            let (what, rank) = (What::Record(record.key.clone()), ranks[&record.key]);
            budget.items.push(Item { stale: false, rank, what, bytes, things });
        }
        for mount in directories(store)? {
            budget.add_path(&mount.path, modified(&mount.lock_path()))?;
        }
        for index in paths_in(&store.directory("cache/files")?)? {
            budget.add_path(&index, modified(&index))?;
        }
        budget.items.sort_by_key(|item| (!item.stale, item.rank));
        Ok(budget)
    }

    fn lead_to(&mut self, thing: &Held, sizes: &mut Sizes) -> Result<(), StoreError> {
        if let Some((number, _)) = self.things.get_mut(thing) {
            *number += 1;
            return Ok(());
        }
        let bytes = sizes.of(thing)?;
        self.total += bytes;
        self.things.insert(thing.clone(), (1, bytes));
        Ok(())
    }

    fn add_path(&mut self, path: &Path, used: SystemTime) -> Result<(), StoreError> {
        let bytes = measure(path)?.bytes;
        let stale = used.elapsed().is_ok_and(|age| age > STALE);
        let (rank, what) = (Rank { used, height: 0 }, What::Path(path.to_owned()));
        self.total += bytes;
        self.items.push(Item { stale, rank, what, bytes, things: Vec::new() });
        Ok(())
    }

    /// What goes so that `keep` bytes stay, or as few more as what `may_go` refuses takes.
    pub(super) fn excess(
        mut self,
        keep: u64,
        may_go: &mut dyn FnMut(&What) -> bool,
    ) -> HashSet<What> {
        let mut gone = HashSet::new();
        for item in self.items {
            if self.total <= keep {
                break;
            }
            if !may_go(&item.what) {
                continue;
            }
            self.total -= item.bytes;
            for thing in &item.things {
                if let Some((number, bytes)) = self.things.get_mut(thing) {
                    *number -= 1;
                    self.total -= if *number == 0 { *bytes } else { 0 };
                }
            }
            gone.insert(item.what);
        }
        gone
    }
}

/// Bytes of all indexes of each key: also of layers that its step made before.
fn indexes(cache: &Cache) -> Result<HashMap<String, u64>, StoreError> {
    let mut indexes = HashMap::new();
    for path in paths_in(&cache.steps)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some((key, _)) = name.split_once('-') {
            *indexes.entry(key.to_owned()).or_default() += measure(&path)?.bytes;
        }
    }
    Ok(indexes)
}

/// The total of what counts now, and how much of it may stay, if that is less.
pub(super) fn over(
    store: &Store,
    limit: &CacheLimit,
    budget: &Budget,
) -> Result<Option<u64>, StoreError> {
    let keep = limit.keep(budget.total, &store.disk()?);
    Ok((budget.total > keep).then_some(keep))
}
