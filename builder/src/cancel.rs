//! [`Cancel`]: tells a running build to stop, from any thread.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Clones mean the same build.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<State>);

#[derive(Default)]
struct State {
    cancelled: AtomicBool,
    stoppers: Mutex<Stoppers>,
}

#[derive(Default)]
struct Stoppers {
    next: u64,
    running: BTreeMap<u64, Box<dyn Fn() + Send>>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("cancelled", &self.cancelled).finish_non_exhaustive()
    }
}

impl Cancel {
    /// Stops what runs and lets nothing new begin.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
        let stoppers = self.0.stoppers.lock().unwrap_or_else(PoisonError::into_inner);
        stoppers.running.values().for_each(|stop| stop());
    }

    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    /// Calls `stop` on cancellation, at once if it has happened, until the guard is dropped.
    pub(crate) fn on_cancel(&self, stop: impl Fn() + Send + 'static) -> Watching {
        let mut stoppers = self.0.stoppers.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_cancelled() {
            stop();
        }
        let id = stoppers.next;
        stoppers.next += 1;
        stoppers.running.insert(id, Box::new(stop));
        Watching { cancel: self.clone(), id }
    }
}

/// Keeps a stopper of [`Cancel::on_cancel`] in force.
#[derive(Debug)]
pub(crate) struct Watching {
    cancel: Cancel,
    id: u64,
}

impl Drop for Watching {
    fn drop(&mut self) {
        let stoppers = &self.cancel.0.stoppers;
        stoppers.lock().unwrap_or_else(PoisonError::into_inner).running.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn stoppers_run_once_cancelled_and_only_while_watched() {
        let (cancel, calls) = (Cancel::default(), Arc::new(AtomicUsize::new(0)));
        let count = |calls: &Arc<AtomicUsize>| {
            let calls = calls.clone();
            move || {
                calls.fetch_add(1, Ordering::SeqCst);
            }
        };
        drop(cancel.on_cancel(count(&calls)));
        let _kept = cancel.on_cancel(count(&calls));
        cancel.clone().cancel();
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        let _late = cancel.on_cancel(count(&calls));
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }
}
