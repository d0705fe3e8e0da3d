//! [`Session`]: what the stages of one build share.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, UNIX_EPOCH};

use runtime::Zygote;
use runtime::network::SpacePool;
use store::{ActiveSnapshot, LayerForm, Platform, Snapshotter, Store};

use super::filesystem::{Filesystem, Layer};
use super::images::Images;
use super::remotes::Remotes;
use super::transfer::Teller;
use crate::cache::{Cache, Imported, StepKey};
use crate::cancel::Cancel;
use crate::context::Context;
use crate::context::file_index::FileIndex;
use crate::context::ignore::Ignore;
use crate::error::BuildError;
use crate::execute::source::{InlineFile, Source as Files, StageSource};
use crate::execute::{StepError, copy};
use crate::plan::{Base, BuildPlan, PlannedStage};
use crate::progress::{BuildEvent, Progress, ProgressId};
use crate::request::{BuildRequest, ContextSource, NamedContext, Output};
use crate::step::{Source, StageId};

/// Other steps wait for disks now and then, so a small machine does some at once too.
const LEAST_JOBS: usize = 4;
/// Who waits longer for a stage lets another thread begin one.
const A_MOMENT: Duration = Duration::from_millis(5);

pub(super) struct Session<'a> {
    pub(super) request: &'a BuildRequest,
    pub(super) plan: &'a BuildPlan,
    pub(super) store: &'a Store,
    pub(super) zygote: Option<&'a Zygote>,
    pub(super) spaces: Option<&'a SpacePool>,
    pub(super) progress: &'a dyn Progress,
    pub(super) images: &'a Images<'a>,
    pub(super) cache: Cache,
    /// What caches of registries have.
    pub(super) imported: &'a Imported,
    pub(super) snapshotter: Arc<dyn Snapshotter>,
    pub(super) remotes: &'a Remotes<'a>,
    /// The context as it is called wherever a place of the Dockerfile is.
    pub(super) place: String,
    /// Set by the caller's [`Cancel`] and by the first failure.
    pub(super) stop: Cancel,
    ids: &'a AtomicU64,
    pub(super) cached: AtomicUsize,
    /// Seconds since 1970.
    pub(super) now: i64,
    contexts: Mutex<HashMap<Source, Arc<Context>>>,
    stages: Vec<StageCell>,
    /// For steps that this process works on.
    permits: Permits,
    /// Stages that are worked on at once, by a thread each.
    pub(super) crew: usize,
    /// For these threads.
    pub(super) threads: Permits,
    failure: Mutex<Option<BuildError>>,
    pub(super) sealing: Mutex<Vec<JoinHandle<()>>>,
    pub(super) steps: &'a StepSlots,
    /// Copies of directories of the user's that RUNs mount, by what is in them.
    pub(super) copies: Mutex<HashMap<StepKey, CopySlot>>,
}

/// One slot for each step that runs or ran, so that equal steps run once: also those of the build's platform that
/// several targets need.
pub(super) type StepSlots = Mutex<HashMap<StepKey, StepSlot>>;

/// The layer of a step and the key of the state it leads to, once it ran.
pub(super) type StepSlot = Arc<Mutex<Option<(StepKey, Arc<Layer>)>>>;

/// A copy, once it is complete.
pub(super) type CopySlot = Arc<Mutex<Option<Arc<ActiveSnapshot>>>>;

/// Where a stage's last state appears; `Some(None)` when the stage failed.
#[derive(Debug, Default)]
struct StageCell {
    done: Mutex<Option<Option<Filesystem>>>,
    changed: Condvar,
}

/// As many things at once as there are permits.
#[derive(Debug)]
pub(super) struct Permits {
    /// Less than none while more are lent than are left.
    free: Mutex<isize>,
    changed: Condvar,
}

pub(super) struct Permit<'a>(&'a Permits);

/// A permit that somebody else may have for as long as this lives.
pub(super) struct Lent<'a>(&'a Permits);

impl Permits {
    pub(super) fn new(number: usize) -> Permits {
        let number = isize::try_from(number).unwrap_or(isize::MAX);
        Permits { free: Mutex::new(number), changed: Condvar::new() }
    }

    /// Waits until there is one.
    pub(super) fn take(&self) -> Permit<'_> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free <= 0 {
            free = self.changed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Permit(self)
    }

    /// For a permit's owner who has to wait. Taking it back waits for nobody.
    fn lend(&self) -> Lent<'_> {
        self.add(1);
        Lent(self)
    }

    fn add(&self, number: isize) {
        *self.free.lock().unwrap_or_else(PoisonError::into_inner) += number;
        if number > 0 {
            self.changed.notify_one();
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.add(1);
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.0.add(-1);
    }
}

fn place_of(context: &ContextSource) -> String {
    match context {
        // Where it was unpacked is another place each time.
        ContextSource::Fetched(fetched) => format!("fetched {}", fetched.origin()),
        // However it was named: `.` is another project in another directory.
        ContextSource::Dir(path) => {
            format!("{:?}", path.canonicalize().unwrap_or_else(|_| path.clone()))
        }
        ContextSource::Empty { .. } => format!("{context:?}"),
    }
}

/// What a build is given besides the request and the store.
pub(super) struct Surroundings<'a> {
    pub(super) zygote: Option<&'a Zygote>,
    /// The networks of RUN, if they are not the machine's.
    pub(super) spaces: Option<&'a SpacePool>,
    pub(super) progress: &'a dyn Progress,
    pub(super) images: &'a Images<'a>,
    pub(super) remotes: &'a Remotes<'a>,
    pub(super) imported: &'a Imported,
    /// The number of the next step; goes on from one platform to the next.
    pub(super) ids: &'a AtomicU64,
    pub(super) steps: &'a StepSlots,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        request: &'a BuildRequest,
        plan: &'a BuildPlan,
        store: &'a Store,
        surroundings: Surroundings<'a>,
    ) -> Result<Session<'a>, BuildError> {
        let processors = std::thread::available_parallelism().map_or(1, |n| n.get());
        let jobs = processors.max(LEAST_JOBS);
        let elapsed = request.now.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Session {
            request,
            plan,
            store,
            zygote: surroundings.zygote,
            spaces: surroundings.spaces,
            progress: surroundings.progress,
            images: surroundings.images,
            cache: Cache::open(store)?,
            imported: surroundings.imported,
            snapshotter: store.snapshotter(),
            remotes: surroundings.remotes,
            place: place_of(&request.context),
            stop: Cancel::default(),
            ids: surroundings.ids,
            cached: AtomicUsize::default(),
            now: i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX),
            contexts: Mutex::default(),
            stages: plan.stages.iter().map(|_| StageCell::default()).collect(),
            permits: Permits::new(jobs),
            crew: jobs.saturating_mul(2),
            threads: Permits::new(jobs.saturating_mul(2)),
            failure: Mutex::default(),
            sealing: Mutex::default(),
            steps: surroundings.steps,
            copies: Mutex::default(),
        })
    }

    pub(super) fn event(&self, event: BuildEvent) {
        self.progress.event(event);
    }

    pub(super) fn copy_setting(&self) -> copy::Setting<'_> {
        copy::Setting {
            store: self.store,
            cancel: &self.stop,
            now: self.now,
            http: &self.remotes.http,
            git: &self.remotes.git,
            secrets: &self.request.secrets,
            ssh: &self.request.ssh,
            pack: None,
        }
    }

    /// The form in which an output asks for the layers of a stage, if it is another one than they have in the store, and
    /// they go out as they were made.
    pub(super) fn pack(&self, stage: &PlannedStage) -> Option<LayerForm> {
        let (plan, clamp) = (self.plan, self.request.rewrite_timestamps);
        let mut exported = &plan.stages[plan.target.0];
        while !std::ptr::eq(exported, stage) {
            let Base::Stage(below) = &exported.base else { return None };
            exported = &plan.stages[below.0];
        }
        let as_made = |output: &&Output| plan.source_date_epoch.is_none() || !output.clamps(clamp);
        let outputs = self.request.outputs.iter().filter(as_made);
        outputs.filter_map(Output::layer_form).find(|form| *form != LayerForm::Plain)
    }

    /// For transfers of this build.
    pub(super) fn teller(&self) -> Teller<'_> {
        Teller { progress: self.progress, ids: self.ids, cancel: &self.stop }
    }

    pub(super) fn next_id(&self) -> ProgressId {
        ProgressId(self.ids.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn permit(&self) -> Permit<'_> {
        self.permits.take()
    }

    /// For a step that waits, for another one or for its command, however many of them there are: others go on meanwhile.
    pub(super) fn lend(&self) -> [Lent<'_>; 2] {
        [self.permits.lend(), self.threads.lend()]
    }

    pub(super) fn finish_stage(&self, id: StageId, result: Option<Filesystem>) {
        let cell = &self.stages[id.0];
        *cell.done.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        cell.changed.notify_all();
    }

    /// Lets nobody wait for a stage whose thread has ended without a result.
    pub(super) fn abandon_stage(&self, id: StageId) {
        let cell = &self.stages[id.0];
        cell.done.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(None);
        cell.changed.notify_all();
    }

    /// Waits for a stage.
    pub(super) fn stage(&self, id: StageId) -> Result<Filesystem, StepError> {
        let cell = &self.stages[id.0];
        let done = cell.done.lock().unwrap_or_else(PoisonError::into_inner);
        // Where all is cached it comes sooner than another thread does.
        let waited = cell.changed.wait_timeout_while(done, A_MOMENT, |done| done.is_none());
        let (mut done, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if done.is_none() {
            let _lent = self.threads.lend();
            let waited = cell.changed.wait_while(done, |done| done.is_none());
            done = waited.unwrap_or_else(PoisonError::into_inner);
        }
        done.clone().flatten().ok_or(StepError::Cancelled)
    }

    /// The first failure counts; it stops everything else.
    pub(super) fn fail(&self, error: BuildError) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        let cancelled = |error: &BuildError| match error {
            BuildError::Step { source, .. } => matches!(**source, StepError::Cancelled),
            error => matches!(error, BuildError::Cancelled),
        };
        if failure.as_ref().is_none_or(cancelled) {
            *failure = Some(error);
        }
        drop(failure);
        self.stop.cancel();
    }

    pub(super) fn take_failure(&self) -> Option<BuildError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// What a stage starts from.
    pub(super) fn base(&self, base: &Base, platform: &Platform) -> Result<Filesystem, StepError> {
        match base {
            Base::Scratch => Ok(Filesystem::scratch()),
            Base::Stage(id) => self.stage(*id),
            Base::Image(name) => Ok(Filesystem::of_image(self.images.by_name(name, platform)?)),
            Base::Named(key) => match self.images.by_context(key, platform)? {
                Some(image) => Ok(Filesystem::of_image(image)),
                None => super::mounts::directory_as_base(self, key),
            },
        }
    }

    /// The layers behind a source; none for a directory.
    pub(super) fn source_layers(&self, source: &Source) -> Result<Option<Filesystem>, StepError> {
        Ok(match source {
            Source::Context => None,
            Source::Stage(id) => Some(self.stage(*id)?),
            Source::Image(name) => {
                Some(Filesystem::of_image(self.images.by_name(name, &self.plan.platform)?))
            }
            Source::Named(key) => {
                let image = self.images.by_context(key, &self.plan.platform)?;
                image.map(Filesystem::of_image)
            }
            Source::Scratch => Some(Filesystem::scratch()),
        })
    }

    /// The files behind a source.
    pub(super) fn files(&self, source: &Source) -> Result<Arc<dyn Files>, StepError> {
        match self.source_layers(source)? {
            Some(layers) => Ok(Arc::new(StageSource(layers.tree(self.store)?))),
            None => self.directory(source),
        }
    }

    fn directory(&self, source: &Source) -> Result<Arc<dyn Files>, StepError> {
        let fetched = match source {
            Source::Named(key) => self.remotes.context(key, &self.stop)?,
            _ => None,
        };
        let (path, lasting) = match (source, &self.request.context) {
            (Source::Named(key), _) => match (self.request.named_contexts.get(key), &fetched) {
                (Some(NamedContext::Dir(path)), _) => (path.as_path(), true),
                (_, Some(fetched)) => (fetched.path(), false),
                _ => return Ok(Arc::new(InlineFile::nothing())),
            },
            (_, ContextSource::Dir(path)) => (path.as_path(), true),
            (_, ContextSource::Fetched(fetched)) => (fetched.path(), false),
            (_, ContextSource::Empty { .. }) => return Ok(Arc::new(InlineFile::nothing())),
        };
        let mut contexts = self.contexts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(context) = contexts.get(source) {
            return Ok(context.clone());
        }
        let context = Arc::new(self.open_context(source, path, lasting)?);
        contexts.insert(source.clone(), context.clone());
        Ok(context)
    }

    /// `lasting`: the next build finds the directory again, so what is learnt of its files is kept.
    fn open_context(
        &self,
        source: &Source,
        path: &Path,
        lasting: bool,
    ) -> Result<Context, StepError> {
        let failed = |source| StepError::Directory { path: path.to_owned(), source };
        let text = match (source, &self.request.dockerignore) {
            (Source::Context, Some(ignore)) => ignore.text.clone(),
            (Source::Context, None) => Vec::new(),
            // As BuildKit: what was chosen for an archive is not chosen again.
            _ if !lasting => Vec::new(),
            _ => std::fs::read(path.join(".dockerignore")).unwrap_or_default(),
        };
        let ignore = Ignore::parse(text).map_err(|source| StepError::Ignore { source })?;
        let index = if lasting { self.file_index(path)? } else { FileIndex::default() };
        Context::open(path, ignore, index).map_err(failed)
    }

    fn file_index(&self, path: &Path) -> Result<FileIndex, StepError> {
        let name = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let name = blake3::hash(name.as_os_str().as_encoded_bytes()).to_hex();
        let file = self.store.directory("cache/files")?.join(name.as_str());
        Ok(FileIndex::load(file, self.store.temp_path()?))
    }

    pub(super) fn save_indexes(&self) {
        let contexts = self.contexts.lock().unwrap_or_else(PoisonError::into_inner);
        contexts.values().for_each(|context| context.save_index());
    }
}
