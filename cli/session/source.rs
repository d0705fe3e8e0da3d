//! What a program writes, until it ends: what it leaves behind may hold its streams for ever.

use std::fs::File;
use std::io::{PipeReader, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// How long what a program left behind is still heard, as with docker.
const AFTERMATH: Duration = Duration::from_secs(2);
/// What may wait in a pipe when that time is over.
const MOST_WAITING: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Source {
    from: File,
    /// Its other end closes when the program has ended.
    over: Arc<PipeReader>,
    until: Option<Instant>,
    /// Bytes that may still come when the time is over: whoever reads us may be slower than that.
    waiting: usize,
}

impl Source {
    pub(super) fn new(from: File, over: &Arc<PipeReader>) -> Source {
        Source { from, over: Arc::clone(over), until: None, waiting: MOST_WAITING }
    }

    /// None at the end. A terminal whose last process has gone reads as an error, which is the end as well.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Option<usize> {
        if !self.has_more().unwrap_or(false) {
            return None;
        }
        let count = self.from.read(buffer).ok()?;
        if self.until.is_some_and(|until| until <= Instant::now()) {
            self.waiting = self.waiting.checked_sub(count)?;
        }
        Some(count)
    }

    fn has_more(&mut self) -> Result<bool, Errno> {
        loop {
            let mut fds = vec![PollFd::new(&self.from, PollFlags::IN)];
            let left = self.until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_none() {
                fds.push(PollFd::new(&*self.over, PollFlags::IN));
            }
            let limit = left.map(Timespec::try_from).transpose().map_err(|_| Errno::INVAL)?;
            match poll(&mut fds, limit.as_ref()) {
                Err(Errno::INTR) => continue,
                Ok(0) => return Ok(false),
                found => found?,
            };
            if !fds[0].revents().is_empty() {
                return Ok(true);
            }
            self.until = Some(Instant::now() + AFTERMATH);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::os::fd::OwnedFd;

    use super::*;

    #[test]
    fn what_waits_in_the_pipe_is_read_and_a_stream_that_stays_open_ends() {
        let (over, goes_on) = io::pipe().unwrap();
        let (from, mut to) = io::pipe().unwrap();
        let mut source = Source::new(File::from(OwnedFd::from(from)), &Arc::new(over));
        to.write_all(b"before").unwrap();
        drop(goes_on);
        let mut buffer = [0; 3];
        assert_eq!(source.read(&mut buffer), Some(3));
        source.until = Some(Instant::now());
        assert_eq!(source.read(&mut buffer), Some(3));
        assert_eq!(&buffer, b"ore");
        assert_eq!(source.read(&mut buffer), None);
        // Whoever writes without end is not heard without end.
        source.waiting = 4;
        to.write_all(b"for ever").unwrap();
        assert_eq!(source.read(&mut buffer), Some(3));
        assert_eq!(source.read(&mut buffer), None);
        drop(to);
    }
}
