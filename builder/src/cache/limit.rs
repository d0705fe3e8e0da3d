//! How much the cache may keep, and what goes first.
//!
//! What images are made of does not count: forgetting its records would free nothing. Of the rest goes, until it is
//! little enough: first cache mounts and file indexes that two days did not need (the cheapest to make again), then
//! whatever was not used for the longest time. A step counts as used when a step on top of it was, and goes after
//! it: a record whose step below is gone can never be found.

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use store::usage::Disk;

use super::record::Record;

/// In the words of `docker buildx prune`; together they say how much stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheLimit {
    /// Never more than this.
    pub max_used: Option<u64>,
    /// Less, if the disk has less than this free.
    pub min_free: Option<u64>,
    /// But not less than this because of `min_free`.
    pub reserved: u64,
}

impl CacheLimit {
    /// What applies unless somebody decides otherwise (`docs/decisions/0006-space.md`).
    pub fn default_of(disk: &Disk) -> CacheLimit {
        CacheLimit {
            max_used: Some((disk.size / 100 * 60).min(100_000_000_000)),
            min_free: Some(disk.size / 100 * 20),
            reserved: (disk.size / 10).min(10_000_000_000),
        }
    }

    /// Never more than `cap`.
    pub fn capped(self, cap: u64) -> CacheLimit {
        CacheLimit { max_used: Some(cap), reserved: self.reserved.min(cap), ..self }
    }

    /// How many of `total` bytes may stay.
    pub fn keep(&self, total: u64, disk: &Disk) -> u64 {
        let missing = self.min_free.unwrap_or(0).saturating_sub(disk.free);
        let for_others = match missing {
            0 => total,
            missing => total.saturating_sub(missing).max(self.reserved),
        };
        for_others.min(self.max_used.unwrap_or(u64::MAX))
    }

    /// Whether it is kept whatever the cache is: then nothing has to be measured.
    pub(super) fn is_kept_by(&self, disk: &Disk) -> bool {
        disk.used <= self.max_used.unwrap_or(u64::MAX) && disk.free >= self.min_free.unwrap_or(0)
    }
}

/// When a record was last used, itself or by what stands on it, and how far it is from the top.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub(super) used: SystemTime,
    pub(super) height: usize,
}

/// The ranks of records: what ranks lower goes first.
pub(super) fn ranks(
    records: &[Record],
    used: &dyn Fn(&Record) -> SystemTime,
) -> HashMap<String, Rank> {
    let mut on: HashMap<String, Vec<&Record>> = HashMap::new();
    for record in records {
        on.entry(record.parent.clone()).or_default().push(record);
    }
    let mut ranks = HashMap::new();
    let mut pending: Vec<(&Record, bool)> = records.iter().map(|record| (record, false)).collect();
    let mut seen = HashSet::new();
    // Those above first; without recursion, because a Dockerfile may be long.
    while let Some((record, above_done)) = pending.pop() {
        if !above_done && !seen.insert(record.key.clone()) {
            continue;
        }
        let states = [Some(record.key.clone()), record.same_as.map(|key| key.to_string())];
        let above = states.iter().flatten().filter_map(|state| on.get(state)).flatten();
        if above_done {
            let own = Rank { used: used(record), height: 0 };
            let rank =
                above.filter_map(|record| ranks.get(&record.key)).fold(own, |rank, above| {
                    let Rank { used, height } = *above;
                    Rank { used: rank.used.max(used), height: rank.height.max(height + 1) }
                });
            ranks.insert(record.key.clone(), rank);
        } else {
            pending.push((record, true));
            pending.extend(above.map(|record| (*record, false)));
        }
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISK: Disk = Disk { size: 1000, used: 900, free: 100 };

    #[test]
    fn what_stays_is_bounded_by_all_three() {
        let limit = |max_used, min_free, reserved| CacheLimit { max_used, min_free, reserved };
        for (limit, total, kept) in [
            (limit(None, None, 0), 500, 500),
            (limit(Some(300), None, 0), 500, 300),
            (limit(Some(300), None, 0), 200, 200),
            (limit(None, Some(50), 0), 500, 500),
            (limit(None, Some(250), 0), 500, 350),
            (limit(None, Some(250), 400), 500, 400),
            (limit(Some(300), Some(250), 400), 500, 300),
            (limit(None, Some(900), 0), 500, 0),
            (limit(Some(0), None, 0), 500, 0),
        ] {
            assert_eq!(limit.keep(total, &DISK).min(total), kept, "{limit:?} {total}");
        }
        assert!(limit(Some(900), Some(100), 0).is_kept_by(&DISK));
        assert!(!limit(Some(899), None, 0).is_kept_by(&DISK));
        assert!(!limit(None, Some(101), 0).is_kept_by(&DISK));
    }
}
