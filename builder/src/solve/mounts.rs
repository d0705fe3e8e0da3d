//! What the mounts of a RUN read: for its key, and as snapshots to mount.

use std::path::Path;
use std::sync::{Arc, PoisonError};

use store::ActiveSnapshot;
use store::tree::Tree;

use super::filesystem::{Filesystem, Layer, Sealed};
use super::session::Session;
use crate::cache::{Cache, Inputs, KeyBuilder, StepKey};
use crate::execute::run::{self, MountPlan, Prepared, cache_mount};
use crate::execute::source::{Link, NodeKind, Source as Files, SourceError, clean, resolve};
use crate::execute::{StepError, copy};
use crate::step::{CacheMount, CopySource, CopyStep, RunMount, RunStep, Source};

/// Everything the mounts read from.
pub(super) fn sources(step: &RunStep) -> impl Iterator<Item = &Source> {
    step.mounts.iter().filter_map(|mount| match mount {
        RunMount::Bind(bind) => Some(&bind.from),
        RunMount::Cache(cache) => Some(&cache.from),
        RunMount::Tmpfs { .. } | RunMount::Secret(_) | RunMount::Ssh(_) => None,
    })
}

/// What of the mounts belongs in the key.
pub(super) fn inputs(session: &Session<'_>, step: &RunStep) -> Result<Inputs, StepError> {
    let mut inputs = Inputs::default();
    for mount in &step.mounts {
        match mount {
            RunMount::Bind(bind) => {
                let layers = session.source_layers(&bind.from)?;
                match layers {
                    // The state as a whole: nothing needs to be looked at.
                    Some(layers) if clean(bind.source.as_bytes()).is_empty() => {
                        inputs.fact(format!("mount {}", bind.target), layers.key);
                    }
                    _ => {
                        let prepared = copy_of(session, &bind.from, &bind.source)?;
                        inputs.extend(&format!("mount {}: ", bind.target), &prepared.inputs);
                    }
                }
            }
            RunMount::Cache(cache) => {
                if let Some(layers) = session.source_layers(&cache.from)? {
                    inputs.fact(format!("cache {}", cache.target), layers.key);
                }
            }
            RunMount::Tmpfs { .. } | RunMount::Secret(_) | RunMount::Ssh(_) => {}
        }
    }
    Ok(inputs)
}

/// Snapshots and cache directories for the mounts, in their order.
pub(super) fn prepare(session: &Session<'_>, step: &RunStep) -> Result<MountPlan, StepError> {
    let mut plan = MountPlan::default();
    let mut caches = Vec::new();
    for (number, mount) in step.mounts.iter().enumerate() {
        if let RunMount::Cache(cache) = mount
            && run::is_made(&step.mounts, number)
        {
            caches.push((number, cache, seed_key(session, &cache.from)?));
        }
    }
    let seed = |cache: &CacheMount, dir: &Path| seed(session, &cache.from, dir);
    let mut opened = cache_mount::open_all(caches, session.store, &session.stop, seed)?;
    for (number, mount) in step.mounts.iter().enumerate() {
        plan.sources.push(match mount {
            RunMount::Bind(bind) if run::is_made(&step.mounts, number) => {
                bind_tree(session, &bind.from, &bind.source)?
            }
            _ => opened.remove(&number).map_or(Prepared::Nothing, Prepared::Cache),
        });
    }
    Ok(plan)
}

/// What a new cache directory is filled with: a directory of the user's counts by its name.
fn seed_key(session: &Session<'_>, from: &Source) -> Result<StepKey, StepError> {
    Ok(match session.source_layers(from)? {
        Some(layers) => layers.key,
        None => KeyBuilder::new("directory").part(format!("{from:?}").as_bytes()).finish(),
    })
}

fn bind_tree(session: &Session<'_>, from: &Source, path: &str) -> Result<Prepared, StepError> {
    if let Some(layers) = session.source_layers(from)? {
        let (stack, path) = (layers.snapshots(session.store)?, path.to_owned());
        if stack.is_empty() {
            let copy = Arc::new(session.snapshotter.prepare(&[])?);
            return Ok(Prepared::Copy { copy, path });
        }
        return Ok(Prepared::Tree { stack, path });
    }
    let files = session.files(from)?;
    let name = match is_directory(&*files, path)? {
        true => "/",
        false => "/file",
    };
    let copy = copy_of_directory(session, from, path, name)?;
    Ok(Prepared::Copy { copy, path: name.to_owned() })
}

/// Files of a directory of the user's: without what is ignored, owned by root. The same ones are
/// copied once in a build and go away with it.
fn copy_of_directory(
    session: &Session<'_>,
    from: &Source,
    path: &str,
    dest: &str,
) -> Result<Arc<ActiveSnapshot>, StepError> {
    let prepared = copy_of(session, from, path)?;
    let key = KeyBuilder::new("copy").part(dest.as_bytes()).inputs(&prepared.inputs).finish();
    let slot = {
        let mut copies = session.copies.lock().unwrap_or_else(PoisonError::into_inner);
        copies.entry(key).or_default().clone()
    };
    let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(copy) = &*slot {
        return Ok(copy.clone());
    }
    let active = session.snapshotter.prepare(&[])?;
    let step = CopyStep { dest: dest.to_owned(), ..whole(from, path) };
    copy::execute_into(&step, &prepared, &active.upper, &session.copy_setting())?;
    Ok(slot.insert(Arc::new(active)).clone())
}

fn is_directory(files: &dyn Files, path: &str) -> Result<bool, StepError> {
    let followed: Result<_, SourceError> = resolve(path.as_bytes(), true, |at| {
        Ok(match files.lookup(at)?.map(|node| node.kind) {
            None => Link::Absent,
            Some(NodeKind::Symlink { target }) => Link::To(target),
            Some(_) => Link::Object,
        })
    });
    Ok(files.lookup(&followed?)?.is_some_and(|node| node.is_dir()))
}

fn copy_of(session: &Session<'_>, from: &Source, path: &str) -> Result<copy::Prepared, StepError> {
    copy::prepare(&whole(from, path), &session.files(from)?, &session.copy_setting())
}

/// FROM a directory: its files are the only layer.
pub(super) fn directory_as_base(
    session: &Session<'_>,
    name: &str,
) -> Result<Filesystem, StepError> {
    let from = Source::Named(name.to_owned());
    let prepared = copy_of(session, &from, "/")?;
    let scratch = Filesystem::scratch();
    let key = KeyBuilder::new("directory as base").inputs(&prepared.inputs).finish();
    let layer = match session.cache.find(key)? {
        Some(record) => {
            let sealed = Sealed::recorded(&record, &session.cache);
            Layer::sealed_now(sealed, record.created, record.snapshot)
        }
        None => {
            let step = whole(&from, "/");
            let layer =
                copy::execute(&step, &prepared, &Tree::default(), &session.copy_setting(), None)?;
            let record = Cache::record(key, scratch.key, name, serde_json::Value::Null);
            let record = record(session.now, layer.diff_id(), layer.descriptor.clone(), None);
            session.cache.write(&record, &layer.index, &prepared.inputs)?;
            Layer::sealed_now(Sealed::new(layer), session.now, None)
        }
    };
    Ok(scratch.with(key, Arc::new(layer)))
}

/// A COPY of everything at `path`.
fn whole(from: &Source, path: &str) -> CopyStep {
    CopyStep {
        from: from.clone(),
        sources: vec![CopySource::Path(path.to_owned())],
        dest: "/".to_owned(),
        chown: None,
        chmod: None,
        link: false,
        excludes: Vec::new(),
        unpack: false,
        created: None,
    }
}

/// Fills a new cache directory from what the mount names.
fn seed(session: &Session<'_>, from: &Source, dir: &Path) -> Result<(), StepError> {
    if *from == Source::Scratch {
        return Ok(());
    }
    let prepared = copy_of(session, from, "/")?;
    let target = sys::RootDir::open(dir)?;
    copy::execute_into(&whole(from, "/"), &prepared, &target, &session.copy_setting())
}
