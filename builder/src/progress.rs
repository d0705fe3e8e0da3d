//! What happens during a build, as data. Only the front end draws.

use std::time::Duration;

use parser::{Source, Span};
use store::Digest;

use crate::cache::MissReason;
use crate::quirk::Quirk;

/// Receives events from many threads at once; must not block for long.
pub trait Progress: Send + Sync {
    fn event(&self, event: BuildEvent);
}

/// Ignores everything.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _event: BuildEvent) {}
}

/// Numbers the steps of one build in the order they appear, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProgressId(pub u64);

#[derive(Clone, Debug, PartialEq)]
pub enum BuildEvent {
    /// What the build is going to do: steps, not counting internal ones, and whether any is a RUN.
    Planned {
        steps: usize,
        runs: bool,
    },
    /// Nothing is left to run: what follows is the image, its names, and files that were asked for.
    Solved,
    /// Work begins. `name` is `[stage 2/5] RUN make` or `[internal] load build context`.
    StepStarted {
        id: ProgressId,
        name: String,
    },
    /// Output of the process.
    StepLog {
        id: ProgressId,
        stream: LogStream,
        bytes: Vec<u8>,
    },
    /// How far a layer is on its way from a registry or to one.
    LayerMoved {
        id: ProgressId,
        digest: Digest,
        done: u64,
        total: u64,
    },
    /// A layer that was pulled is unpacked.
    LayerUnpacked {
        id: ProgressId,
        digest: Digest,
    },
    /// Why the cache did not have the step: `changed: app/main.rs` for a line (nothing for a step that is new), and all
    /// that is known.
    Miss {
        id: ProgressId,
        reason: String,
        reasons: Vec<MissReason>,
    },
    /// The step ran and made what an earlier one had made, times aside: the steps after it go on from that one.
    SameResult {
        id: ProgressId,
    },
    StepCached {
        id: ProgressId,
        hit: Hit,
    },
    StepDone {
        id: ProgressId,
        elapsed: Duration,
    },
    StepFailed {
        id: ProgressId,
        elapsed: Duration,
        error: String,
    },
    /// The build ended before this step did.
    StepCancelled {
        id: ProgressId,
    },
    Warning(Warning),
}

/// How the cache had a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hit {
    /// An earlier build made it, in seconds since 1970. So many things that it reads are as they were.
    Recorded { created: i64, inputs: usize },
    /// Another build made it while this one waited for it.
    MadeMeanwhile,
    /// Another stage of this build has the same step on the same state.
    SameStep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStream {
    Stdout,
    Stderr,
}

/// Something to tell that is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Name of the build check (`UndefinedVar`); absent for what is not a check.
    pub rule: Option<&'static str>,
    /// What a `--strict` build would fail with.
    pub quirk: Option<Quirk>,
    pub message: String,
    pub span: Option<Span>,
}

impl Warning {
    pub(crate) fn rule(name: &'static str, message: String, span: Span) -> Warning {
        Warning { rule: Some(name), quirk: None, message, span: Some(span) }
    }

    pub(crate) fn quirk(quirk: Quirk, message: String, span: Span) -> Warning {
        Warning { rule: None, quirk: Some(quirk), message, span: Some(span) }
    }

    /// About no line of the file.
    pub(crate) fn remark(message: String) -> Warning {
        Warning { rule: None, quirk: None, message, span: None }
    }

    /// Of the check or the quirk; remarks have none.
    pub fn name(&self) -> Option<&'static str> {
        self.rule.or(self.quirk.map(Quirk::name))
    }

    /// First and last line, as BuildKit reports them.
    pub fn lines(&self, source: &Source) -> Option<(usize, usize)> {
        let (first, last) = source.lines(self.span?);
        match self.rule {
            Some("NoEmptyContinuation") => Some((last, last)),
            _ => Some((first, last)),
        }
    }
}
