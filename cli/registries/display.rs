//! How far the blobs of an image are: on a terminal a line for each, rewritten; elsewhere a line for each change.

use std::io::{self, IsTerminal};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use store::Digest;
use store::registry::{BlobEvent, Watch};

use crate::{output, report};

const PAUSE: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Pull,
    Push,
}

/// Shows one transfer.
#[derive(Debug)]
pub struct Transfer {
    direction: Direction,
    live: bool,
    errors: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    lines: Vec<Line>,
    drawn: usize,
    last: Option<Instant>,
}

#[derive(Debug)]
struct Line {
    digest: Digest,
    begun: Instant,
    text: String,
}

impl Transfer {
    /// On stdout, as a result.
    pub fn new(direction: Direction) -> Transfer {
        Transfer::on(direction, false, io::stdout().is_terminal())
    }

    pub fn on_stderr(direction: Direction) -> Transfer {
        Transfer::on(direction, true, io::stderr().is_terminal())
    }

    fn on(direction: Direction, errors: bool, live: bool) -> Transfer {
        let state = State { lines: Vec::new(), drawn: 0, last: None };
        Transfer { direction, live, errors, state: Mutex::new(state) }
    }

    /// The words of docker.
    fn text(&self, event: &BlobEvent, begun: Instant) -> String {
        let pull = self.direction == Direction::Pull;
        match event {
            BlobEvent::Exists if pull => "Already exists".to_owned(),
            BlobEvent::Exists => "Layer already exists".to_owned(),
            BlobEvent::Mounted { from } => format!("Mounted from {from}"),
            BlobEvent::Moved { done, total } => {
                let verb = if pull { "Downloading" } else { "Pushing" };
                let seconds = begun.elapsed().as_secs_f64().max(0.001);
                let rate = output::size((*done as f64 / seconds) as u64);
                format!("{verb}  {}/{}  {rate}/s", output::size(*done), output::size(*total))
            }
            BlobEvent::Retried { attempt } => format!("Retrying (attempt {attempt})"),
            BlobEvent::Done if pull => "Pull complete".to_owned(),
            BlobEvent::Done => "Pushed".to_owned(),
        }
    }
}

impl Watch for Transfer {
    fn event(&self, digest: Digest, event: BlobEvent) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let at = state.lines.iter().position(|line| line.digest == digest);
        let at = at.unwrap_or_else(|| {
            state.lines.push(Line { digest, begun: Instant::now(), text: String::new() });
            state.lines.len() - 1
        });
        let moved = matches!(event, BlobEvent::Moved { .. });
        let begun = state.lines[at].begun;
        let shown = state.last.is_none_or(|last| last.elapsed() >= PAUSE);
        if moved && !(self.live && shown) {
            return;
        }
        state.lines[at].text = self.text(&event, begun);
        let text = if self.live { state.redrawn() } else { state.lines[at].shown() };
        state.last = Some(Instant::now());
        // A reader that went away does not stop the transfer.
        match self.errors {
            true => report::print_part(&text),
            false => drop(output::write(&text)),
        }
    }
}

impl State {
    fn redrawn(&mut self) -> String {
        let mut text = match self.drawn {
            0 => String::new(),
            drawn => format!("\x1b[{drawn}A"),
        };
        for line in &self.lines {
            text.push_str("\r\x1b[2K");
            text.push_str(&line.shown());
        }
        self.drawn = self.lines.len();
        text
    }
}

impl Line {
    fn shown(&self) -> String {
        format!("{}: {}\n", self.digest.short(), self.text)
    }
}
