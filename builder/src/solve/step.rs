//! One step: its key, and whether the cache has it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, TryLockError};
use std::time::Instant;

use super::filesystem::{Filesystem, Layer, Sealed};
use super::mounts;
use super::seal::error_chain;
use super::session::Session;
use crate::cache::{
    Asked, Inputs, KeyBuilder, MissReason, Places, Record, RemoteError, StepKey, Wanted, explain,
    short,
};
use crate::error::BuildError;
use crate::execute::{StepError, copy};
use crate::plan::PlannedStage;
use crate::progress::{BuildEvent, Hit, ProgressId, Warning};
use crate::step::{PlannedStep, Step};

pub(super) struct OneStep<'a> {
    pub(super) session: &'a Session<'a>,
    pub(super) stage: &'a PlannedStage,
    pub(super) planned: &'a PlannedStep,
    pub(super) ordinal: usize,
    pub(super) below: &'a Filesystem,
    pub(super) places: &'a Places,
}

/// A step whose key is known.
pub(super) struct Keyed {
    pub(super) key: StepKey,
    pub(super) inputs: Arc<Inputs>,
    pub(super) work: Work,
    /// `--link`: what it makes does not depend on the state below.
    pub(super) linked: bool,
}

/// What is left to do when the cache does not have it.
pub(super) enum Work {
    Copy(copy::Prepared),
    Workdir,
    Run,
}

/// How a layer came about.
enum Outcome {
    Cached(Hit),
    Made,
}

impl OneStep<'_> {
    pub(super) fn run(&self) -> Result<Filesystem, BuildError> {
        // Whatever it reads from is waited for before it counts as running.
        let ready = self.wait_for_sources();
        let _permit = self.session.permit();
        let (id, began) = (self.session.next_id(), Instant::now());
        self.session.event(BuildEvent::StepStarted { id, name: self.planned.name.clone() });
        match ready.and_then(|()| self.solve(id)) {
            Ok((filesystem, outcome)) => {
                if let Outcome::Cached(hit) = outcome {
                    self.session.cached.fetch_add(1, Ordering::Relaxed);
                    self.session.event(BuildEvent::StepCached { id, hit });
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
            Step::Run(run) => mounts::sources(run)
                .try_for_each(|source| self.session.source_layers(source).map(drop)),
            Step::Workdir(_) => Ok(()),
        }
    }

    fn solve(&self, id: ProgressId) -> Result<(Filesystem, Outcome), StepError> {
        let description = serde_json::to_value(&self.planned.step)
            .map_err(|source| StepError::Serialise { what: "the step", source })?;
        let keyed = self.key(&description)?;
        self.tell_quirks(&keyed)?;
        let slot = {
            let mut steps = self.session.steps.lock().unwrap_or_else(PoisonError::into_inner);
            steps.entry(keyed.key).or_default().clone()
        };
        let mut slot = match slot.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let _lent = self.session.lend();
                slot.lock().unwrap_or_else(PoisonError::into_inner)
            }
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            Ok(slot) => slot,
        };
        if let Some((key, layer)) = &*slot {
            self.places.set(self.ordinal, keyed.key, false);
            return Ok((self.above(&keyed, *key, layer.clone()), Outcome::Cached(Hit::SameStep)));
        }
        // Builds at the same time make a step once, too.
        let (found, lock) = match self.find(&keyed, &description)? {
            Some(record) => (Some(record), None),
            // Who wants it made anew makes it, whoever else makes it too.
            None if self.stage.no_cache => (None, self.session.cache.try_lock(keyed.key)?),
            None => {
                let lent = self.session.lend();
                let lock = self.session.cache.lock(keyed.key, &self.session.stop)?;
                drop(lent);
                (self.find(&keyed, &description)?, Some(lock))
            }
        };
        let (key, layer, outcome) = match found {
            Some(record) => {
                let (key, layer) = self.recorded(keyed.key, &record);
                let (created, inputs) = (record.created, keyed.inputs.len());
                let hit = match lock {
                    Some(_) => Hit::MadeMeanwhile,
                    None => Hit::Recorded { created, inputs },
                };
                (key, layer, Outcome::Cached(hit))
            }
            None => {
                self.tell_miss(id, &keyed, &description);
                let (key, layer) = self.make(id, &keyed, description, lock)?;
                (key, layer, Outcome::Made)
            }
        };
        self.places.set(self.ordinal, keyed.key, matches!(outcome, Outcome::Made));
        *slot = Some((key, layer.clone()));
        Ok((self.above(&keyed, key, layer), outcome))
    }

    fn tell_miss(&self, id: ProgressId, keyed: &Keyed, step: &serde_json::Value) {
        let reasons = match self.stage.no_cache {
            true => vec![MissReason::Unwanted],
            false => {
                let before = self.ordinal.checked_sub(1).map(|before| &self.stage.steps[before]);
                let base = self.stage.base_step.as_deref().unwrap_or("FROM scratch");
                let asked = Asked {
                    former: self.places.former(self.ordinal),
                    moved: self.places.moved(self.ordinal),
                    base,
                    platform: &self.stage.platform.to_string(),
                    name: &self.planned.name,
                    parent: self.below.key,
                    parent_name: before.map_or(base, |step| step.name.as_str()),
                    step,
                    inputs: &keyed.inputs,
                };
                explain(&self.session.cache, &asked)
            }
        };
        self.session.event(BuildEvent::Miss { id, reason: short(&reasons), reasons });
    }

    fn tell_quirks(&self, keyed: &Keyed) -> Result<(), StepError> {
        let (Step::Copy(step), Work::Copy(prepared)) = (&self.planned.step, &keyed.work) else {
            return Ok(());
        };
        let below = || self.below.tree(self.session.store);
        for (quirk, message) in copy::quirks(step, prepared, below)? {
            if self.session.request.strict {
                return Err(StepError::Quirk { quirk, message });
            }
            let warning = Warning::quirk(quirk, message, self.planned.span);
            self.session.event(BuildEvent::Warning(warning));
        }
        Ok(())
    }

    /// In this store, else in a cache that `--cache-from` names.
    fn find(&self, keyed: &Keyed, step: &serde_json::Value) -> Result<Option<Record>, StepError> {
        if self.stage.no_cache {
            return Ok(None);
        }
        let cache = &self.session.cache;
        match cache.find(keyed.key)? {
            None if self.session.imported.has(keyed.key) && self.bring(keyed.key, step)? => {
                cache.find(keyed.key)
            }
            found => Ok(found),
        }
    }

    /// A layer that cannot be had is as good as none: the step runs.
    fn bring(&self, key: StepKey, step: &serde_json::Value) -> Result<bool, StepError> {
        let session = self.session;
        let wanted = Wanted {
            key,
            parent: self.below.key,
            name: &self.planned.name,
            step,
            platform: self.stage.platform.to_string(),
        };
        let below = self.below.tree(session.store)?;
        let name = format!("[internal] import the result of {}", self.planned.name);
        let brought = session.teller().tell(name, |watch| {
            session.imported.bring(session.store, &session.cache, &wanted, &below, watch)
        });
        match brought {
            Ok(brought) => Ok(brought),
            Err(_) if session.stop.is_cancelled() => Err(StepError::Cancelled),
            Err(RemoteError::Step(error)) => Err(*error),
            Err(error) => {
                let text = format!("a cached layer cannot be had: {}", error_chain(&error));
                session.event(BuildEvent::Warning(Warning::remark(text)));
                Ok(false)
            }
        }
    }

    fn above(&self, keyed: &Keyed, key: StepKey, layer: Arc<Layer>) -> Filesystem {
        let key = match keyed.linked {
            true => KeyBuilder::new("linked").key(self.below.key).key(key).finish(),
            false => key,
        };
        self.below.with(key, layer)
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
                let inputs = std::mem::take(&mut prepared.inputs);
                (Work::Copy(prepared), inputs, linked)
            }
            Step::Workdir(_) => (Work::Workdir, Inputs::default(), false),
            Step::Run(step) => (Work::Run, mounts::inputs(self.session, step)?, false),
        };
        let mut key = KeyBuilder::new("step").part(self.stage.platform.to_string().as_bytes());
        if !linked {
            key = key.key(self.below.key);
        }
        let key = key.part(description.to_string().as_bytes()).inputs(&inputs).finish();
        Ok(Keyed { key, inputs: Arc::new(inputs), work, linked })
    }

    fn recorded(&self, key: StepKey, record: &Record) -> (StepKey, Arc<Layer>) {
        let sealed = Sealed::recorded(record, &self.session.cache);
        let layer = Layer::sealed_now(sealed, record.created, record.snapshot.clone());
        (record.same_as.unwrap_or(key), Arc::new(layer))
    }
}
