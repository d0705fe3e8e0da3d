//! `rbuild logs`

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use cli::Exit;
use cli::environment::Environment;
use runtime::containers::{Container, LogDriver};
use runtime::shim::{Connection, log_files};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use serde::Deserialize;

use super::open;
use crate::args::LogsArgs;
use crate::commands::times::{self, Instant};

/// A line of the log as docker's json-file has it.
#[derive(Debug, Deserialize)]
struct Record {
    log: String,
    stream: String,
    #[serde(default)]
    attrs: BTreeMap<String, String>,
    time: String,
}

/// What to show, and how.
#[derive(Debug)]
struct Show {
    since: Option<Instant>,
    until: Option<Instant>,
    tail: Option<usize>,
    timestamps: bool,
    details: bool,
    /// Without a terminal of its own it has two streams.
    terminal: bool,
}

pub(crate) fn run(args: &LogsArgs, environment: &Environment) -> Result<Exit> {
    let (_store, containers) = open(environment)?;
    let container = containers.find(&args.container)?;
    if container.definition.log.driver == LogDriver::None {
        bail!("container `{}` keeps no log: it was made with `--log-driver none`", args.container);
    }
    let show = Show::of(args, container.definition.terminal)?;
    match follow_or_dump(&show, &container, args.follow) {
        Err(error) if is_unread(&error) => Ok(Exit::Success),
        other => other.map(|()| Exit::Success),
    }
}

/// A reader that went away (`rbuild logs c | head`) is no failure.
fn is_unread(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

impl Show {
    fn of(args: &LogsArgs, terminal: bool) -> Result<Show> {
        let moment = |flag: &str, text: &Option<String>| {
            let parsed = text.as_deref().map(|text| {
                times::moment(text, SystemTime::now())
                    .with_context(|| format!("`{flag} {text}` is no time and no duration"))
            });
            parsed.transpose()
        };
        let tail = match args.tail.as_str() {
            "all" => None,
            text => match text.parse::<i64>() {
                Ok(number) => usize::try_from(number).ok(),
                Err(_) => bail!("`--tail {text}` is no number of lines, nor `all`"),
            },
        };
        Ok(Show {
            since: moment("--since", &args.since)?,
            until: moment("--until", &args.until)?,
            tail,
            timestamps: args.timestamps,
            details: args.details,
            terminal,
        })
    }

    fn admits(&self, record: &Record) -> bool {
        let time = times::instant(Some(&record.time));
        self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time <= until)
    }

    /// Whether nothing that comes from now on can be shown.
    fn is_over(&self) -> bool {
        let now = times::instant(Some(&runtime::clock::now()));
        self.until.is_some_and(|until| now > until)
    }

    fn print(&self, line: &str) -> Result<()> {
        // The last line may be still being written, or be torn by a loss of power.
        let Ok(record) = serde_json::from_str::<Record>(line) else { return Ok(()) };
        if !self.admits(&record) {
            return Ok(());
        }
        let mut text = String::new();
        if self.timestamps {
            text.push_str(&nine_digits(&record.time));
            text.push(' ');
        }
        if self.details {
            let pairs: Vec<String> =
                record.attrs.iter().map(|(name, value)| format!("{name}={value}")).collect();
            text.push_str(&pairs.join(","));
            text.push(' ');
        }
        text.push_str(&record.log);
        if record.stream == "stderr" && !self.terminal {
            return Ok(io::stderr().lock().write_all(text.as_bytes())?);
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        Ok(stdout.flush()?)
    }
}

/// Times of lines are as long as each other.
fn nine_digits(time: &str) -> String {
    let bare = time.trim_end_matches('Z');
    let (seconds, fraction) = bare.split_once('.').unwrap_or((bare, ""));
    format!("{seconds}.{fraction:0<9}Z")
}

fn follow_or_dump(show: &Show, container: &Container, follow: bool) -> Result<()> {
    let path = container.place.log_file();
    // Before the first look, so that nothing is missed.
    let watch = if follow { Watch::begin(container)? } else { None };
    let mut tail = Tail::open(&path)?;
    let mut lines = VecDeque::new();
    for older in log_files(&path).iter().rev().skip(1).rev() {
        let file = File::open(older);
        // Rotated away in this moment.
        let Ok(file) = file else { continue };
        for line in BufReader::new(file).lines() {
            keep(&mut lines, line?, show)?;
        }
    }
    while let Some(line) = tail.next_line()? {
        keep(&mut lines, line, show)?;
    }
    lines.iter().try_for_each(|line| show.print(line))?;
    let Some(watch) = watch else { return Ok(()) };
    loop {
        let goes_on = watch.wait(show.until)?;
        while let Some(line) = tail.next_line()? {
            show.print(&line)?;
        }
        if !goes_on || show.is_over() {
            return Ok(());
        }
    }
}

/// Only the last lines that may be shown are kept; without a limit they are shown at once.
fn keep(lines: &mut VecDeque<String>, line: String, show: &Show) -> Result<()> {
    let Some(most) = show.tail else { return show.print(&line) };
    lines.push_back(line);
    if lines.len() > most {
        lines.pop_front();
    }
    Ok(())
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
                self.inode = file.metadata()?.ino();
                Some(BufReader::new(file))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot read `{}`", self.path.display()));
            }
        };
        (self.read, self.partial) = (0, String::new());
        Ok(())
    }

    /// The next whole line there is, from the next file too once this one has been left.
    fn next_line(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(reader) = &mut self.reader {
                let count = reader.read_line(&mut self.partial)?;
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
}

impl Watch {
    /// None for a container that does not run: there is nothing to wait for.
    fn begin(container: &Container) -> Result<Option<Watch>> {
        let Ok(connection) = Connection::open(container) else { return Ok(None) };
        connection.watch()?;
        let changes =
            inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        let log = container.place.log_file();
        let directory = log.parent().unwrap_or(&log);
        let flags = inotify::WatchFlags::MODIFY | inotify::WatchFlags::CREATE;
        inotify::add_watch(&changes, directory, flags)?;
        Ok(Some(Watch { changes, connection }))
    }

    /// False when the container has ended for good. Not longer than `until`.
    fn wait(&self, until: Option<Instant>) -> Result<bool> {
        let socket = self.connection.try_clone_socket()?;
        let mut set =
            [PollFd::new(&self.changes, PollFlags::IN), PollFd::new(&socket, PollFlags::IN)];
        let now = times::instant(Some(&runtime::clock::now()));
        let left = until.map(|until| Timespec { tv_sec: (until.0 - now.0 + 1).max(0), tv_nsec: 0 });
        match poll(&mut set, left.as_ref()) {
            Err(rustix::io::Errno::INTR) => return Ok(true),
            other => other?,
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
    use super::*;

    #[test]
    fn times_have_nine_digits() {
        assert_eq!(nine_digits("2026-01-02T03:04:05Z"), "2026-01-02T03:04:05.000000000Z");
        assert_eq!(nine_digits("2026-01-02T03:04:05.12Z"), "2026-01-02T03:04:05.120000000Z");
    }

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
