//! Carries out a plan: every step as soon as those it waits for are done.
//!
//! Each step that is under way has a thread; steps that work (rather than wait for a container) are limited in number.
//! When one fails, no more are begun, those under way are finished, and the first failure is told. Wherever it is
//! interrupted, the next plan starts from what it finds.

mod hooks;
mod pool;
mod resources;
mod steps;
mod wait;

use std::sync::atomic::{AtomicBool, Ordering};

use runtime::shim::{AttachStreams, Connection};

use super::contents::Contents;
use super::{Host, Result, StackError};
use crate::model::Project;
use crate::reconcile::{Action, ObservedState, Plan};

pub use hooks::run as run_hook;
pub use pool::run;
pub use wait::{Waited, wait_for_service};

/// What carrying out a plan needs besides it.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    pub host: &'a Host,
    pub project: &'a Project,
    pub contents: &'a Contents,
    pub observed: &'a ObservedState,
    pub options: &'a ExecuteOptions,
    /// Once it is set no step is begun, and waiting ends.
    pub interrupted: &'a AtomicBool,
}

#[derive(Clone, Debug, Default)]
pub struct ExecuteOptions {
    /// Seconds from the stop signal to SIGKILL, instead of what containers say.
    pub stop_timeout: Option<i64>,
    /// Steps that work at once.
    pub parallel: Option<usize>,
    /// Anonymous volumes go with their containers.
    pub remove_volumes: bool,
}

/// What happens to a step.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    Begun(&'a Action),
    /// A hook wrote a line.
    Wrote {
        container: &'a str,
        line: &'a str,
    },
    Done(&'a Action, Outcome<'a>),
}

#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    Done,
    /// Of a wait: what has been waited for will not be, which is no failure here.
    GoneOnWithout(&'a StackError),
    Failed(&'a StackError),
}

/// Whoever shows what happens; called by any thread.
pub trait Observer: Sync {
    fn event(&self, event: Event<'_>);

    /// Whether it wants to have what containers of a service write that keep no log.
    fn wants_output(&self, service: &str) -> bool {
        let _ = service;
        false
    }

    /// What such a container writes from its start on, for as long as the connection is there.
    fn output(&self, container: &str, streams: AttachStreams, connection: Connection) {
        let _ = (container, streams, connection);
    }
}

impl Order<'_> {
    pub(super) fn check_interrupted(&self) -> Result<()> {
        match self.interrupted.load(Ordering::SeqCst) {
            true => Err(StackError::Interrupted),
            false => Ok(()),
        }
    }
}

/// Whether a step mostly waits for others: such steps are not limited in number.
fn is_patient(action: &Action) -> bool {
    matches!(action, Action::Stop { .. } | Action::Wait { .. })
}

/// Steps of a plan that are still to be begun, by how many others each waits for.
#[derive(Debug)]
struct Pending {
    waits_for: Vec<usize>,
    followers: Vec<Vec<usize>>,
}

impl Pending {
    fn of(plan: &Plan) -> Pending {
        let mut followers = vec![Vec::new(); plan.steps.len()];
        for (position, step) in plan.steps.iter().enumerate() {
            step.after.iter().for_each(|before| followers[*before].push(position));
        }
        Pending { waits_for: plan.steps.iter().map(|step| step.after.len()).collect(), followers }
    }

    fn ready(&self) -> Vec<usize> {
        (0..self.waits_for.len()).filter(|at| self.waits_for[*at] == 0).collect()
    }

    /// Those that wait for nothing any more once this one is done.
    fn done(&mut self, position: usize) -> Vec<usize> {
        let mut ready = Vec::new();
        for follower in &self.followers[position] {
            self.waits_for[*follower] -= 1;
            if self.waits_for[*follower] == 0 {
                ready.push(*follower);
            }
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::{Reason, Step};

    #[test]
    fn steps_are_ready_when_all_before_them_are_done() {
        let step = |after: &[usize]| Step {
            action: Action::RemoveImage { image: "x".to_owned() },
            reasons: vec![Reason::Down],
            after: after.to_vec(),
        };
        let plan = Plan {
            steps: vec![step(&[]), step(&[]), step(&[0, 1]), step(&[2])],
            ..Plan::default()
        };
        let mut pending = Pending::of(&plan);
        assert_eq!(pending.ready(), [0, 1]);
        assert!(pending.done(0).is_empty());
        assert_eq!(pending.done(1), [2]);
        assert_eq!(pending.done(2), [3]);
    }
}
