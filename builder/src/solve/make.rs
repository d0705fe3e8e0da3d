//! A step that the cache does not have: executed, sealed, recorded.

use std::sync::{Arc, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use store::layer::LayerIndex;
use store::{SnapshotId, Store};

use super::filesystem::{Filesystem, Layer, Sealed};
use super::mounts;
use super::seal::{Times, error_chain, fingerprint, seal_snapshot};
use super::step::{Keyed, OneStep, Work};
use crate::cache::{Cache, Inputs, KeyBuilder, Record, StepKey, StepLock};
use crate::execute::{FormerLayer, NewLayer, StepError, copy, run, workdir};
use crate::progress::{BuildEvent, ProgressId};
use crate::step::Step;

impl OneStep<'_> {
    pub(super) fn make(
        &self,
        id: ProgressId,
        keyed: &Keyed,
        description: serde_json::Value,
        lock: Option<StepLock>,
    ) -> Result<(StepKey, Arc<Layer>), StepError> {
        let session = self.session;
        let store = session.store;
        let setting = copy::Setting { pack: session.pack(self.stage), ..session.copy_setting() };
        let created = session.plan.source_date_epoch.unwrap_or(session.now);
        let report = Report {
            cache: session.cache.clone(),
            key: keyed.key,
            parent: self.below.key,
            name: self.planned.name.clone(),
            description,
            inputs: keyed.inputs.clone(),
            platform: self.stage.platform.to_string(),
            created,
            leads_to: self.state_key(keyed.key, lock.is_some()),
            times: self.times(),
            prescribed: self.prescribed_time(),
            _lock: lock,
        };
        let layer = match (&self.planned.step, &keyed.work) {
            (Step::Copy(step), Work::Copy(prepared)) => {
                let below = self.below.tree(store)?;
                copy::execute(step, prepared, &below, &setting, self.former().as_ref())?
            }
            (Step::Workdir(step), _) => workdir::execute(step, &self.below.tree(store)?, &setting)?,
            (Step::Run(step), _) => {
                let snapshot = self.execute_run(id, step)?;
                return self.keep_run(id, keyed, report, snapshot);
            }
            // A COPY is always prepared.
            (Step::Copy(_), _) => return Err(StepError::Cancelled),
        };
        let result = report.result(&layer.index, store, self.below)?;
        if let Some(known) = self.second_chance(keyed, &report, result)? {
            session.event(BuildEvent::SameResult { id });
            return Ok(known);
        }
        report.write(&layer, None, result)?;
        Ok((report.leads_to, Arc::new(Layer::sealed_now(Sealed::new(layer), created, None))))
    }

    /// What was made at this place of the Dockerfile before.
    fn former(&self) -> Option<FormerLayer> {
        if self.stage.no_cache {
            return None;
        }
        let cache = &self.session.cache;
        let record = cache.read(self.places.former(self.ordinal)?)?;
        let index = cache.index(&record).ok()?;
        FormerLayer::open(self.session.store, &record.descriptor, index)
    }

    /// A step that ran before and runs again (`--no-cache`, a layer that was lost) leads to a new state:
    /// what later steps made of its first result must not be laid over its second one. So does one that another build
    /// makes at the same time.
    fn state_key(&self, key: StepKey, alone: bool) -> StepKey {
        if alone && !self.session.cache.has_run(key) {
            return key;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let builder = KeyBuilder::new("again").key(key).part(&now.as_nanos().to_le_bytes());
        builder.part(&std::process::id().to_le_bytes()).finish()
    }

    fn times(&self) -> Times {
        match &self.planned.step {
            Step::Copy(copy) if copy.unpack => Times::All,
            Step::Copy(_) | Step::Workdir(_) => Times::None,
            // The clock of the file system may be a tick behind.
            Step::Run(_) => Times::Before(self.session.now - 1),
        }
    }

    /// The time of what the step writes, where SOURCE_DATE_EPOCH says one.
    fn prescribed_time(&self) -> Option<i64> {
        match &self.planned.step {
            Step::Copy(step) => step.created,
            Step::Workdir(step) => step.created,
            Step::Run(_) => None,
        }
    }

    fn execute_run(
        &self,
        id: ProgressId,
        step: &crate::step::RunStep,
    ) -> Result<SnapshotId, StepError> {
        let session = self.session;
        let no_zygote = || StepError::NoContainers { source: runtime::RuntimeError::NotRoot };
        let zygote = session.zygote.ok_or_else(no_zygote)?;
        let stack = self.below.snapshots(session.store)?;
        let _lent = session.lend();
        let plan = mounts::prepare(session, step)?;
        let log = |stream, bytes| session.event(BuildEvent::StepLog { id, stream, bytes });
        let later = self.stage.steps.iter().skip(self.ordinal + 1);
        let setting = run::Setting {
            zygote,
            snapshotter: &*session.snapshotter,
            cancel: &session.stop,
            secrets: &session.request.secrets,
            ssh: &session.request.ssh,
            store: session.store,
            log: &log,
            following: later.filter(|planned| matches!(planned.step, Step::Run(_))).count(),
            spaces: session.spaces,
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
        id: ProgressId,
        keyed: &Keyed,
        report: Report,
        snapshot: SnapshotId,
    ) -> Result<(StepKey, Arc<Layer>), StepError> {
        let session = self.session;
        let key = report.leads_to;
        let (created, below, store) = (report.created, self.below.clone(), session.store.clone());
        let pack = session.pack(self.stage);
        if !self.stage.no_cache && session.cache.has_results_on(self.below.key) {
            let layer = seal_snapshot(&store, &below, &snapshot, pack)?;
            let result = report.result(&layer.index, &store, &below)?;
            if let Some(known) = self.second_chance(keyed, &report, result)? {
                session.event(BuildEvent::SameResult { id });
                return Ok(known);
            }
            report.write(&layer, Some(snapshot.clone()), result)?;
            let sealed = Layer::sealed_now(Sealed::new(layer), created, Some(snapshot));
            return Ok((key, Arc::new(sealed)));
        }
        // Its record comes before those of later steps, which are sealed after it (see `seal_snapshot`): a build that is
        // killed leaves none of them on a result that nobody has.
        let layer = Arc::new(Layer::unsealed(created, snapshot.clone()));
        let (cell, guard, stop) = (layer.clone(), layer.sealing(), session.stop.clone());
        let seal = move || {
            let _guard = guard;
            if stop.is_cancelled() {
                return;
            }
            let sealed = seal_snapshot(&store, &below, &snapshot, pack).and_then(|layer| {
                let result = report.result(&layer.index, &store, &below)?;
                report.write(&layer, Some(snapshot.clone()), result)?;
                Ok(Sealed::new(layer))
            });
            cell.seal(sealed.map_err(|error| format!("{}: {}", report.name, error_chain(&error))));
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
        result: StepKey,
    ) -> Result<Option<(StepKey, Arc<Layer>)>, StepError> {
        if self.stage.no_cache || keyed.linked {
            return Ok(None);
        }
        let cache = &self.session.cache;
        let Some(earlier) = cache.with_result(self.below.key, result) else {
            return Ok(None);
        };
        let Some(record) = cache.find_text(&earlier)? else { return Ok(None) };
        // The step may have run again since, with another result.
        let Ok(recorded) = cache.index(&record) else { return Ok(None) };
        if report.result(&recorded, self.session.store, self.below)? != result {
            return Ok(None);
        }
        let Some(same_as) = record.same_as.or_else(|| StepKey::parse(&record.key)) else {
            return Ok(None);
        };
        let alias = Record {
            key: keyed.key.to_string(),
            name: report.name.clone(),
            step: report.description.clone(),
            platform: Some(report.platform.clone()),
            same_as: Some(same_as),
            ..record.clone()
        };
        cache.write(&alias, &recorded, &report.inputs)?;
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
    inputs: Arc<Inputs>,
    platform: String,
    created: i64,
    /// The key of the state it leads to, see [`OneStep::state_key`].
    leads_to: StepKey,
    times: Times,
    /// A result with another prescribed time is another one: it may not take its place.
    prescribed: Option<i64>,
    /// Until the record is written. None where another build has it, and this one does not want that one's result.
    _lock: Option<StepLock>,
}

impl Report {
    /// What the result is known by.
    fn result(
        &self,
        index: &LayerIndex,
        store: &Store,
        below: &Filesystem,
    ) -> Result<StepKey, StepError> {
        let result = fingerprint(index, self.times, store, below)?;
        Ok(match self.prescribed {
            Some(time) => KeyBuilder::new("at").key(result).part(&time.to_le_bytes()).finish(),
            None => result,
        })
    }

    fn write(
        &self,
        layer: &NewLayer,
        snapshot: Option<SnapshotId>,
        result: StepKey,
    ) -> Result<(), StepError> {
        let step = self.description.clone();
        let record = Cache::record(self.key, self.parent, &self.name, step);
        let mut record = record(self.created, layer.diff_id(), layer.descriptor.clone(), snapshot);
        record.same_as = (self.leads_to != self.key).then_some(self.leads_to);
        record.platform = Some(self.platform.clone());
        self.cache.write(&record, &layer.index, &self.inputs)?;
        self.cache.set_result(self.parent, result, self.key)
    }
}
