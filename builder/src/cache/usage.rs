//! What the build cache takes, in all and entry by entry.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use store::{Held, Store, StoreError};

use super::prune::{
    cache_mounts, directories, modified, of_images, records, repositories, things, used,
};
use super::record::Cache;

/// How much the cache takes, in the sense of `system df`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheUsage {
    pub entries: usize,
    /// Those that a running build or container holds.
    pub active: usize,
    /// Bytes of what no image is made of.
    pub bytes: u64,
    pub reclaimable: u64,
}

/// A record of a step, or a cache mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheEntry {
    /// The key of the record, or the name of the mount.
    pub id: String,
    pub kind: CacheEntryKind,
    /// The step as progress shows it; nothing for mounts.
    pub description: String,
    pub created: SystemTime,
    pub last_used: SystemTime,
    /// On the disk, also what images and other entries are made of.
    pub bytes: u64,
    pub in_use: bool,
    /// Whether an image or another entry is made of some of it.
    pub shared: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheEntryKind {
    Step,
    Mount,
    /// What was fetched of a git repository.
    Repository,
}

/// What the records and mounts of the cache take.
pub fn usage(store: &Store) -> Result<CacheUsage, StoreError> {
    let cache = Cache::open(store)?;
    let (held, of_images) = (store.held()?, of_images(store)?);
    let mut usage = CacheUsage::default();
    let mut counted = HashSet::new();
    for record in records(&cache)? {
        let active = held.contains(&Held::Blob(record.descriptor.digest));
        usage.entries += 1;
        usage.active += usize::from(active);
        for thing in things(&record).filter(|thing| !of_images.contains(thing)) {
            if counted.insert(thing.clone()) {
                usage.add(store.size_of(&thing)?.bytes, held.contains(&thing));
            }
        }
    }
    for mount in directories(store)? {
        let idle = mount.lock()?.is_some();
        usage.entries += 1;
        usage.active += usize::from(!idle);
        usage.add(store::usage::measure(&mount.path)?.bytes, !idle);
    }
    Ok(usage)
}

impl CacheUsage {
    fn add(&mut self, bytes: u64, active: bool) {
        self.bytes += bytes;
        self.reclaimable += if active { 0 } else { bytes };
    }
}

/// Every record and mount, what was used last first.
pub fn entries(store: &Store) -> Result<Vec<CacheEntry>, StoreError> {
    let cache = Cache::open(store)?;
    let records = records(&cache)?;
    let (held, of_images) = (store.held()?, of_images(store)?);
    let mut users: HashMap<Held, usize> = HashMap::new();
    for thing in records.iter().flat_map(things) {
        *users.entry(thing).or_default() += 1;
    }
    let mut entries = Vec::new();
    for record in &records {
        let mut bytes = 0;
        for thing in things(record) {
            bytes += store.size_of(&thing)?.bytes;
        }
        let made = Duration::from_secs(u64::try_from(record.created).unwrap_or(0));
        entries.push(CacheEntry {
            id: record.key.clone(),
            kind: CacheEntryKind::Step,
            description: record.name.clone(),
            created: UNIX_EPOCH + made,
            last_used: used(&cache, record),
            bytes,
            in_use: held.contains(&Held::Blob(record.descriptor.digest)),
            shared: things(record)
                .any(|thing| of_images.contains(&thing) || users.get(&thing) > Some(&1)),
        });
    }
    let of_mounts = cache_mounts(store)?.into_iter().map(|mount| (CacheEntryKind::Mount, mount));
    let of_git = repositories(store)?.into_iter().map(|kept| (CacheEntryKind::Repository, kept));
    for (kind, mount) in of_mounts.chain(of_git) {
        let last_used = modified(&mount.lock_path());
        // A repository's own; a mount's is its ID, which is asked for elsewhere.
        let address = mount.path.with_file_name("address");
        entries.push(CacheEntry {
            id: mount.name(),
            kind,
            description: std::fs::read_to_string(address).unwrap_or_default(),
            created: made(&mount.path).unwrap_or(last_used),
            last_used,
            bytes: store::usage::measure(&mount.path)?.bytes,
            in_use: mount.lock()?.is_none(),
            shared: false,
        });
    }
    entries.sort_by(|a, b| b.last_used.cmp(&a.last_used).then_with(|| a.id.cmp(&b.id)));
    Ok(entries)
}

/// None where the file system does not know.
fn made(path: &std::path::Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|metadata| metadata.created()).ok()
}
