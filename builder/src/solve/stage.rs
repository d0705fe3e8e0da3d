//! One stage: its steps one after the other, each from the cache or executed.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use store::id_map::IdMap;
use store::layer::{LayerIndex, LayerWriter, scan, write_layer};
use store::{Platform, SnapshotId, Store};

use super::filesystem::{Filesystem, Layer, Sealed};
use super::session::Session;
use crate::cache::{Cache, Inputs, KeyBuilder, Record, StepKey, StepLock, explain};
use crate::error::BuildError;
use crate::execute::{NewLayer, StepError, copy, run, workdir};
use crate::plan::PlannedStage;
use crate::progress::{BuildEvent, ProgressId};
use crate::step::{PlannedStep, StageId, Step};

/// Runs a whole stage and leaves its result or failure in the session.
pub(super) fn run_stage(session: &Session<'_>, id: StageId) {
    let stage = &session.plan.stages[id.0];
    match steps(session, stage) {
        Ok(filesystem) => session.finish_stage(id, Some(filesystem)),
        Err(error) => {
            session.fail(error);
            session.finish_stage(id, None);
        }
    }
}

fn steps(session: &Session<'_>, stage: &PlannedStage) -> Result<Filesystem, BuildError> {
    let base_failed = |name: String| {
        move |source| BuildError::Step { name, span: stage.span, source: Box::new(source) }
    };
    let base_name = stage.base_step.clone().unwrap_or_default();
    let began = Instant::now();
    let mut filesystem =
        session.base(&stage.base, &stage.platform).map_err(base_failed(base_name.clone()))?;
    if !base_name.is_empty() {
        let id = session.next_id();
        session.event(BuildEvent::StepStarted { id, name: base_name });
        session.event(BuildEvent::StepDone { id, elapsed: began.elapsed() });
    }
    for (ordinal, planned) in stage.steps.iter().enumerate() {
        if session.stop.is_cancelled() {
            return Err(BuildError::Cancelled);
        }
        let step = OneStep { session, stage, planned, ordinal, below: &filesystem };
        filesystem = step.run()?;
    }
    Ok(filesystem)
}

struct OneStep<'a> {
    session: &'a Session<'a>,
    stage: &'a PlannedStage,
    planned: &'a PlannedStep,
    ordinal: usize,
    below: &'a Filesystem,
}

/// A step whose key is known.
struct Keyed {
    key: StepKey,
    inputs: Inputs,
    work: Work,
    /// `--link`: what it makes does not depend on the state below.
    linked: bool,
}

/// What is left to do when the cache does not have it.
enum Work {
    Copy(copy::Prepared),
    Workdir,
    Run,
}

/// How a layer came about.
enum Outcome {
    Cached,
    Made,
}

impl OneStep<'_> {
    fn run(&self) -> Result<Filesystem, BuildError> {
        // Whatever it reads from is waited for before it counts as running.
        let ready = self.wait_for_sources();
        let _permit = self.session.permit();
        let (id, began) = (self.session.next_id(), Instant::now());
        self.session.event(BuildEvent::StepStarted { id, name: self.planned.name.clone() });
        match ready.and_then(|()| self.solve(id)) {
            Ok((filesystem, outcome)) => {
                if matches!(outcome, Outcome::Cached) {
                    self.session.cached.fetch_add(1, Ordering::Relaxed);
                    self.session.event(BuildEvent::StepCached { id });
                } else {
                    self.session.event(BuildEvent::StepDone { id, elapsed: began.elapsed() });
                }
                Ok(filesystem)
            }
            Err(StepError::Cancelled) => {
                self.session.event(BuildEvent::StepCancelled { id });
                Err(BuildError::Cancelled)
            }
            Err(source) => {
                let (elapsed, error) = (began.elapsed(), source.to_string());
                self.session.event(BuildEvent::StepFailed { id, elapsed, error });
                let (name, span) = (self.planned.name.clone(), self.planned.span);
                Err(BuildError::Step { name, span, source: Box::new(source) })
            }
        }
    }

    fn wait_for_sources(&self) -> Result<(), StepError> {
        match &self.planned.step {
            Step::Copy(copy) => self.session.source_layers(&copy.from).map(drop),
            Step::Run(run) => super::mounts::sources(run)
                .try_for_each(|source| self.session.source_layers(source).map(drop)),
            Step::Workdir(_) => Ok(()),
        }
    }

    fn solve(&self, id: ProgressId) -> Result<(Filesystem, Outcome), StepError> {
        let description = serde_json::to_value(&self.planned.step)
            .map_err(|source| StepError::Serialise { what: "the step", source })?;
        let keyed = self.key(&description)?;
        let slot = {
            let mut steps = self.session.steps.lock().unwrap_or_else(PoisonError::into_inner);
            steps.entry(keyed.key).or_default().clone()
        };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((key, layer)) = &*slot {
            return Ok((self.above(&keyed, *key, layer.clone()), Outcome::Cached));
        }
        let place = self.place();
        // Builds at the same time make a step once, too.
        let (found, lock) = match self.find(&keyed)? {
            Some(record) => (Some(record), None),
            None => {
                let lock = self.session.cache.lock(keyed.key, &self.session.stop)?;
                (self.find(&keyed)?, Some(lock))
            }
        };
        let (key, layer, outcome) = match found {
            Some(record) => {
                let (key, layer) = self.recorded(keyed.key, &record);
                (key, layer, Outcome::Cached)
            }
            None => {
                let cache = &self.session.cache;
                let reason = explain(cache, place, self.below.key, &description, &keyed.inputs);
                if let Some(reason) = reason.filter(|_| !self.stage.no_cache) {
                    self.session.event(BuildEvent::Miss { id, reason });
                }
                let (key, layer) = self.make(id, &keyed, description, lock)?;
                (key, layer, Outcome::Made)
            }
        };
        self.session.cache.set_last_at(place, keyed.key)?;
        *slot = Some((key, layer.clone()));
        Ok((self.above(&keyed, key, layer), outcome))
    }

    fn find(&self, keyed: &Keyed) -> Result<Option<Record>, StepError> {
        if self.stage.no_cache { Ok(None) } else { self.session.cache.find(keyed.key) }
    }

    fn above(&self, keyed: &Keyed, key: StepKey, layer: Arc<Layer>) -> Filesystem {
        let key = match keyed.linked {
            true => KeyBuilder::new("linked").key(self.below.key).key(key).finish(),
            false => key,
        };
        self.below.with(key, layer)
    }

    /// The place in the Dockerfile, to explain misses by comparing with what was there before.
    fn place(&self) -> StepKey {
        let request = self.session.request;
        KeyBuilder::new("place")
            .part(format!("{:?}", request.context).as_bytes())
            .part(request.dockerfile.name.as_bytes())
            .part(self.stage.name.as_bytes())
            .part(self.stage.platform.to_string().as_bytes())
            .part(&self.ordinal.to_le_bytes())
            .finish()
    }

    fn key(&self, description: &serde_json::Value) -> Result<Keyed, StepError> {
        let (work, inputs, linked) = match &self.planned.step {
            Step::Copy(step) => {
                let from = self.session.files(&step.from)?;
                let mut prepared = copy::prepare(step, &from, &self.session.copy_setting())?;
                // Names of owners are looked up in the tree below.
                let named = step.chown.as_deref().is_some_and(runtime::user::needs_files);
                let linked = step.link && !named;
                if step.link {
                    let below = self.below.tree(self.session.store)?;
                    copy::link_inputs(step, &below, &mut prepared.inputs);
                }
                let inputs = prepared.inputs.clone();
                (Work::Copy(prepared), inputs, linked)
            }
            Step::Workdir(_) => (Work::Workdir, Inputs::default(), false),
            Step::Run(step) => (Work::Run, super::mounts::inputs(self.session, step)?, false),
        };
        let mut key = KeyBuilder::new("step").part(self.stage.platform.to_string().as_bytes());
        if !linked {
            key = key.key(self.below.key);
        }
        let key = key.part(description.to_string().as_bytes()).inputs(&inputs).finish();
        Ok(Keyed { key, inputs, work, linked })
    }

    fn recorded(&self, key: StepKey, record: &Record) -> (StepKey, Arc<Layer>) {
        let sealed = Sealed::recorded(record, &self.session.cache);
        let layer = Layer::sealed_now(sealed, record.created, record.snapshot.clone());
        (record.same_as.unwrap_or(key), Arc::new(layer))
    }

    fn make(
        &self,
        id: ProgressId,
        keyed: &Keyed,
        description: serde_json::Value,
        lock: Option<StepLock>,
    ) -> Result<(StepKey, Arc<Layer>), StepError> {
        let session = self.session;
        let (store, setting) = (session.store, session.copy_setting());
        let created = session.plan.source_date_epoch.unwrap_or(session.now);
        let report = Report {
            cache: session.cache.clone(),
            key: keyed.key,
            parent: self.below.key,
            name: self.planned.name.clone(),
            description,
            inputs: keyed.inputs.clone(),
            created,
            leads_to: self.state_key(keyed.key),
            _lock: lock,
        };
        let layer = match (&self.planned.step, &keyed.work) {
            (Step::Copy(step), Work::Copy(prepared)) => {
                copy::execute(step, prepared, &self.below.tree(store)?, &setting)?
            }
            (Step::Workdir(step), _) => workdir::execute(step, &self.below.tree(store)?, &setting)?,
            (Step::Run(step), _) => {
                let snapshot = self.execute_run(id, step)?;
                return self.keep_run(keyed, report, snapshot);
            }
            // A COPY is always prepared.
            (Step::Copy(_), _) => return Err(StepError::Cancelled),
        };
        if let Some(known) = self.second_chance(keyed, &report, &layer.index)? {
            return Ok(known);
        }
        report.write(&layer, None)?;
        Ok((report.leads_to, Arc::new(Layer::sealed_now(Sealed::new(layer), created, None))))
    }

    /// A step that ran before and runs again (`--no-cache`, a layer that was lost) leads to a new state:
    /// what later steps made of its first result must not be laid over its second one.
    fn state_key(&self, key: StepKey) -> StepKey {
        if self.session.cache.read(&key.to_string()).is_none() {
            return key;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let builder = KeyBuilder::new("again").key(key).part(&now.as_nanos().to_le_bytes());
        builder.part(&std::process::id().to_le_bytes()).finish()
    }

    fn execute_run(
        &self,
        id: ProgressId,
        step: &crate::step::RunStep,
    ) -> Result<SnapshotId, StepError> {
        let session = self.session;
        let host = Platform::host();
        if self.stage.platform.architecture != host.architecture {
            let (platform, host) = (self.stage.platform.to_string(), host.to_string());
            return Err(StepError::ForeignPlatform { platform, host });
        }
        let no_zygote = || StepError::NoContainers { source: runtime::RuntimeError::NotRoot };
        let zygote = session.zygote.ok_or_else(no_zygote)?;
        let stack = self.below.snapshots(session.store)?;
        let plan = super::mounts::prepare(session, step)?;
        let log = |stream, bytes| session.event(BuildEvent::StepLog { id, stream, bytes });
        let setting = run::Setting {
            zygote,
            snapshotter: &*session.snapshotter,
            cancel: &session.stop,
            secrets: &session.request.secrets,
            log: &log,
        };
        let temp = session.store.temp_path()?;
        let unique = temp.file_name().map(|name| name.to_string_lossy().into_owned());
        let name: String = unique
            .unwrap_or_default()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        let name = format!("build-{}", &name[name.len().saturating_sub(50)..]);
        run::execute(step, &name, &stack, plan, &setting)
    }

    /// Later steps go on while the layer is sealed, unless an earlier result may be the same.
    fn keep_run(
        &self,
        keyed: &Keyed,
        report: Report,
        snapshot: SnapshotId,
    ) -> Result<(StepKey, Arc<Layer>), StepError> {
        let session = self.session;
        let key = report.leads_to;
        let (created, below, store) = (report.created, self.below.clone(), session.store.clone());
        if !self.stage.no_cache && session.cache.has_results_on(self.below.key) {
            let layer = seal_snapshot(&store, &below, &snapshot)?;
            if let Some(known) = self.second_chance(keyed, &report, &layer.index)? {
                return Ok(known);
            }
            report.write(&layer, Some(snapshot.clone()))?;
            let sealed = Layer::sealed_now(Sealed::new(layer), created, Some(snapshot));
            return Ok((key, Arc::new(sealed)));
        }
        let layer = Arc::new(Layer::unsealed(created, snapshot.clone()));
        let (cell, guard) = (layer.clone(), layer.sealing());
        let seal = move || {
            let _guard = guard;
            let sealed = seal_snapshot(&store, &below, &snapshot).and_then(|layer| {
                report.write(&layer, Some(snapshot.clone()))?;
                Ok(Sealed::new(layer))
            });
            cell.seal(sealed.map_err(|error| error_chain(&error)));
        };
        let handle = std::thread::spawn(seal);
        session.sealing.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
        Ok((key, layer))
    }

    /// The recorded layer of a step on the same state that is equal to what was just made, times aside.
    fn second_chance(
        &self,
        keyed: &Keyed,
        report: &Report,
        index: &LayerIndex,
    ) -> Result<Option<(StepKey, Arc<Layer>)>, StepError> {
        if self.stage.no_cache || keyed.linked {
            return Ok(None);
        }
        let cache = &self.session.cache;
        let Some(earlier) = cache.with_result(self.below.key, fingerprint(index)) else {
            return Ok(None);
        };
        let Some(record) = cache.find_text(&earlier)? else { return Ok(None) };
        let Some(same_as) = record.same_as.or_else(|| StepKey::parse(&record.key)) else {
            return Ok(None);
        };
        let alias = Record {
            key: keyed.key.to_string(),
            name: report.name.clone(),
            step: report.description.clone(),
            same_as: Some(same_as),
            ..record.clone()
        };
        cache.write(&alias, index, &report.inputs)?;
        let sealed = Sealed::recorded(&record, cache);
        let layer = Layer::sealed_now(sealed, record.created, record.snapshot);
        Ok(Some((same_as, Arc::new(layer))))
    }
}

/// What becomes the record of a step.
struct Report {
    cache: Cache,
    key: StepKey,
    parent: StepKey,
    name: String,
    description: serde_json::Value,
    inputs: Inputs,
    created: i64,
    /// The key of the state it leads to, see [`OneStep::state_key`].
    leads_to: StepKey,
    /// Until the record is written.
    _lock: Option<StepLock>,
}

impl Report {
    fn write(&self, layer: &NewLayer, snapshot: Option<SnapshotId>) -> Result<(), StepError> {
        let step = self.description.clone();
        let record = Cache::record(self.key, self.parent, &self.name, step);
        let mut record = record(self.created, layer.diff_id(), layer.descriptor.clone(), snapshot);
        record.same_as = (self.leads_to != self.key).then_some(self.leads_to);
        self.cache.write(&record, &layer.index, &self.inputs)?;
        self.cache.set_result(self.parent, fingerprint(&layer.index), self.key)
    }
}

/// Scans what a RUN changed and writes it as a layer.
fn seal_snapshot(
    store: &Store,
    below: &Filesystem,
    snapshot: &SnapshotId,
) -> Result<NewLayer, StepError> {
    let upper = store.snapshotter().dir(snapshot)?;
    let index = scan(&upper, &below.tree(store)?, IdMap::Identity)?;
    let mut writer = LayerWriter::new(store.blob_writer()?);
    write_layer(&index, &upper, &mut writer)?;
    copy::seal(writer)
}

/// A layer's content without its times and places in the tar.
fn fingerprint(index: &LayerIndex) -> StepKey {
    use store::layer::EntryKind;
    let mut key = KeyBuilder::new("result");
    for entry in index {
        let kind = match &entry.kind {
            EntryKind::File { size, digest, .. } => format!("file {size} {digest:?}"),
            kind => format!("{kind:?}"),
        };
        let attributes = format!("{:o} {}:{} {:?}", entry.mode, entry.uid, entry.gid, entry.xattrs);
        key = key.part(&entry.path).part(kind.as_bytes()).part(attributes.as_bytes());
    }
    key.finish()
}

fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}
