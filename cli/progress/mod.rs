//! Draws a build's events on stderr: live on a terminal, as lines elsewhere, or not at all.

mod board;
mod explain;
mod frame;
mod plain;
mod several;
mod tty;

use std::io::{self, IsTerminal, Stderr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use builder::Progress;
use builder::progress::{BuildEvent, Warning};

use board::Board;
pub use board::FailedStep;
use explain::Explanations;
use plain::Plain;
pub use several::{Part, Several};
use tty::Tty;

use crate::environment::Environment;

/// How to show progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Live, rewriting its lines.
    Tty,
    /// A line for each event, as BuildKit's plain mode.
    Plain,
    Quiet,
}

impl Mode {
    /// What `auto` means here.
    pub fn automatic(environment: &Environment) -> Mode {
        if io::stderr().is_terminal() && environment.text("TERM") != Some("dumb") {
            Mode::Tty
        } else {
            Mode::Plain
        }
    }
}

/// Receives the events of one build. It also remembers what the report at the end needs, so that
/// a failed step's last output is shown in every mode.
#[derive(Debug)]
pub struct Display {
    board: Arc<Mutex<Board>>,
    explanations: Mutex<Explanations>,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    Tty(Tty),
    Plain(Mutex<Plain<Stderr>>),
    Quiet,
}

/// What is left to tell after the last event.
#[derive(Debug, Default)]
pub struct Outcome {
    pub failed: Vec<FailedStep>,
    pub warnings: Vec<Warning>,
    /// What the cache had of it and why, for `--explain`.
    pub explanation: Vec<String>,
}

impl Display {
    pub fn start(mode: Mode, colour: bool) -> Display {
        let board = Arc::new(Mutex::new(Board::new(Instant::now())));
        let sink = match mode {
            Mode::Tty => Sink::Tty(Tty::start(Arc::clone(&board), colour)),
            Mode::Plain => Sink::Plain(Mutex::new(Plain::new(io::stderr()))),
            Mode::Quiet => Sink::Quiet,
        };
        Display { board, explanations: Mutex::default(), sink }
    }

    /// Ends the live display and hands over what the board remembers.
    pub fn finish(self) -> Outcome {
        match self.sink {
            Sink::Tty(tty) => tty.stop(),
            Sink::Plain(plain) => {
                plain.into_inner().unwrap_or_else(PoisonError::into_inner).finish();
            }
            Sink::Quiet => {}
        }
        let explanation = lock(&self.explanations).lines();
        Outcome { explanation, ..lock(&self.board).take_outcome() }
    }
}

impl Progress for Display {
    fn event(&self, event: BuildEvent) {
        let now = Instant::now();
        if let Sink::Plain(plain) = &self.sink {
            lock(plain).event(&event, now);
        }
        lock(&self.explanations).apply(&event);
        lock(&self.board).apply(event, now);
    }
}

/// A thread that panicked while drawing must not take the build down with it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
