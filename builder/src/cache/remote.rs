//! The cache of a build in a registry (`--cache-to`, `--cache-from`): records of steps, and their layers.
//!
//! Keys say what a step's result depends on and nothing of the machine, so a record is good anywhere. The document lists
//! the records, one for each layer of the artifact; a layer is fetched when a step has the key. What was read by a step
//! stays behind: it only explains misses, and is large.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use store::layer::index_layer;
use store::registry::{Registries, RegistryError, Watch};
use store::tree::Tree;
use store::{Descriptor, DiffId, FormOptions, Platform, Reference, Store};

use super::{Cache, Inputs, Record, StepKey, inline};
use crate::execute::StepError;

const KIND: &str = "application/vnd.rbuild.cache.v1+json";
const SCHEMA: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct Document {
    schema: u32,
    /// In the order of the layers.
    records: Vec<Record>,
}

/// What registries know of steps.
#[derive(Debug, Default)]
pub(crate) struct Imported {
    registries: Option<Registries>,
    known: Mutex<HashMap<String, Known>>,
}

#[derive(Clone, Debug)]
struct Known {
    name: Reference,
    record: Record,
    layer: Descriptor,
}

/// A step that some cache has.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) key: StepKey,
    pub(crate) parent: StepKey,
    pub(crate) name: &'a str,
    pub(crate) step: &'a serde_json::Value,
    pub(crate) platform: String,
}

impl Wanted<'_> {
    /// An image tells only what a step made. What it is, its key says: whoever has the key knows it.
    fn describe(&self, record: &mut Record) {
        record.parent = self.parent.to_string();
        record.name = self.name.to_owned();
        record.step = self.step.clone();
        record.platform = Some(self.platform.clone());
    }
}

/// Why a cache is not used, or not sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RemoteError {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Step(Box<StepError>),
    #[error("its layer cannot be read")]
    Layer { source: Box<StepError> },
    #[error("what is there is no cache of rbuild's")]
    Kind,
    #[error("its document is not valid")]
    Document { source: serde_json::Error },
    #[error("it has {records} records, but {layers} layers")]
    Count { records: usize, layers: usize },
}

impl From<StepError> for RemoteError {
    fn from(error: StepError) -> RemoteError {
        RemoteError::Step(Box::new(error))
    }
}

impl Imported {
    pub(crate) fn new(registries: Option<Registries>) -> Imported {
        Imported { registries, known: Mutex::default() }
    }

    /// Learns what is in the cache of that name. Of several, the first that knows a step counts.
    pub(crate) fn learn(
        &self,
        store: &Store,
        registries: &Registries,
        name: &Reference,
        platforms: &[Platform],
    ) -> Result<(), RemoteError> {
        let Some(found) = registries.artifact(store, name, KIND)? else {
            return self.learn_of_images(store, registries, name, platforms);
        };
        let document: Document = serde_json::from_slice(&found.document)
            .map_err(|source| RemoteError::Document { source })?;
        let (records, layers) = (document.records.len(), found.layers.len());
        if document.schema != SCHEMA || records != layers {
            return Err(RemoteError::Count { records, layers });
        }
        self.add(name, document.records.into_iter().zip(found.layers));
        Ok(())
    }

    /// What the configurations of images tell; see [`inline`].
    fn learn_of_images(
        &self,
        store: &Store,
        registries: &Registries,
        name: &Reference,
        platforms: &[Platform],
    ) -> Result<(), RemoteError> {
        let mut is_cache = false;
        for (manifest, config) in registries.documents(store, name, platforms)? {
            let lines = inline::told(&config);
            let Some(lines) = lines.map_err(|source| RemoteError::Document { source })? else {
                continue;
            };
            is_cache = true;
            let layers: HashMap<&DiffId, &Descriptor> =
                config.rootfs.diff_ids.iter().zip(&manifest.layers).collect();
            let found = lines.into_iter().filter_map(|line| {
                let layer = (*layers.get(&line.diff_id)?).clone();
                Some((line.record(layer.clone()), layer))
            });
            self.add(name, found);
        }
        if is_cache { Ok(()) } else { Err(RemoteError::Kind) }
    }

    fn add(&self, name: &Reference, found: impl Iterator<Item = (Record, Descriptor)>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for (record, layer) in found {
            let name = name.clone();
            known.entry(record.key.clone()).or_insert(Known { name, record, layer });
        }
    }

    /// Whether some cache has the step.
    pub(crate) fn has(&self, key: StepKey) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains_key(&key.to_string())
    }

    /// Makes the record of a step one of this store, with its layer. False if no cache has it any more.
    pub(crate) fn bring(
        &self,
        store: &Store,
        cache: &Cache,
        wanted: &Wanted<'_>,
        below: &Tree,
        watch: &dyn Watch,
    ) -> Result<bool, RemoteError> {
        // Tried once, whatever comes of it.
        let taken = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.remove(&wanted.key.to_string())
        };
        let (Some(known), Some(registries)) = (taken, &self.registries) else { return Ok(false) };
        let Known { name, record, layer } = known;
        // A state that is another one here: the cache would speak for steps that nobody asked it about. Of one that is
        // gone here nobody knows what it was, and later steps that were made on it may be there.
        let state = record.same_as.unwrap_or(wanted.key);
        match cache.read(&state.to_string()) {
            Some(own) if own.diff_id == record.diff_id => {}
            None if !cache.has_run(state) => {}
            _ => return Ok(false),
        }
        let descriptor = registries.fetch_plain(store, &name, &layer, record.diff_id, watch)?;
        let unreadable = |source: StepError| RemoteError::Layer { source: Box::new(source) };
        let plain = store.open_layer(&descriptor).map_err(|error| unreadable(error.into()))?;
        let index = index_layer(plain, below).map_err(|error| unreadable(error.into()))?;
        let mut record = Record { descriptor, snapshot: None, ..record };
        if record.step.is_null() {
            wanted.describe(&mut record);
        }
        cache.write(&record, &index, &Inputs::default())?;
        Ok(true)
    }
}

/// Sends the records of these steps, with their layers, to a registry.
pub(crate) fn export(
    store: &Store,
    cache: &Cache,
    registries: &Registries,
    name: &Reference,
    mut keys: Vec<StepKey>,
    form: FormOptions,
    watch: &dyn Watch,
) -> Result<(), RemoteError> {
    keys.sort();
    let (mut records, mut layers) = (Vec::new(), Vec::<(Descriptor, DiffId)>::new());
    for key in keys {
        let Some(record) = cache.find(key)? else { continue };
        layers.push((record.descriptor.clone(), record.diff_id));
        records.push(Record { snapshot: None, written: None, sum: None, ..record });
    }
    let document = serde_json::to_vec(&Document { schema: SCHEMA, records });
    let document = document
        .map_err(|source| StepError::Serialise { what: "the records of the cache", source })?;
    registries.push_artifact(store, name, (KIND, &document), &layers, form, watch)?;
    Ok(())
}
