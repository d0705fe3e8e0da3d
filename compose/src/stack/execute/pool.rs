//! Threads for the steps of a plan.

use std::collections::VecDeque;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use super::{Event, Observer, Order, Outcome, Pending, is_patient, steps};
use crate::reconcile::{Action, Plan};
use crate::stack::{Result, StackError};

/// Steps that work at once, unless somebody says otherwise.
const WORKERS: usize = 16;

/// Carries out a plan; the first failure ends it. What is wrong with a service itself is told before the first step.
pub fn run(plan: &Plan, order: Order<'_>, observer: &dyn Observer) -> Result<()> {
    plan.steps.iter().try_for_each(|step| steps::check(&step.action, order))?;
    let most = order.options.parallel.unwrap_or(WORKERS).max(1);
    let mut pending = Pending::of(plan);
    let mut ready: VecDeque<usize> = pending.ready().into();
    let (tell, hear) = channel::<(usize, Result<()>)>();
    let (mut working, mut under_way) = (0, 0);
    let mut failure: Option<StackError> = None;
    thread::scope(|scope| {
        loop {
            while failure.is_none()
                && let Some(position) = next(&mut ready, plan, working < most)
            {
                let action = &plan.steps[position].action;
                working += usize::from(!is_patient(action));
                under_way += 1;
                let tell: Sender<_> = tell.clone();
                scope.spawn(move || {
                    let done = carry_out(action, order, observer);
                    // Who hears it is there until all are done.
                    let _heard = tell.send((position, done));
                });
            }
            if under_way == 0 {
                break;
            }
            let Ok((position, done)) = hear.recv() else { break };
            under_way -= 1;
            working -= usize::from(!is_patient(&plan.steps[position].action));
            match done {
                Ok(()) => ready.extend(pending.done(position)),
                Err(error) => failure = Some(failure.take().unwrap_or(error)),
            }
        }
    });
    match failure {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// The first that may begin.
fn next(ready: &mut VecDeque<usize>, plan: &Plan, room: bool) -> Option<usize> {
    let may = |position: &usize| room || is_patient(&plan.steps[*position].action);
    let at = ready.iter().position(may)?;
    ready.remove(at)
}

fn carry_out(action: &Action, order: Order<'_>, observer: &dyn Observer) -> Result<()> {
    order.check_interrupted()?;
    observer.event(Event::Begun(action));
    let done = steps::carry_out(action, order, observer);
    let outcome = match (&done, action) {
        (Ok(()), _) => Outcome::Done,
        (Err(error), Action::Wait { required: false, .. }) => Outcome::GoneOnWithout(error),
        (Err(error), _) => Outcome::Failed(error),
    };
    observer.event(Event::Done(action, outcome));
    match outcome {
        Outcome::GoneOnWithout(_) => Ok(()),
        _ => done,
    }
}
