//! Whether the records of the cache are whole, and the snapshots that only they lead to.
//!
//! What is damaged may go: the step runs again. `KEY.gone` then says that it ran before (see [`super`]).

use std::fmt;
use std::fs;

use store::layer::LayerIndex;
use store::{Store, StoreError};

use super::markers;
use super::record::Cache;

/// Something that is wrong with the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheProblem {
    /// A path in the store.
    pub object: String,
    pub problem: String,
    /// The record that has to go.
    key: String,
}

impl fmt::Display for CacheProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.object, self.problem)
    }
}

/// Reads all records. With `repair`, those that are damaged go.
pub fn check(store: &Store, repair: bool) -> Result<Vec<CacheProblem>, StoreError> {
    let cache = Cache::open(store)?;
    let chained = store.chained_snapshots()?;
    let mut problems = Vec::new();
    for path in super::prune::paths_in(&cache.steps)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(key) = name.strip_suffix(".json") else { continue };
        let problem = |file: String, problem: &str| CacheProblem {
            object: format!("cache/steps/{file}"),
            problem: problem.to_owned(),
            key: key.to_owned(),
        };
        let Some(record) = cache.read(key) else {
            // Unless it was pruned since it was listed.
            problems.extend(path.exists().then(|| problem(name.clone(), "the record is damaged")));
            continue;
        };
        let index = cache.index_path(&record);
        let Ok(bytes) = fs::read(&index) else { continue };
        let Ok(index) = LayerIndex::from_vec(bytes) else {
            let index = index.file_name().unwrap_or_default().to_string_lossy().into_owned();
            problems.push(problem(index, "the layer index is damaged"));
            continue;
        };
        let snapshot = record.snapshot.filter(|id| store.has_snapshot(id) && !chained.contains(id));
        for found in snapshot.iter().flat_map(|id| store.validate_snapshot(id, &index)).flatten() {
            problems.push(problem(name.clone(), &found.to_string()));
        }
    }
    if repair {
        for problem in &problems {
            forget(&cache, &problem.key)?;
        }
    }
    Ok(problems)
}

fn forget(cache: &Cache, key: &str) -> Result<(), StoreError> {
    let index = cache.read(key).map(|record| cache.index_path(&record));
    // Builds that run now may stand on it.
    markers::set(cache, key, markers::FOREVER)?;
    for path in [cache.path(key, "json"), cache.path(key, "inputs")].into_iter().chain(index) {
        super::prune::remove(&path)?;
    }
    Ok(())
}
