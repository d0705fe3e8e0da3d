//! Ctrl-C: the first one cancels the build, which then cleans up; the second one ends us at once. The
//! zygote and everything it started end with us in either case.

use std::io::{self, Read};
use std::thread;

use anyhow::{Context, Result};
use builder::Cancel;
use cli::Exit;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
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

/// How often a read of stdin looks whether the build was cancelled.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Stdin, until the build is cancelled.
#[derive(Debug)]
pub(super) struct Stdin(Cancel);

impl Stdin {
    pub(super) fn new(cancel: &Cancel) -> Stdin {
        Stdin(cancel.clone())
    }
}

impl Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let stdin = io::stdin();
        loop {
            if self.0.is_cancelled() {
                return Err(io::Error::other("the build was interrupted"));
            }
            let mut waiting = [PollFd::new(&stdin, PollFlags::IN)];
            match poll(&mut waiting, Some(&PATIENCE)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                // Past the buffer of the standard library: it would wait for more than there is.
                Ok(_) => return Ok(rustix::io::read(&stdin, buffer)?),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
