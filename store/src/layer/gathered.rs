//! [`Gathered`]: the entries of a layer while it is read, with no object for each.
//!
//! Archives list nearly everything in the order of an index already. What comes behind all that came before goes to the
//! end of an index (its stored form, see `index.rs`); what does not, and what changes later, lies over it in a map.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Bound;

use super::index::is_below;
use super::{Entry, LayerIndex, compare_paths};

/// A path in the order of [`compare_paths`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key(pub(super) Vec<u8>);

impl Ord for Key {
    fn cmp(&self, other: &Key) -> Ordering {
        compare_paths(&self.0, &other.0)
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Key) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[derive(Debug, Default)]
pub(super) struct Gathered {
    sorted: LayerIndex,
    /// Counts instead of what `sorted` has by that path; none for what was removed.
    over: BTreeMap<Key, Option<Entry>>,
    /// How many of these are none.
    gone: usize,
}

/// With more than that, all is sorted anew: an archive could make every question go past a million of them.
const MOST_GONE: usize = 2048;

impl Gathered {
    pub(super) fn get(&self, path: &[u8]) -> Option<Entry> {
        if !self.over.is_empty()
            && let Some(entry) = self.over.get(&Key(path.to_vec()))
        {
            return entry.clone();
        }
        if self.is_behind(path) { None } else { self.sorted.get(path) }
    }

    /// In place of what is there.
    pub(super) fn insert(&mut self, entry: Entry) {
        if self.is_behind(&entry.path) {
            if !self.over.is_empty() {
                self.over.remove(&Key(entry.path.clone()));
            }
            self.sorted.push(&entry);
        } else {
            let before = self.over.insert(Key(entry.path.clone()), Some(entry));
            self.gone -= usize::from(before.is_some_and(|before| before.is_none()));
        }
    }

    pub(super) fn remove(&mut self, path: &[u8]) -> Option<Entry> {
        let old = self.get(path)?;
        let key = Key(path.to_vec());
        if self.is_behind(path) || self.sorted.get(path).is_none() {
            self.over.remove(&key);
            return Some(old);
        }
        self.over.insert(key, None);
        self.gone += 1;
        Some(old)
    }

    /// To be called when something was removed, once for all that goes together.
    pub(super) fn settle(&mut self) {
        if self.gone > MOST_GONE {
            let sorted = std::mem::take(self).into_index();
            *self = Gathered { sorted, ..Gathered::default() };
        }
    }

    /// The first path strictly below a directory.
    pub(super) fn first_below(&self, path: &[u8]) -> Option<Vec<u8>> {
        let from = (Bound::Excluded(Key(path.to_vec())), Bound::Unbounded);
        let over = self.over.range(from).take_while(|(key, _)| is_below(&key.0, path));
        let over = over.filter(|(_, entry)| entry.is_some()).map(|(key, _)| key.0.clone()).next();
        let sorted = match self.is_behind(path) {
            true => None,
            false => self.sorted.below(path).map(|entry| entry.path).find(|path| !self.hides(path)),
        };
        match (over, sorted) {
            (Some(a), Some(b)) => Some(if compare_paths(&a, &b) == Ordering::Less { a } else { b }),
            (a, b) => a.or(b),
        }
    }

    /// All paths strictly below a directory.
    pub(super) fn below(&self, path: &[u8]) -> Vec<Vec<u8>> {
        let from = (Bound::Excluded(Key(path.to_vec())), Bound::Unbounded);
        let over = self.over.range(from).take_while(|(key, _)| is_below(&key.0, path));
        let over = over.filter(|(_, entry)| entry.is_some()).map(|(key, _)| key.0.clone());
        let mut below: Vec<Vec<u8>> = over.collect();
        if !self.is_behind(path) {
            let sorted = self.sorted.below(path).map(|entry| entry.path);
            below.extend(sorted.filter(|path| !self.hides(path)));
        }
        below
    }

    pub(super) fn into_index(self) -> LayerIndex {
        let Gathered { sorted, over, gone: _ } = self;
        if over.is_empty() {
            return sorted;
        }
        let mut index = LayerIndex::default();
        let (mut sorted, mut over) = (sorted.iter().peekable(), over.into_iter().peekable());
        loop {
            let order = match (sorted.peek(), over.peek()) {
                (Some(entry), Some((key, _))) => compare_paths(&entry.path, &key.0),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return index,
            };
            let next = match order {
                Ordering::Less => sorted.next(),
                Ordering::Greater => over.next().and_then(|(_, entry)| entry),
                Ordering::Equal => {
                    sorted.next();
                    over.next().and_then(|(_, entry)| entry)
                }
            };
            next.inspect(|entry| index.push(entry));
        }
    }

    /// Whether everything in `sorted` comes before `path`, and so does not have it nor anything below it.
    fn is_behind(&self, path: &[u8]) -> bool {
        self.sorted.last_path().is_none_or(|last| compare_paths(last, path) == Ordering::Less)
    }

    fn hides(&self, path: &[u8]) -> bool {
        !self.over.is_empty() && self.over.contains_key(&Key(path.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::EntryKind;

    /// Beside a map: whatever comes in whatever order, the answers are the same.
    #[test]
    fn answers_are_those_of_a_map() {
        let mut state = 7_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        for round in 0..60 {
            let (mut gathered, mut map) = (Gathered::default(), BTreeMap::new());
            for step in 0..120 {
                // Some rounds come nearly in order, as archives do.
                let first = if round % 2 == 0 { step / 30 } else { random(4) };
                let path = match random(3) {
                    0 => format!("d{first}"),
                    1 => format!("d{first}-{}", random(3)),
                    _ => format!("d{first}/f{}", random(40)),
                };
                let (key, path) = (Key(path.clone().into_bytes()), path.into_bytes());
                if random(5) == 0 {
                    assert_eq!(gathered.remove(&path), map.remove(&key));
                } else {
                    let entry = Entry::new(path.clone(), EntryKind::Fifo, step as u32);
                    map.insert(key.clone(), entry.clone());
                    gathered.insert(entry);
                }
                assert_eq!(gathered.get(&path).as_ref(), map.get(&key));
                let directory = format!("d{}", random(4)).into_bytes();
                let all = map.keys().map(|key| key.0.clone());
                let expected: Vec<_> = all.filter(|path| is_below(path, &directory)).collect();
                assert_eq!(gathered.first_below(&directory).as_ref(), expected.first());
                let mut below = gathered.below(&directory);
                below.sort_by(|a, b| compare_paths(a, b));
                assert_eq!(below, expected);
            }
            let index: Vec<Entry> = gathered.into_index().into_entries();
            assert_eq!(index, map.into_values().collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_is_removed_does_not_pile_up() {
        let path = |number: u32| format!("d/{number:05}").into_bytes();
        let mut gathered = Gathered::default();
        (0..9000).for_each(|number| gathered.insert(Entry::new(path(number), EntryKind::Fifo, 0)));
        for number in 0..8999 {
            assert!(gathered.remove(&path(number)).is_some());
            assert!(gathered.remove(&path(number)).is_none());
            gathered.settle();
            assert!(gathered.over.len() <= MOST_GONE);
        }
        assert_eq!(gathered.first_below(b"d"), Some(path(8999)));
        gathered.insert(Entry::new(path(3), EntryKind::Fifo, 7));
        assert_eq!(gathered.below(b"d").len(), 2);
        assert_eq!(gathered.into_index().len(), 2);
    }
}
