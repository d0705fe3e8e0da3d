//! Walks the stages of a plan: independent ones at once, equal steps once, each step from the cache or
//! executed; then commits the target and writes the outputs.

pub(crate) mod filesystem;
mod images;
mod mounts;
mod session;
mod stage;

use std::sync::PoisonError;

use runtime::Zygote;
use store::{Image, Platform, Reference, Store};

use crate::built::BuiltImage;
use crate::cancel::Cancel;
use crate::commit::{Commit, commit};
use crate::error::BuildError;
use crate::export;
use crate::plan::{self, BuildPlan};
use crate::progress::{BuildEvent, Progress};
use crate::request::BuildRequest;
use crate::step::StageId;
use filesystem::Filesystem;
use images::Images;
use session::{Session, Surroundings};

pub(crate) fn build(
    request: &BuildRequest,
    store: &Store,
    zygote: Option<&Zygote>,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<BuiltImage, BuildError> {
    let names = names(request)?;
    let dockerfile = parser::parse(&request.dockerfile.text)?;
    let images = Images::new(store, request);
    let plan = plan::plan(&dockerfile, request, &platform(request)?, &images)?;
    announce(&plan, progress);
    let session =
        Session::new(request, &plan, store, Surroundings { zygote, progress, images: &images })?;
    let filesystem = solve(&session, cancel)?;
    let image = commit_image(store, &plan, &filesystem, &names)?;
    let exported = export::write(store, &image, &names, &request.outputs, plan.source_date_epoch)?;
    let manifest = exported.unwrap_or_else(|| image.descriptor.clone());
    let texts: Vec<String> = names.iter().map(Reference::to_string).collect();
    let metadata = serde_json::json!({
        "containerimage.config.digest": image.id(),
        "containerimage.descriptor": manifest,
        "containerimage.digest": manifest.digest,
        "image.name": texts.join(","),
    });
    Ok(BuiltImage {
        image_id: image.id(),
        manifest: image.descriptor.clone(),
        tags: names,
        steps: plan.stages.iter().map(|stage| stage.steps.len()).sum(),
        cached: session.cached.into_inner(),
        metadata,
    })
}

fn names(request: &BuildRequest) -> Result<Vec<Reference>, BuildError> {
    let parse = |text: &String| {
        text.parse().map_err(|source| BuildError::Tag { text: text.clone(), source })
    };
    request.tags.iter().map(parse).collect()
}

fn platform(request: &BuildRequest) -> Result<Platform, BuildError> {
    match request.platforms.as_slice() {
        [] => Ok(Platform::host()),
        [text] => {
            text.parse().map_err(|source| BuildError::Platform { text: text.clone(), source })
        }
        several => Err(BuildError::SeveralPlatforms { platforms: several.to_vec() }),
    }
}

fn announce(plan: &BuildPlan, progress: &dyn Progress) {
    let steps = plan.stages.iter().map(|stage| stage.steps.len()).sum();
    progress.event(BuildEvent::Planned { steps });
    for warning in &plan.warnings {
        progress.event(BuildEvent::Warning(warning.clone()));
    }
}

/// Runs all stages of a plan and gives the target's last state.
fn solve(session: &Session<'_>, cancel: &Cancel) -> Result<Filesystem, BuildError> {
    let stop = session.stop.clone();
    let watching = cancel.on_cancel(move || stop.cancel());
    std::thread::scope(|scope| {
        for id in 0..session.plan.stages.len() {
            scope.spawn(move || stage::run_stage(session, StageId(id)));
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
        None => session
            .stage(session.plan.target)
            .map_err(|source| BuildError::Commit { source: Box::new(source) }),
    }
}

fn commit_image(
    store: &Store,
    plan: &BuildPlan,
    filesystem: &Filesystem,
    names: &[Reference],
) -> Result<Image, BuildError> {
    let config = &plan.stages[plan.target.0].config;
    let request = Commit { filesystem, config, epoch: plan.source_date_epoch, names };
    commit(store, &request).map_err(|source| BuildError::Commit { source: Box::new(source) })
}
