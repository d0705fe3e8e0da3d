//! `--explain`: for every step of a build whether the cache had it, and why or why not.

use std::collections::BTreeMap;

use builder::progress::{BuildEvent, Hit, ProgressId};

/// Collects what the events of a build say about the cache.
#[derive(Debug, Default)]
pub(super) struct Explanations {
    steps: BTreeMap<ProgressId, Step>,
}

#[derive(Debug)]
struct Step {
    name: String,
    answer: &'static str,
    why: Vec<String>,
}

impl Explanations {
    pub(super) fn apply(&mut self, event: &BuildEvent) {
        match event {
            BuildEvent::StepStarted { id, name } => {
                let step = Step { name: name.clone(), answer: "", why: Vec::new() };
                self.steps.insert(*id, step);
            }
            BuildEvent::Miss { id, reasons, .. } => {
                self.say(*id, "miss", reasons.iter().map(ToString::to_string));
            }
            BuildEvent::SameResult { id } => {
                let why = "it ran and made what it had made before: later steps go on from that";
                self.say(*id, "miss", [why.to_owned()]);
            }
            BuildEvent::StepCached { id, hit } => self.say(*id, "hit", [why(*hit)]),
            _ => {}
        }
    }

    fn say(&mut self, id: ProgressId, answer: &'static str, why: impl IntoIterator<Item = String>) {
        if let Some(step) = self.steps.get_mut(&id) {
            step.answer = answer;
            step.why.extend(why);
        }
    }

    /// A line for each step that the cache was asked about, and one for each reason.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for step in self.steps.values().filter(|step| !step.answer.is_empty()) {
            lines.push(format!("{:<4} {}", step.answer, step.name));
            lines.extend(step.why.iter().map(|why| format!("     {why}")));
        }
        lines
    }
}

fn why(hit: Hit) -> String {
    match hit {
        Hit::Recorded { created, inputs } => {
            let read = match inputs {
                0 => String::new(),
                1 => ", the one thing it reads".to_owned(),
                many => format!(", the {many} things it reads"),
            };
            let made = builder::rfc3339(created);
            format!("the same instruction{read} and the state below; made {made}")
        }
        Hit::MadeMeanwhile => "another build made it while this one waited".to_owned(),
        Hit::SameStep => {
            "another stage of this build has the same step on the same state".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use builder::cache::{Change, MissReason};

    use super::*;

    #[test]
    fn steps_are_told_in_their_order_with_all_reasons() {
        let id = ProgressId;
        let started =
            |number, name: &str| BuildEvent::StepStarted { id: id(number), name: name.to_owned() };
        let change = Change {
            name: "a.txt".to_owned(),
            before: Some("content 12".to_owned()),
            now: Some("content 34".to_owned()),
        };
        let reasons = vec![
            MissReason::Input { what: "file".to_owned(), change },
            MissReason::Parent { step: "RUN a".to_owned() },
        ];
        let mut told = Explanations::default();
        for event in [
            started(1, "FROM busybox"),
            started(2, "COPY . /"),
            BuildEvent::Miss { id: id(2), reason: String::new(), reasons },
            started(3, "RUN b"),
            BuildEvent::StepCached { id: id(3), hit: Hit::Recorded { created: 0, inputs: 2 } },
        ] {
            told.apply(&event);
        }
        let expected = [
            "miss COPY . /",
            "     file `a.txt` changed: content 12 → content 34",
            "     a step before it changed: RUN a",
            "hit  RUN b",
            "     the same instruction, the 2 things it reads and the state below; made \
             1970-01-01T00:00:00Z",
        ];
        assert_eq!(told.lines(), expected);
    }
}
