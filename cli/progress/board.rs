//! The state of a build as its events tell it: steps, their last output, totals. Draws nothing.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use builder::progress::{BuildEvent, ProgressId, Warning};
use store::Digest;

use super::Outcome;
use crate::output::size;
use crate::terminal_text::printable;

/// Lines of output remembered for each step.
const TAIL: usize = 20;
/// As much of a line as is kept.
const LONGEST: usize = 16 << 10;

#[derive(Debug)]
pub(super) struct Board {
    started: Instant,
    planned: usize,
    completed: usize,
    running: BTreeMap<ProgressId, Step>,
    /// Steps that ended since the last [`Board::take_finished`].
    finished: Vec<Finished>,
    failed: Vec<FailedStep>,
    warnings: Vec<Warning>,
}

/// A step in progress.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) name: String,
    pub(super) started: Instant,
    /// `layers: 12MB of 40MB, 8MB/s`
    pub(super) note: Option<String>,
    layers: BTreeMap<Digest, (u64, u64)>,
    tail: Tail,
}

impl Step {
    /// The last `count` lines of output.
    pub(super) fn last_lines(&self, count: usize) -> impl Iterator<Item = &str> {
        let skip = self.tail.lines.len().saturating_sub(count);
        self.tail.lines.iter().skip(skip).map(String::as_str)
    }
}

/// A step that ended, for one last line about it.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) name: String,
    pub(super) end: End,
    pub(super) elapsed: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Done,
    Cached,
    Failed,
    Cancelled,
}

/// A failed step with the last lines it wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedStep {
    pub name: String,
    pub output: Vec<String>,
}

impl Board {
    pub(super) fn new(now: Instant) -> Board {
        Board {
            started: now,
            planned: 0,
            completed: 0,
            running: BTreeMap::new(),
            finished: Vec::new(),
            failed: Vec::new(),
            warnings: Vec::new(),
        }
    }

    pub(super) fn apply(&mut self, event: BuildEvent, now: Instant) {
        match event {
            BuildEvent::Planned { steps, .. } => self.planned = steps,
            BuildEvent::Solved => {}
            BuildEvent::StepStarted { id, name } => {
                let (layers, tail) = (BTreeMap::new(), Tail::default());
                let step = Step { name, started: now, note: None, layers, tail };
                self.running.insert(id, step);
            }
            BuildEvent::StepLog { id, bytes, .. } => {
                if let Some(step) = self.running.get_mut(&id) {
                    step.tail.write(&bytes);
                }
            }
            BuildEvent::LayerMoved { id, digest, done, total } => {
                if let Some(step) = self.running.get_mut(&id) {
                    step.layers.insert(digest, (done, total));
                    step.note = Some(moved(&step.layers, now - step.started));
                }
            }
            BuildEvent::LayerUnpacked { .. }
            | BuildEvent::Miss { .. }
            | BuildEvent::SameResult { .. } => {}
            BuildEvent::StepCached { id, .. } => self.end(id, End::Cached, Duration::ZERO),
            BuildEvent::StepDone { id, elapsed } => self.end(id, End::Done, elapsed),
            BuildEvent::StepFailed { id, elapsed, .. } => self.end(id, End::Failed, elapsed),
            BuildEvent::StepCancelled { id } => {
                let elapsed = self.running.get(&id).map_or(Duration::ZERO, |s| now - s.started);
                self.end(id, End::Cancelled, elapsed);
            }
            BuildEvent::Warning(warning) => {
                if !self.warnings.contains(&warning) {
                    self.warnings.push(warning);
                }
            }
        }
    }

    fn end(&mut self, id: ProgressId, end: End, elapsed: Duration) {
        let Some(step) = self.running.remove(&id) else { return };
        // `Planned` does not count internal steps.
        if end != End::Cancelled && !step.name.starts_with("[internal]") {
            self.completed += 1;
        }
        if end == End::Failed {
            self.failed
                .push(FailedStep { name: step.name.clone(), output: step.tail.into_lines() });
        }
        self.finished.push(Finished { name: step.name, end, elapsed });
    }

    pub(super) fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }

    /// Steps ended and steps known so far.
    pub(super) fn totals(&self) -> (usize, usize) {
        (self.completed, self.planned.max(self.completed))
    }

    pub(super) fn running(&self) -> impl ExactSizeIterator<Item = &Step> {
        self.running.values()
    }

    pub(super) fn take_finished(&mut self) -> Vec<Finished> {
        std::mem::take(&mut self.finished)
    }

    pub(super) fn take_outcome(&mut self) -> Outcome {
        Outcome {
            failed: std::mem::take(&mut self.failed),
            warnings: std::mem::take(&mut self.warnings),
            explanation: Vec::new(),
        }
    }
}

/// All layers of an image together.
fn moved(layers: &BTreeMap<Digest, (u64, u64)>, elapsed: Duration) -> String {
    let done: u64 = layers.values().map(|(done, _)| done).sum();
    let total: u64 = layers.values().map(|(_, total)| total).sum();
    let rate = (done as f64 / elapsed.as_secs_f64().max(0.001)) as u64;
    format!("layers: {} of {}, {}/s", size(done), size(total), size(rate))
}

/// The last lines of a byte stream.
#[derive(Debug, Default)]
struct Tail {
    lines: VecDeque<String>,
    /// The line that has no end yet is shown, but not complete.
    partial: Vec<u8>,
    partial_shown: bool,
}

impl Tail {
    fn write(&mut self, bytes: &[u8]) {
        for piece in last_lines(bytes).split_inclusive(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(piece);
            // The end of an endless line is what can be seen of it.
            self.partial.drain(..self.partial.len().saturating_sub(LONGEST));
            self.show_partial();
            if piece.ends_with(b"\n") {
                self.partial.clear();
                self.partial_shown = false;
            }
        }
    }

    fn show_partial(&mut self) {
        if self.partial_shown {
            self.lines.pop_back();
        }
        self.lines.push_back(printable(&self.partial));
        self.partial_shown = true;
        if self.lines.len() > TAIL {
            self.lines.pop_front();
        }
    }

    fn into_lines(self) -> Vec<String> {
        self.lines.into()
    }
}

/// What of a lot of output can still be seen when all of it has been written.
fn last_lines(bytes: &[u8]) -> &[u8] {
    let ends = bytes.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    // One more than are shown: that one ends what came before.
    let first = ends.map(|(at, _)| at).nth(TAIL);
    first.map_or(bytes, |at| &bytes[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lot_at_once_is_what_came_one_by_one() {
        for count in [1, TAIL - 1, TAIL, TAIL + 1, 5 * TAIL] {
            let text: String = (0..count).map(|number| format!("line {number}\n")).collect();
            let (mut together, mut apart) = (Tail::default(), Tail::default());
            for tail in [&mut together, &mut apart] {
                tail.write(b"before\npar");
            }
            together.write(text.as_bytes());
            for line in text.split_inclusive('\n') {
                apart.write(line.as_bytes());
            }
            assert_eq!(together.into_lines(), apart.into_lines(), "{count}");
        }
    }

    #[test]
    fn the_tail_keeps_the_last_lines_and_joins_pieces() {
        let mut tail = Tail::default();
        for number in 0..30 {
            tail.write(format!("line {number}\npar").as_bytes());
            tail.write(b"tial\n");
        }
        let lines = tail.into_lines();
        assert_eq!(lines.len(), TAIL);
        assert_eq!(lines[TAIL - 1], "partial");
        assert_eq!(lines[TAIL - 2], "line 29");
    }

    #[test]
    fn a_failed_step_leaves_its_last_output() {
        let now = Instant::now();
        let mut board = Board::new(now);
        let id = ProgressId(1);
        board.apply(BuildEvent::StepStarted { id, name: "[1/1] RUN false".to_owned() }, now);
        let bytes = b"no\n".to_vec();
        let stream = builder::progress::LogStream::Stderr;
        board.apply(BuildEvent::StepLog { id, stream, bytes }, now);
        let error = "exit code: 1".to_owned();
        board.apply(BuildEvent::StepFailed { id, elapsed: Duration::ZERO, error }, now);
        let failed = board.take_outcome().failed;
        let expected =
            FailedStep { name: "[1/1] RUN false".to_owned(), output: vec!["no".to_owned()] };
        assert_eq!(failed, [expected]);
    }
}
