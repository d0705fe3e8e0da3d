//! Walks the stages of a plan: independent ones at once, equal steps once, each step from the cache or
//! executed; then commits the target and writes the outputs.

mod cached;
pub(crate) mod filesystem;
mod images;
mod make;
mod mounts;
mod push;
mod remotes;
mod seal;
mod session;
mod stage;
mod step;
mod transfer;

use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use runtime::Zygote;
use runtime::network::{Networks, SpacePool};
use store::{Descriptor, Digest, Platform, Reference, Store};

use crate::built::BuiltImage;
use crate::cancel::Cancel;
use crate::commit::{self, Committed};
use crate::error::BuildError;
use crate::execute::StepError;
use crate::export;
use crate::plan::{self, BuildPlan};
use crate::progress::{BuildEvent, Progress, Warning};
use crate::request::{BuildRequest, NetworkMode, Output};
use crate::step::{PlannedStep, StageId, Step};
use filesystem::Filesystem;
use images::Images;
use remotes::Remotes;
use session::{Session, StepSlots, Surroundings};
use transfer::Teller;

pub(crate) fn build(
    request: &BuildRequest,
    store: &Store,
    zygote: Option<&Zygote>,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<BuiltImage, BuildError> {
    let names = names(request)?;
    let remotes = Remotes::new(store, request);
    let (ids, slots) = (AtomicU64::new(1), StepSlots::default());
    let teller = Teller { progress, ids: &ids, cancel };
    let images = Images::new(store, request, &remotes, teller);
    let mut warnings = Vec::new();
    let plans = plan(request, &images, &mut warnings);
    warnings.extend(rewriting_nothing(request, plans.as_deref().unwrap_or_default()));
    announce(plans.as_deref().unwrap_or_default(), &warnings, progress);
    let plans = plans?;
    let imported = cached::import(store, request, &platforms(request)?, teller)?;
    let (mut parts, mut other_parts) = (Vec::new(), Vec::new());
    let mut targets = Vec::new();
    let mut cached = 0;
    let clamp = request.rewrite_timestamps;
    let wants_other = request.outputs.iter().any(|output| output.clamps(clamp) != clamp);
    let spaces = spaces(request, store, &plans)?;
    for plan in &plans {
        let surroundings = Surroundings {
            zygote,
            spaces: spaces.as_ref(),
            progress,
            images: &images,
            remotes: &remotes,
            imported: &imported,
            ids: &ids,
            steps: &slots,
        };
        let session = Session::new(request, plan, store, surroundings)?;
        let filesystem = solve(&session, cancel)?;
        let told = match request.inline_cache {
            true => Some(cached::of_image(store, &slots, &filesystem).map_err(commit_error)?),
            false => None,
        };
        let built = |clamp| {
            commit::parts(store, &filesystem, plan, clamp, told.as_deref()).map_err(commit_error)
        };
        parts.push(built(clamp)?);
        if wants_other {
            other_parts.push(built(!clamp)?);
        }
        cached += session.cached.into_inner();
        targets.push(filesystem);
    }
    drop(spaces);
    progress.event(BuildEvent::Solved);
    let committed = commit::commit(store, &parts, &names).map_err(commit_error)?;
    let other = commit::nameless(store, &other_parts).map_err(commit_error)?;
    let mut exported = None;
    for output in &request.outputs {
        let images = if output.clamps(clamp) == clamp { &committed.images } else { &other };
        exported = match (output, &request.registries) {
            (Output::Push(options), Some(registries)) => {
                push::push(store, registries, images, &names, options, teller)?.or(exported)
            }
            _ => export::write(store, images, &names, output)?.or(exported),
        };
    }
    cached::export(store, request, &slots, &targets, teller)?;
    Ok(BuiltImage {
        image_id: image_id(&committed),
        metadata: metadata(&committed, exported, &names_told(request, &names)),
        manifest: committed.descriptor,
        tags: names,
        steps: plans.iter().map(steps).sum(),
        cached,
    })
}

/// A plan for each platform. Warnings are kept whatever happens.
fn plan(
    request: &BuildRequest,
    images: &Images<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<BuildPlan>, BuildError> {
    let dockerfile = parser::parse(&request.dockerfile.text)
        .inspect_err(|_| *warnings = plan::check_broken(request))?;
    let mut plans = Vec::new();
    for platform in platforms(request)? {
        match plan::plan(&dockerfile, request, &platform, images) {
            Ok(plan) => plans.push(plan),
            Err(failed) => {
                warnings.extend(failed.warnings);
                return Err((*failed.error).into());
            }
        }
    }
    warnings.extend(plans.iter().flat_map(|plan| plan.warnings.clone()));
    Ok(plans)
}

/// Where RUN gets its networks, if there is any and it is to have one of its own.
fn spaces(
    request: &BuildRequest,
    store: &Store,
    plans: &[BuildPlan],
) -> Result<Option<SpacePool>, BuildError> {
    let runs = plans.iter().flat_map(|plan| &plan.stages).flat_map(|stage| &stage.steps);
    let default = |planned: &crate::step::PlannedStep| match &planned.step {
        Step::Run(step) => step.network == NetworkMode::Default,
        _ => false,
    };
    if !request.private_network || !runs.into_iter().any(default) {
        return Ok(None);
    }
    let networks = Networks::open(store.root(), store.state());
    let pool = networks.and_then(SpacePool::new);
    pool.map(Some).map_err(|source| BuildError::Network { source })
}

/// `rewrite-timestamp=true` has no effect without a time, as with BuildKit.
fn rewriting_nothing(request: &BuildRequest, plans: &[BuildPlan]) -> Option<Warning> {
    let asked = request.outputs.iter().any(|output| match output {
        Output::Oci(image) | Output::Docker(image) => image.rewrite_timestamp == Some(true),
        Output::Push(push) => push.rewrite_timestamp == Some(true),
        Output::Tar(_) | Output::Local(_) => false,
    });
    let timeless = plans.iter().any(|plan| plan.source_date_epoch.is_none());
    (asked && timeless).then(|| {
        Warning::remark(
            "`rewrite-timestamp` has no effect: there is no SOURCE_DATE_EPOCH".to_owned(),
        )
    })
}

fn commit_error(source: StepError) -> BuildError {
    BuildError::Commit { source: Box::new(source) }
}

/// An image for several platforms has a configuration for each: it is known by its index.
fn image_id(committed: &Committed) -> Digest {
    match committed.images.as_slice() {
        [image] => image.id(),
        _ => committed.descriptor.digest,
    }
}

/// Those of the image here and those it was pushed under; one without a tag where it was pushed by digest.
fn names_told(request: &BuildRequest, names: &[Reference]) -> Vec<String> {
    let mut told: Vec<String> = names.iter().map(Reference::to_string).collect();
    for output in &request.outputs {
        let Output::Push(push) = output else { continue };
        let parsed = push.names.iter().filter_map(|name| name.parse::<Reference>().ok());
        for name in parsed {
            let name = if push.by_digest { name.name() } else { name.to_string() };
            if !told.contains(&name) {
                told.push(name);
            }
        }
    }
    told
}

/// For `--metadata-file`, in docker's words.
fn metadata(
    committed: &Committed,
    exported: Option<Descriptor>,
    names: &[String],
) -> serde_json::Value {
    let manifest = exported.unwrap_or_else(|| committed.descriptor.clone());
    let mut metadata = serde_json::json!({
        "containerimage.descriptor": manifest,
        "containerimage.digest": manifest.digest,
        "image.name": names.join(","),
    });
    if let [image] = committed.images.as_slice() {
        metadata["containerimage.config.digest"] = serde_json::json!(image.id());
    }
    metadata
}

fn steps(plan: &BuildPlan) -> usize {
    plan.stages.iter().map(|stage| stage.steps.len()).sum()
}

fn names(request: &BuildRequest) -> Result<Vec<Reference>, BuildError> {
    let parse = |text: &String| {
        text.parse().map_err(|source| BuildError::Tag { text: text.clone(), source })
    };
    request.tags.iter().map(parse).collect()
}

/// Each platform once, in the order of the request.
pub(crate) fn platforms(request: &BuildRequest) -> Result<Vec<Platform>, BuildError> {
    let mut platforms: Vec<Platform> = Vec::new();
    for text in &request.platforms {
        let platform: Platform =
            text.parse().map_err(|source| BuildError::Platform { text: text.clone(), source })?;
        if !platforms.contains(&platform) {
            platforms.push(platform);
        }
    }
    if platforms.is_empty() {
        platforms.push(Platform::host());
    }
    Ok(platforms)
}

/// A warning about a line is the same for all platforms.
fn announce(plans: &[BuildPlan], warnings: &[Warning], progress: &dyn Progress) {
    let is_run = |planned: &PlannedStep| matches!(planned.step, Step::Run(_));
    let runs =
        plans.iter().flat_map(|plan| &plan.stages).any(|stage| stage.steps.iter().any(is_run));
    progress.event(BuildEvent::Planned { steps: plans.iter().map(steps).sum(), runs });
    let mut told = Vec::new();
    for warning in warnings {
        if !told.contains(&warning) {
            told.push(warning);
            progress.event(BuildEvent::Warning(warning.clone()));
        }
    }
}

/// Whoever waits for a stage is woken even if its thread panics.
struct StageGuard<'s, 'a>(&'s Session<'a>, StageId);

impl Drop for StageGuard<'_, '_> {
    fn drop(&mut self) {
        self.0.abandon_stage(self.1);
    }
}

/// Threads for stages at most. A stage needs only stages before it, and they are begun in their order; so however few
/// threads there are, one of them can go on.
const MOST_THREADS: usize = 128;

/// Runs all stages of a plan and gives the target's last state.
fn solve(session: &Session<'_>, cancel: &Cancel) -> Result<Filesystem, BuildError> {
    let stop = session.stop.clone();
    let watching = cancel.on_cancel(move || stop.cancel());
    let (stages, next) = (session.plan.stages.len(), AtomicUsize::new(0));
    let more = || next.load(Ordering::Relaxed) < stages;
    let work = || {
        loop {
            let id = StageId(next.fetch_add(1, Ordering::Relaxed));
            if id.0 >= stages {
                break;
            }
            let _guard = StageGuard(session, id);
            stage::run_stage(session, id);
        }
    };
    std::thread::scope(|scope| {
        if stages <= session.crew {
            // One of them is this one: a build of one stage starts none.
            (1..stages).for_each(|_| drop(scope.spawn(work)));
            work();
            return;
        }
        // As many as can do something; of those that wait for a stage, each lends its place to another.
        for _ in 0..MOST_THREADS {
            let permit = session.threads.take();
            if !more() {
                break;
            }
            scope.spawn(move || {
                let _permit = permit;
                work();
            });
        }
    });
    drop(watching);
    let sealing =
        std::mem::take(&mut *session.sealing.lock().unwrap_or_else(PoisonError::into_inner));
    for handle in sealing {
        // A thread that failed has left its error in the layer.
        let _ = handle.join();
    }
    session.save_indexes();
    match session.take_failure() {
        Some(_) if cancel.is_cancelled() => Err(BuildError::Cancelled),
        Some(error) => Err(error),
        None => session.stage(session.plan.target).map_err(commit_error),
    }
}
