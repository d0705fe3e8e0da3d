//! One stage: its steps one after the other.

use std::time::Instant;

use super::filesystem::Filesystem;
use super::session::Session;
use super::step::OneStep;
use crate::cache::Places;
use crate::error::BuildError;
use crate::plan::PlannedStage;
use crate::progress::BuildEvent;
use crate::step::StageId;

/// Runs a whole stage and leaves its result or failure in the session.
pub(super) fn run_stage(session: &Session<'_>, id: StageId) {
    /// Lets those who wait go on, in a panic too.
    struct Finish<'a>(&'a Session<'a>, StageId, Option<Filesystem>);
    impl Drop for Finish<'_> {
        fn drop(&mut self) {
            self.0.finish_stage(self.1, self.2.take());
        }
    }
    let mut finish = Finish(session, id, None);
    match steps(session, &session.plan.stages[id.0]) {
        Ok(filesystem) => finish.2 = Some(filesystem),
        Err(error) => session.fail(error),
    }
}

fn steps(session: &Session<'_>, stage: &PlannedStage) -> Result<Filesystem, BuildError> {
    if session.stop.is_cancelled() {
        return Err(BuildError::Cancelled);
    }
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
    let places = places(session, stage);
    let mut run = || {
        for (ordinal, planned) in stage.steps.iter().enumerate() {
            if session.stop.is_cancelled() {
                return Err(BuildError::Cancelled);
            }
            let (below, places) = (&filesystem, &places);
            let step = OneStep { session, stage, planned, ordinal, below, places };
            filesystem = step.run()?;
        }
        Ok(())
    };
    let done = run();
    // Also of a build that failed, which is told before anything else.
    let saved = places.save(&session.cache);
    done?;
    let last = stage.steps.last().map(|step| step.name.clone()).unwrap_or_default();
    saved.map_err(base_failed(last))?;
    Ok(filesystem)
}

/// By which the steps of the stage are known to the next build.
fn places(session: &Session<'_>, stage: &PlannedStage) -> Places {
    let dockerfile = &session.request.dockerfile;
    let names: [&[u8]; 3] =
        [session.place.as_bytes(), dockerfile.name.as_bytes(), stage.name.as_bytes()];
    let steps = stage.steps.iter().map(|planned| {
        let shown = planned.name.split_once("] ").map_or(planned.name.as_str(), |(_, text)| text);
        let word = shown.split(char::is_whitespace).next().unwrap_or_default();
        // Triggers of a base image stand nowhere in the file.
        let written = dockerfile.text.get(planned.span.start..planned.span.end);
        let written = written.filter(|_| word != "ONBUILD");
        (word, written.unwrap_or(shown.as_bytes()))
    });
    Places::open(&session.cache, &names, &stage.platform.to_string(), steps)
}
