//! `rbuild logs`

use std::io::{self, Write};

use anyhow::{Result, bail};
use cli::environment::Environment;
use cli::{Exit, log_query, times};
use engine::EngineError;
use engine::logs::{Line, LogQuery, LogStream};
use runtime::containers::LogDriver;

use super::open;
use crate::args::LogsArgs;

/// What to show, and how.
#[derive(Debug)]
struct Show {
    query: LogQuery,
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
    match engine::logs::read(&container, &show.query, &mut |line| show.print(&line)) {
        Err(error) if is_unread(&error) => Ok(Exit::Success),
        other => Ok(other.map(|()| Exit::Success)?),
    }
}

/// A reader that went away (`rbuild logs c | head`) is no failure.
fn is_unread(error: &EngineError) -> bool {
    matches!(error, EngineError::Write { source } if source.kind() == io::ErrorKind::BrokenPipe)
}

impl Show {
    fn of(args: &LogsArgs, terminal: bool) -> Result<Show> {
        let (since, until) = (args.since.as_deref(), args.until.as_deref());
        Ok(Show {
            query: log_query(since, until, &args.tail, args.follow)?,
            timestamps: args.timestamps,
            details: args.details,
            terminal,
        })
    }

    fn print(&self, line: &Line) -> io::Result<()> {
        let mut text = String::new();
        if self.timestamps {
            text.push_str(&times::nine_digits(&line.time));
            text.push(' ');
        }
        if self.details {
            let pairs: Vec<String> =
                line.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
            text.push_str(&pairs.join(","));
            text.push(' ');
        }
        text.push_str(&line.text);
        if line.stream == LogStream::Stderr && !self.terminal {
            return io::stderr().lock().write_all(text.as_bytes());
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }
}
