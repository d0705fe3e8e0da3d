//! `rcompose logs`: what containers wrote, in the order of its times; then what they write.

use std::io;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use anyhow::Result;
use cli::{Exit, log_query};
use compose::stack::Member;
use engine::EngineError;
use engine::logs::{Line, LogQuery};
use engine::time::{Instant, instant};

use super::printer::Printer;
use super::stack::{Call, of_services};
use crate::args::LogsArgs;

/// Lines of one container that are read ahead.
const AHEAD: usize = 64;

pub(super) fn run(args: &LogsArgs, call: Call<'_>) -> Result<Exit> {
    let (since, until) = (args.since.as_deref(), args.until.as_deref());
    let query = log_query(since, until, &args.tail, args.follow)?;
    let host = call.host()?;
    let project = call.project_or_remains(&host)?;
    let mut found = of_services(&host, &project, &args.services)?;
    found.retain(|member| args.index.is_none_or(|index| member.identity.number == index));
    let names: Vec<String> = found.iter().map(|member| member.name().to_owned()).collect();
    let printer = Printer::new(&project.name, &names, !args.no_log_prefix)
        .coloured(!args.no_color && call.colours(&io::stdout()))
        .with_times(args.timestamps);
    let shown = match query.follow {
        true => follow(&found, query, &printer),
        false => merged(&found, query, &printer),
    };
    match shown {
        Err(EngineError::Write { source }) if source.kind() == io::ErrorKind::BrokenPipe => {
            Ok(Exit::Success)
        }
        other => Ok(other.map(|()| Exit::Success)?),
    }
}

/// Each as it comes, until the last container has ended.
fn follow(found: &[Member], query: LogQuery, printer: &Printer) -> Result<(), EngineError> {
    thread::scope(|scope| {
        let read = |member: &Member| {
            let container = member.container.clone();
            scope.spawn(move || {
                engine::logs::read(&container, &query, &mut |line| {
                    printer.print(&container.definition.name, &line)
                })
            })
        };
        let threads: Vec<_> = found.iter().map(read).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or(Ok(())))
    })
}

/// The next line of a container, and where more comes from.
struct Source<'a> {
    name: &'a str,
    lines: Receiver<Line>,
    next: Option<(Instant, Line)>,
}

impl Source<'_> {
    fn advance(&mut self) {
        self.next = self.lines.recv().ok().map(|line| (instant(Some(&line.time)), line));
    }
}

/// All that there is, by its time.
fn merged(found: &[Member], query: LogQuery, printer: &Printer) -> Result<(), EngineError> {
    thread::scope(|scope| {
        let (mut sources, mut threads) = (Vec::new(), Vec::new());
        for member in found {
            let (tell, lines) = sync_channel(AHEAD);
            let container = &member.container;
            threads.push(scope.spawn(move || {
                let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
                engine::logs::read(container, &query, &mut |line| tell.send(line).map_err(gone))
            }));
            let mut source = Source { name: member.name(), lines, next: None };
            source.advance();
            sources.push(source);
        }
        let earliest = |sources: &[Source<'_>]| {
            let times = sources.iter().enumerate();
            let times = times.filter_map(|(at, source)| Some((source.next.as_ref()?.0, at)));
            times.min().map(|(_, at)| at)
        };
        while let Some(at) = earliest(&sources) {
            let source = &mut sources[at];
            if let Some((_, line)) = source.next.take() {
                let printed = printer.print(source.name, &line);
                printed.map_err(|source| EngineError::Write { source })?;
            }
            source.advance();
        }
        drop(sources);
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or(Ok(())))
    })
}
