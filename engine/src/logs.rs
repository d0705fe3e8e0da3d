//! What a container wrote, from the log that its shim keeps.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use runtime::containers::{Container, LogDriver};
use runtime::shim::{Connection, log_files};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use rustix::io::Errno;
use serde::Deserialize;

use crate::time::{Instant, instant};
use crate::{EngineError, Result};

/// What was written at once: a line, or a piece of one that is longer than 16 KiB.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Line {
    /// With the newline, if it is the last piece.
    #[serde(rename = "log")]
    pub text: String,
    pub stream: LogStream,
    #[serde(rename = "attrs", default)]
    pub attributes: BTreeMap<String, String>,
    /// RFC 3339.
    pub time: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogStream {
    Stdout,
    Stderr,
}

/// Which lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogQuery {
    pub since: Option<Instant>,
    pub until: Option<Instant>,
    /// Only so many of the last.
    pub tail: Option<usize>,
    /// Go on until the container has ended for good.
    pub follow: bool,
}

impl LogQuery {
    fn admits(&self, line: &Line) -> bool {
        let time = instant(Some(&line.time));
        self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time <= until)
    }

    /// Whether nothing that comes from now on can be shown.
    fn is_over(&self) -> bool {
        let now = instant(Some(&runtime::clock::now()));
        self.until.is_some_and(|until| now > until)
    }
}

/// Hands each line to `take`, until that fails.
pub fn read(
    container: &Container,
    query: &LogQuery,
    take: &mut dyn FnMut(Line) -> io::Result<()>,
) -> Result<()> {
    if container.definition.log.driver == LogDriver::None {
        return Err(EngineError::NoLog { name: container.definition.name.clone() });
    }
    let mut reader = Reader { query, take };
    let path = container.place.log_file();
    // Before the first look, so that nothing is missed.
    let watch = if query.follow { Watch::begin(container)? } else { None };
    let mut tail = Tail::open(&path)?;
    let mut lines = VecDeque::new();
    for older in log_files(&path).iter().rev().skip(1).rev() {
        let file = File::open(older);
        // Rotated away in this moment.
        let Ok(file) = file else { continue };
        for line in BufReader::new(file).lines() {
            reader.keep(&mut lines, line.map_err(|source| cannot_read(older, source))?)?;
        }
    }
    while let Some(line) = tail.next_line()? {
        reader.keep(&mut lines, line)?;
    }
    lines.iter().try_for_each(|line| reader.show(line))?;
    let Some(watch) = watch else { return Ok(()) };
    loop {
        let goes_on = watch.wait(query.until)?;
        while let Some(line) = tail.next_line()? {
            reader.show(&line)?;
        }
        if !goes_on || query.is_over() {
            return Ok(());
        }
    }
}

fn cannot_read(path: &Path, source: io::Error) -> EngineError {
    EngineError::Read { path: path.to_owned(), source }
}

struct Reader<'a> {
    query: &'a LogQuery,
    take: &'a mut dyn FnMut(Line) -> io::Result<()>,
}

impl Reader<'_> {
    fn show(&mut self, text: &str) -> Result<()> {
        // The last line may be still being written, or be torn by a loss of power.
        let Ok(line) = serde_json::from_str::<Line>(text) else { return Ok(()) };
        match self.query.admits(&line) {
            true => (self.take)(line).map_err(|source| EngineError::Write { source }),
            false => Ok(()),
        }
    }

    /// Only the last lines that may be shown are kept; without a limit they are shown at once.
    fn keep(&mut self, lines: &mut VecDeque<String>, line: String) -> Result<()> {
        let Some(most) = self.query.tail else { return self.show(&line) };
        lines.push_back(line);
        if lines.len() > most {
            lines.pop_front();
        }
        Ok(())
    }
}

/// The newest file of a log, wherever it goes on.
struct Tail<'a> {
    path: &'a Path,
    reader: Option<BufReader<File>>,
    inode: u64,
    read: u64,
    partial: String,
}

impl Tail<'_> {
    fn open(path: &Path) -> Result<Tail<'_>> {
        let mut tail = Tail { path, reader: None, inode: 0, read: 0, partial: String::new() };
        tail.reopen()?;
        Ok(tail)
    }

    /// A container that has never been started has no log.
    fn reopen(&mut self) -> Result<()> {
        self.reader = match File::open(self.path) {
            Ok(file) => {
                self.inode = file.metadata().map_err(|error| self.cannot(error))?.ino();
                Some(BufReader::new(file))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(self.cannot(error)),
        };
        (self.read, self.partial) = (0, String::new());
        Ok(())
    }

    fn cannot(&self, source: io::Error) -> EngineError {
        cannot_read(self.path, source)
    }

    /// The next whole line there is, from the next file too once this one has been left.
    fn next_line(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(reader) = &mut self.reader {
                let count = reader.read_line(&mut self.partial);
                let count = count.map_err(|source| cannot_read(self.path, source))?;
                self.read += count as u64;
                if self.partial.ends_with('\n') {
                    return Ok(Some(std::mem::take(&mut self.partial)));
                }
            }
            let Ok(now) = std::fs::metadata(self.path) else { return Ok(None) };
            let known = self.reader.is_some() && now.ino() == self.inode;
            if known && now.len() >= self.read {
                return Ok(None);
            }
            // Rotated, begun anew, or there at last.
            self.reopen()?;
        }
    }
}

/// Waits for more of a log, or for the end of its container.
struct Watch {
    changes: OwnedFd,
    connection: Connection,
    name: String,
}

impl Watch {
    /// None for a container that does not run: there is nothing to wait for.
    fn begin(container: &Container) -> Result<Option<Watch>> {
        let Ok(connection) = Connection::open(container) else { return Ok(None) };
        if connection.watch().is_err() {
            // It has ended in this moment.
            return Ok(None);
        }
        let name = container.definition.name.clone();
        let failed = |errno: Errno| EngineError::Watch { name: name.clone(), source: errno.into() };
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        let changes = inotify::init(flags).map_err(failed)?;
        let log = container.place.log_file();
        let directory = log.parent().unwrap_or(&log);
        let flags = inotify::WatchFlags::MODIFY | inotify::WatchFlags::CREATE;
        inotify::add_watch(&changes, directory, flags).map_err(failed)?;
        Ok(Some(Watch { changes, connection, name }))
    }

    /// False when the container has ended for good. Not longer than `until`.
    fn wait(&self, until: Option<Instant>) -> Result<bool> {
        let failed = |source| EngineError::Watch { name: self.name.clone(), source };
        let socket = self.connection.try_clone_socket().map_err(failed)?;
        let mut set =
            [PollFd::new(&self.changes, PollFlags::IN), PollFd::new(&socket, PollFlags::IN)];
        let now = instant(Some(&runtime::clock::now()));
        let left = until.map(|until| Timespec { tv_sec: (until.0 - now.0 + 1).max(0), tv_nsec: 0 });
        match poll(&mut set, left.as_ref()) {
            Err(Errno::INTR) => return Ok(true),
            other => other.map_err(|errno| failed(errno.into()))?,
        };
        let (changed, spoken) = (!set[0].revents().is_empty(), !set[1].revents().is_empty());
        if changed {
            // What has changed is looked at anyway.
            let mut buffer = [0; 4096];
            while rustix::io::read(&self.changes, &mut buffer).is_ok_and(|count| count > 0) {}
        }
        if !spoken {
            return Ok(true);
        }
        // A shim that has gone has ended too.
        Ok(self.connection.ended().is_ok_and(|ended| !ended.last))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_tail_goes_on_after_rotation_and_truncation() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut tail = Tail::open(&path).unwrap();
        assert_eq!(tail.next_line().unwrap(), None);
        std::fs::write(&path, "a\nb").unwrap();
        assert_eq!(tail.next_line().unwrap().as_deref(), Some("a\n"));
        assert_eq!(tail.next_line().unwrap(), None);
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"c\nlast\n").unwrap();
        std::fs::rename(&path, directory.path().join("log.1")).unwrap();
        std::fs::write(&path, "new\n").unwrap();
        for expected in ["bc\n", "last\n", "new\n"] {
            assert_eq!(tail.next_line().unwrap().as_deref(), Some(expected));
        }
        File::create(&path).unwrap().write_all(b"x\n").unwrap();
        assert_eq!(tail.next_line().unwrap().as_deref(), Some("x\n"));
    }
}
