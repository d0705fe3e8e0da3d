//! What the container writes and reads, between it, its log and attached clients.
//!
//! Nothing here waits: a client that does not take its output has some kept for it, and then the container is not
//! read from until the client goes on or goes away.
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionbio;

use super::log::{Log, Stream};

const PIECE: usize = 16 << 10;

/// An end of a pipe or a terminal that never makes us wait, with what it has not taken yet.
#[derive(Debug)]
pub(super) struct Sink {
    file: File,
    pending: Vec<u8>,
}

impl Sink {
    pub(super) fn new(file: File) -> io::Result<Sink> {
        ioctl_fionbio(&file, true)?;
        Ok(Sink { file, pending: Vec::new() })
    }

    pub(super) fn is_full(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether nobody can read it any more.
    pub(super) fn is_broken(&self) -> bool {
        let mut set = [PollFd::new(&self.file, PollFlags::OUT)];
        let at_once = Timespec::default();
        poll(&mut set, Some(&at_once)).is_ok() && set[0].revents().contains(PollFlags::ERR)
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// False when nobody reads any more.
    pub(super) fn put(&mut self, bytes: &[u8]) -> bool {
        self.pending.extend_from_slice(bytes);
        self.flush()
    }

    pub(super) fn flush(&mut self) -> bool {
        while !self.pending.is_empty() {
            match self.file.write(&self.pending) {
                Ok(count) => drop(self.pending.drain(..count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
        // What was long once need not stay.
        self.pending.shrink_to(0);
        true
    }
}

/// What the container writes to.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) file: File,
    pub(super) stream: Stream,
    pub(super) ended: bool,
}

/// What came of reading.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Got {
    Output(Vec<u8>),
    Nothing,
    /// There will be no more.
    End,
}

impl Source {
    pub(super) fn new(file: File, stream: Stream) -> io::Result<Source> {
        ioctl_fionbio(&file, true)?;
        Ok(Source { file, stream, ended: false })
    }

    /// Whether there is something to read at this moment.
    pub(super) fn has_more(&self) -> bool {
        let mut set = [PollFd::new(&self.file, PollFlags::IN)];
        let at_once = Timespec::default();
        poll(&mut set, Some(&at_once)).is_ok() && set[0].revents().contains(PollFlags::IN)
    }

    /// A terminal whose last process has gone reads as an error.
    pub(super) fn read(&mut self) -> Got {
        let mut buffer = vec![0; PIECE];
        loop {
            match self.file.read(&mut buffer) {
                Ok(0) => return Got::End,
                Ok(count) => {
                    buffer.truncate(count);
                    return Got::Output(buffer);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Got::Nothing,
                Err(_) => return Got::End,
            }
        }
    }
}

/// The streams of a client that is attached.
#[derive(Debug, Default)]
pub(super) struct Attached {
    pub(super) input: Option<File>,
    pub(super) output: Option<Sink>,
    pub(super) errors: Option<Sink>,
}

impl Attached {
    /// Where a stream goes. A terminal's has no errors of its own.
    pub(super) fn sink(&mut self, stream: Stream) -> &mut Option<Sink> {
        match stream {
            Stream::Stdout => &mut self.output,
            Stream::Stderr => &mut self.errors,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        [&self.output, &self.errors].into_iter().flatten().any(Sink::is_full)
    }
}

/// Writes to the log. What cannot be logged (a full disk) is lost to it, and the container goes on.
pub(super) fn record(log: &mut Option<Log>, stream: Stream, bytes: &[u8]) {
    if let Some(log) = log {
        let _lost = log.write(stream, bytes);
    }
}
