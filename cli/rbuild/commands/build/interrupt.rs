//! Ctrl-C: the first one cancels the build, which then cleans up; the second one ends us at once. The
//! zygote and everything it started end with us in either case.

use std::thread;

use anyhow::{Context, Result};
use builder::Cancel;
use cli::Exit;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

pub(super) fn watch(cancel: &Cancel) -> Result<()> {
    let cancel = cancel.clone();
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot listen to signals")?;
    thread::spawn(move || {
        for _signal in &mut signals {
            if cancel.is_cancelled() {
                low_level::exit(Exit::Interrupted.status().into());
            }
            cancel.cancel();
        }
    });
    Ok(())
}
