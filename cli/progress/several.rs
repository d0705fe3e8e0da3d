//! Several builds at once in one display: steps get numbers of their own, and the name of their build.

use std::collections::BTreeMap;
use std::sync::Mutex;

use builder::Progress;
use builder::progress::{BuildEvent, ProgressId};

use super::lock;

/// What the builds of one display have in common.
#[derive(Debug, Default)]
pub struct Several {
    count: Mutex<Count>,
}

#[derive(Debug, Default)]
struct Count {
    /// The number given last.
    last: u64,
    /// Steps of all builds that are planned.
    planned: usize,
}

/// One of them.
#[derive(Debug)]
pub struct Part<'a, P> {
    display: &'a P,
    several: &'a Several,
    /// Empty when it is the only one.
    name: String,
    numbers: Mutex<BTreeMap<ProgressId, ProgressId>>,
}

impl Several {
    pub fn part<'a, P: Progress>(&'a self, display: &'a P, name: &str) -> Part<'a, P> {
        Part { display, several: self, name: name.to_owned(), numbers: Mutex::default() }
    }
}

impl<P> Part<'_, P> {
    /// `[web 1/3] RUN make` for `[1/3] RUN make`
    fn named(&self, step: String) -> String {
        match step.strip_prefix('[') {
            Some(rest) if !self.name.is_empty() => format!("[{} {rest}", self.name),
            _ => step,
        }
    }

    fn number(&self, id: ProgressId) -> ProgressId {
        *lock(&self.numbers).entry(id).or_insert_with(|| {
            let mut count = lock(&self.several.count);
            count.last += 1;
            ProgressId(count.last)
        })
    }
}

impl<P: Progress> Progress for Part<'_, P> {
    fn event(&self, mut event: BuildEvent) {
        match &mut event {
            BuildEvent::Planned { steps, .. } => {
                let mut count = lock(&self.several.count);
                count.planned += *steps;
                *steps = count.planned;
            }
            BuildEvent::StepStarted { id, name } => {
                *id = self.number(*id);
                *name = self.named(std::mem::take(name));
            }
            BuildEvent::StepLog { id, .. }
            | BuildEvent::LayerMoved { id, .. }
            | BuildEvent::LayerUnpacked { id, .. }
            | BuildEvent::Miss { id, .. }
            | BuildEvent::SameResult { id }
            | BuildEvent::StepCached { id, .. }
            | BuildEvent::StepDone { id, .. }
            | BuildEvent::StepFailed { id, .. }
            | BuildEvent::StepCancelled { id } => *id = self.number(*id),
            BuildEvent::Solved | BuildEvent::Warning(_) => {}
        }
        self.display.event(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Heard(Mutex<Vec<BuildEvent>>);

    impl Progress for Heard {
        fn event(&self, event: BuildEvent) {
            lock(&self.0).push(event);
        }
    }

    #[test]
    fn steps_of_two_builds_have_different_numbers() {
        let (heard, several) = (Heard::default(), Several::default());
        let parts = [several.part(&heard, "web"), several.part(&heard, "db")];
        for part in &parts {
            part.event(BuildEvent::Planned { steps: 2, runs: false });
            let name = "[1/2] RUN make".to_owned();
            part.event(BuildEvent::StepStarted { id: ProgressId(1), name });
        }
        parts[0].event(BuildEvent::SameResult { id: ProgressId(1) });
        let started = |id, name: &str| BuildEvent::StepStarted { id, name: name.to_owned() };
        let (first, second) = (ProgressId(1), ProgressId(2));
        let expected = [
            BuildEvent::Planned { steps: 2, runs: false },
            started(first, "[web 1/2] RUN make"),
            BuildEvent::Planned { steps: 4, runs: false },
            started(second, "[db 1/2] RUN make"),
            BuildEvent::SameResult { id: first },
        ];
        assert_eq!(*lock(&heard.0), expected);
    }

    #[test]
    fn a_single_build_needs_no_name() {
        let (heard, several) = (Heard::default(), Several::default());
        let part = several.part(&heard, "");
        assert_eq!(part.named("[1/2] RUN make".to_owned()), "[1/2] RUN make");
    }
}
