//! Being asked to end: a flag is set, and whoever wants to hears how often it has happened.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use signal_hook::low_level;

use builder::Cancel;
use cli::Exit;

/// Dropping it ends the listening.
#[derive(Debug)]
pub(super) struct Interrupts {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Interrupts {
    /// The first time cancels builds, which then clean up; the second ends us at once.
    pub(super) fn cancelling(cancel: &Cancel) -> Result<Interrupts> {
        let cancel = cancel.clone();
        Interrupts::watch(Arc::default(), move |count| match count {
            1 => cancel.cancel(),
            _ => low_level::exit(Exit::Interrupted.status().into()),
        })
    }

    pub(super) fn watch(
        flag: Arc<AtomicBool>,
        tell: impl Fn(usize) + Send + 'static,
    ) -> Result<Interrupts> {
        let mut signals =
            Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot listen to signals")?;
        let handle = signals.handle();
        let thread = thread::spawn(move || {
            for (count, _signal) in (1..).zip(&mut signals) {
                flag.store(true, Ordering::SeqCst);
                tell(count);
            }
        });
        Ok(Interrupts { handle, thread: Some(thread) })
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

/// The first time sets the flag: what is under way is finished. The second ends us at once.
pub(super) fn watch(flag: &Arc<AtomicBool>) -> Result<()> {
    let interrupts = Interrupts::watch(Arc::clone(flag), |count| {
        if count > 1 {
            low_level::exit(Exit::Interrupted.status().into());
        }
    })?;
    // Until we end.
    std::mem::forget(interrupts);
    Ok(())
}
