//! One line for each event, in BuildKit's plain format:
//!
//! ```text
//! #5 [build 2/3] RUN make
//! #5 0.112 cc -c main.c
//! #5 DONE 0.4s
//!
//! #6 [build 3/3] COPY a b
//! #6 CACHED
//! ```

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use builder::progress::{BuildEvent, ProgressId};
use store::Digest;

use crate::output::size;

/// It is told how far a layer is at most this often.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);
/// A longer line is shown in pieces.
const LONGEST: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Plain<W> {
    out: W,
    /// Lines of the event at hand.
    pending: String,
    steps: BTreeMap<ProgressId, Step>,
    /// The step the last line was about, while it runs.
    current: Option<ProgressId>,
    any: bool,
}

#[derive(Debug)]
struct Step {
    name: String,
    started: Instant,
    /// Output without its line end yet.
    partial: Vec<u8>,
    /// Layers on their way: since when, and when it was told last.
    layers: BTreeMap<Digest, (Instant, Instant)>,
}

impl<W: Write> Plain<W> {
    pub(super) fn new(out: W) -> Plain<W> {
        Plain { out, pending: String::new(), steps: BTreeMap::new(), current: None, any: false }
    }

    pub(super) fn event(&mut self, event: &BuildEvent, now: Instant) {
        self.collect(event, now);
        self.write();
    }

    fn collect(&mut self, event: &BuildEvent, now: Instant) {
        match event {
            BuildEvent::Planned { .. } | BuildEvent::Solved | BuildEvent::Warning(_) => {}
            BuildEvent::StepStarted { id, name } => {
                let (name, layers) = (name.clone(), BTreeMap::new());
                self.steps.insert(*id, Step { name, started: now, partial: Vec::new(), layers });
                self.switch(*id);
            }
            BuildEvent::StepLog { id, bytes, .. } => self.log(*id, bytes, now),
            BuildEvent::LayerMoved { id, digest, done, total } => {
                self.layer(*id, *digest, *done, *total, now);
            }
            BuildEvent::LayerUnpacked { id, digest } => {
                self.line(*id, &format!("extracting {digest} done"));
            }
            // Steps that are new: nothing is strange about them.
            BuildEvent::Miss { reason, .. } if reason.is_empty() => {}
            BuildEvent::Miss { id, reason, .. } => self.line(*id, &format!("not cached: {reason}")),
            BuildEvent::SameResult { id } => self.line(*id, "same result as before"),
            BuildEvent::StepCached { id, .. } => self.end(*id, "CACHED", now),
            BuildEvent::StepDone { id, elapsed } => {
                self.end(*id, &format!("DONE {:.1}s", elapsed.as_secs_f64()), now);
            }
            BuildEvent::StepFailed { id, error, .. } => {
                self.end(*id, &format!("ERROR: {error}"), now);
            }
            BuildEvent::StepCancelled { id } => self.end(*id, "CANCELED", now),
        }
    }

    /// Ends the line of a step that still has one open.
    pub(super) fn finish(mut self) {
        let open: Vec<ProgressId> = self.steps.keys().copied().collect();
        for id in open {
            self.flush_partial(id, Instant::now());
        }
        self.write();
    }

    fn log(&mut self, id: ProgressId, bytes: &[u8], now: Instant) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let Some(step) = self.steps.get_mut(&id) else { return };
            step.partial.extend_from_slice(piece);
            if piece.ends_with(b"\n") || step.partial.len() >= LONGEST {
                self.flush_partial(id, now);
            }
        }
    }

    fn flush_partial(&mut self, id: ProgressId, now: Instant) {
        let Some(step) = self.steps.get_mut(&id) else { return };
        if step.partial.is_empty() {
            return;
        }
        let text = String::from_utf8_lossy(&std::mem::take(&mut step.partial)).into_owned();
        let text = text.trim_end_matches(['\n', '\r']);
        let text = text.rsplit('\r').next().unwrap_or_default();
        let seconds = now.saturating_duration_since(step.started).as_secs_f64();
        self.line(id, &format!("{seconds:.3} {text}"));
    }

    /// As BuildKit: `sha256:… 3.8MB / 12MB 0.6s`
    fn layer(&mut self, id: ProgressId, digest: Digest, done: u64, total: u64, now: Instant) {
        let Some(step) = self.steps.get_mut(&id) else { return };
        let (begun, told) = step.layers.entry(digest).or_insert((now, now));
        let complete = done == total;
        if !complete && now.saturating_duration_since(*told) < PROGRESS_INTERVAL {
            return;
        }
        *told = now;
        let seconds = now.saturating_duration_since(*begun).as_secs_f64();
        let end = if complete { " done" } else { "" };
        self.line(id, &format!("{digest} {} / {} {seconds:.1}s{end}", size(done), size(total)));
    }

    fn end(&mut self, id: ProgressId, text: &str, now: Instant) {
        self.flush_partial(id, now);
        self.line(id, text);
        self.steps.remove(&id);
        self.current = None;
    }

    fn line(&mut self, id: ProgressId, text: &str) {
        self.switch(id);
        self.pending.push_str(&format!("#{} {text}\n", id.0));
    }

    /// Names the step when the lines before were about another one.
    fn switch(&mut self, id: ProgressId) {
        if self.current == Some(id) {
            return;
        }
        let Some(step) = self.steps.get(&id) else { return };
        let mut text = String::new();
        if let Some(old) = self.current {
            text.push_str(&format!("#{} ...\n", old.0));
        }
        if self.any {
            text.push('\n');
        }
        text.push_str(&format!("#{} {}\n", id.0, step.name));
        self.any = true;
        self.current = Some(id);
        self.pending.push_str(&text);
    }

    fn write(&mut self) {
        let text = std::mem::take(&mut self.pending);
        let _unseen = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }
}

#[cfg(test)]
mod tests {
    use builder::progress::{Hit, LogStream};

    use super::*;

    fn shown(events: &[BuildEvent]) -> String {
        let now = Instant::now();
        let mut out = Vec::new();
        let mut plain = Plain::new(&mut out);
        for event in events {
            plain.event(event, now);
        }
        plain.finish();
        String::from_utf8(out).unwrap()
    }

    fn started(id: u64, name: &str) -> BuildEvent {
        BuildEvent::StepStarted { id: ProgressId(id), name: name.to_owned() }
    }

    fn log(id: u64, text: &str) -> BuildEvent {
        let bytes = text.as_bytes().to_vec();
        BuildEvent::StepLog { id: ProgressId(id), stream: LogStream::Stdout, bytes }
    }

    #[test]
    fn one_step_after_the_other() {
        let elapsed = Duration::from_millis(420);
        let events = [
            started(1, "[1/2] RUN make"),
            log(1, "one\ntw"),
            log(1, "o"),
            BuildEvent::StepDone { id: ProgressId(1), elapsed },
            started(2, "[2/2] COPY a b"),
            BuildEvent::StepCached { id: ProgressId(2), hit: Hit::SameStep },
        ];
        let expected = "#1 [1/2] RUN make\n#1 0.000 one\n#1 0.000 two\n#1 DONE 0.4s\n\n\
                        #2 [2/2] COPY a b\n#2 CACHED\n";
        assert_eq!(shown(&events), expected);
    }

    #[test]
    fn steps_at_once_are_named_again() {
        let events = [started(1, "a"), started(2, "b"), log(1, "x\n"), log(2, "y\n")];
        let expected = "#1 a\n#1 ...\n\n#2 b\n#2 ...\n\n#1 a\n#1 0.000 x\n#1 ...\n\n\
                        #2 b\n#2 0.000 y\n";
        assert_eq!(shown(&events), expected);
    }
}
