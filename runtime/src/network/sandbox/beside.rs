//! A process beside a container on networks: begun when it is of use, begun again when it has died.
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::process::{Signal, pidfd_send_signal};
use sys::clone::Child;

use super::super::directory::Result;
use crate::starter::reap;

/// One that ends at once is not begun again at once.
const PAUSE: Duration = Duration::from_secs(1);

/// What the shim sees of its helpers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    /// The name server has ended.
    NamesEnded,
    CopierEnded,
    /// At a published port is something that NAT has not redirected.
    Arrived,
}

/// One of the shim's processes, or its place while there is none.
#[derive(Debug, Default)]
pub(super) struct Helper {
    child: Option<Child>,
    began: Option<Instant>,
}

impl Helper {
    /// In place of the one before.
    pub(super) fn begin(&mut self, start: impl FnOnce() -> Result<Child>) -> Result<()> {
        self.end();
        self.began = Some(Instant::now());
        self.child = Some(start()?);
        Ok(())
    }

    /// Without waiting until it has gone.
    pub(super) fn kill(&self) {
        if let Some(child) = &self.child {
            // It may have ended by itself; how does not matter.
            let _ended = pidfd_send_signal(&child.pidfd, Signal::KILL);
        }
    }

    pub(super) fn end(&mut self) {
        self.kill();
        if let Some(child) = self.child.take() {
            let _status = reap(child.pidfd.as_fd());
        }
    }

    pub(super) fn runs(&self) -> bool {
        self.child.is_some()
    }

    pub(super) fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.child.as_ref().map(|child| child.pidfd.as_fd())
    }

    /// Until when none is begun; none is that one may be begun now.
    pub(super) fn pause(&self) -> Option<Instant> {
        self.began.map(|began| began + PAUSE).filter(|until| *until > Instant::now())
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.end();
    }
}
