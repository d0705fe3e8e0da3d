//! `KEY.gone`: what remains of a record that was pruned while others stayed.
//!
//! A step that runs again must lead to a new state (see [`super`]), because records may have been made on its first one,
//! and builds that run may still make some: a record can name another layer than the one that they hold. So a marker says when it was
//! made, and goes when no record names the state and every one that is left was written longer after that than a build takes.
//! It has nothing to do with what became of the step since then: only [`super::prune()`] removes it.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use store::StoreError;

use super::prune::failed;
use super::record::{Cache, millis};

/// For a record that was damaged: somebody may have held its layer. In the year 2100; a file system that knows no such time
/// takes the last one it knows.
pub(super) const FOREVER: u64 = 4_102_444_800_000;

/// `time` is not earlier than when any record that stays was written, whatever the clock says. It is that of an empty
/// file, which takes no room: there can be many.
pub(super) fn set(cache: &Cache, key: &str, time: u64) -> Result<(), StoreError> {
    let marker = cache.path(key, "gone");
    let before = if marker.exists() { self::time(&marker) } else { 0 };
    let time = UNIX_EPOCH + Duration::from_millis(time.max(before));
    let written = File::create(&marker).and_then(|file| file.set_modified(time));
    written.map_err(failed("write", &marker))
}

/// Those of versions before, which have content, do not tell.
pub(super) fn time(marker: &Path) -> u64 {
    let Ok(about) = fs::metadata(marker) else { return FOREVER };
    match about.modified() {
        Ok(time) if about.len() == 0 => millis(time),
        _ => FOREVER,
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;
    use std::time::SystemTime;

    use store::{Descriptor, DiffId, Digest, Store};

    use super::*;
    use crate::cache::{CacheSelection, Inputs, KeyBuilder, Record, StepKey, check, prune};

    const HOUR: Duration = Duration::from_secs(3600);

    fn key(name: &str) -> StepKey {
        KeyBuilder::new(name).finish()
    }

    fn write(cache: &Cache, name: &str) {
        let digest = Digest::of(name.as_bytes());
        let record = Cache::record(key(name), key("parent"), name, serde_json::Value::Null);
        let record: Record = record(0, DiffId(digest), Descriptor::new("layer", digest, 5), None);
        cache.write(&record, &Default::default(), &Inputs::default()).unwrap();
        // A marker is not older than what was written in the same tick.
        sleep(Duration::from_millis(3));
    }

    /// Forgets one as if it had not been used for long.
    fn forget(store: &Store, cache: &Cache, name: &str) {
        let file = File::open(cache.path(&key(name).to_string(), "json")).unwrap();
        file.set_modified(SystemTime::now() - 2 * HOUR).unwrap();
        prune_old(store, &[key(name).to_string()]);
        sleep(Duration::from_millis(3));
    }

    #[track_caller]
    fn prune_old(store: &Store, gone: &[String]) {
        let selection = CacheSelection { all: true, unused_for: Some(HOUR), limit: None };
        assert_eq!(prune(store, Some(selection)).unwrap().entries, gone);
    }

    fn markers(cache: &Cache) -> usize {
        let names = fs::read_dir(&cache.steps).unwrap().map(|entry| entry.unwrap().path());
        names.filter(|path| path.extension().is_some_and(|ending| ending == "gone")).count()
    }

    #[test]
    fn they_stay_as_long_as_a_record_that_may_stand_on_what_went() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store"), &dir.path().join("state")).unwrap();
        let cache = Cache::open(&store).unwrap();
        write(&cache, "first");
        write(&cache, "on the first");
        forget(&store, &cache, "first");
        // Whatever is written, and found, afterwards.
        write(&cache, "first");
        write(&cache, "later");
        forget(&store, &cache, "first");
        prune_old(&store, &[]);
        assert!(cache.has_run(key("first")));
        assert_eq!(markers(&cache), 1);
        forget(&store, &cache, "on the first");
        // The last of them may stand on `later`, which was there before it went.
        assert!(cache.has_run(key("first")) && cache.has_run(key("on the first")));
        write(&cache, "latest");
        // A build that found the first result may still run.
        forget(&store, &cache, "later");
        assert!(cache.has_run(key("first")) && cache.has_run(key("later")));
        for name in ["first", "on the first"] {
            let marker = cache.path(&key(name).to_string(), "gone");
            let time = Duration::from_millis(time(&marker) - prune::LONGEST_BUILD);
            File::open(&marker).unwrap().set_modified(UNIX_EPOCH + time).unwrap();
        }
        prune_old(&store, &[]);
        assert!(!cache.has_run(key("first")) && !cache.has_run(key("on the first")));
        assert!(cache.has_run(key("later")));
        assert_eq!(markers(&cache), 1);
        forget(&store, &cache, "latest");
        assert_eq!(fs::read_dir(&cache.steps).unwrap().count(), 0);
    }

    #[test]
    fn what_was_damaged_has_run() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store"), &dir.path().join("state")).unwrap();
        let cache = Cache::open(&store).unwrap();
        for name in ["pruned", "checked", "whole"] {
            write(&cache, name);
        }
        let damage =
            |name: &str| fs::write(cache.path(&key(name).to_string(), "json"), "{").unwrap();
        damage("pruned");
        prune_old(&store, &[]);
        damage("checked");
        assert_eq!(check(&store, true).unwrap().len(), 1);
        write(&cache, "later");
        forget(&store, &cache, "whole");
        assert!(cache.has_run(key("pruned")) && cache.has_run(key("checked")));
    }
}
