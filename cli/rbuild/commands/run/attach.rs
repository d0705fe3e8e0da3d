//! The container's standard streams and signals are ours while it runs.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, bail};
use runtime::{Container, ExitStatus, Stdio};
use rustix::termios::{self, OptionalActions, Termios};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::Signals;

use crate::args::ContainerArgs;

/// Handed on to the container's first process.
const FORWARDED: [i32; 6] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2];

/// So often must we be asked to end before the container is killed: its first process does not hear
/// the signals that it has no handler for.
const PATIENCE: usize = 3;

/// How the container is connected to us.
#[derive(Debug)]
pub(super) struct Streams {
    tty: bool,
    interactive: bool,
    /// Our terminal, when the container has one too and we type into it.
    terminal: Option<RawTerminal>,
    /// Caught from before the container exists, so that none of them ends us behind its back.
    signals: Signals,
}

impl Streams {
    pub(super) fn open(args: &ContainerArgs) -> Result<Streams> {
        let terminal = if args.tty && args.interactive {
            if !io::stdin().is_terminal() {
                bail!("`--tty` with `--interactive` needs a terminal on stdin");
            }
            Some(RawTerminal::enter().context("cannot change the terminal to raw mode")?)
        } else {
            None
        };
        let signals = Signals::new(FORWARDED.iter().chain(&[SIGWINCH]));
        let signals = signals.context("cannot listen to signals")?;
        Ok(Streams { tty: args.tty, interactive: args.interactive, terminal, signals })
    }

    /// Never our own descriptors: the container's user may open `/dev/stdout`, and becomes the owner of
    /// what is behind it.
    pub(super) fn stdio(&self) -> Stdio {
        if self.tty {
            let (rows, columns) = size();
            return Stdio::Terminal { rows, columns };
        }
        Stdio::Pipes { stdin: self.interactive }
    }

    /// Copies and forwards until the container has ended.
    pub(super) fn follow(self, mut container: Container) -> Result<ExitStatus> {
        let mut copiers = self.connect(&mut container)?;
        let container = Arc::new(container);
        copiers.extend(show_terminal(&container)?);
        let mut signals = self.signals;
        let stop = signals.handle();
        let target = Arc::clone(&container);
        let forwarder = thread::spawn(move || {
            let mut endings = 0;
            for signal in &mut signals {
                endings += usize::from([SIGINT, SIGTERM].contains(&signal));
                forward(&target, signal, endings >= PATIENCE);
            }
        });
        let status = container.wait();
        // What was written before the end is still to come.
        for copier in copiers {
            let _ended = copier.join();
        }
        stop.close();
        let _ended = forwarder.join();
        drop(self.terminal);
        Ok(status?)
    }

    /// Starts a thread for each stream but the terminal's output; those of the output are to be
    /// waited for.
    fn connect(&self, container: &mut Container) -> Result<Vec<JoinHandle<()>>> {
        let terminal = container.terminal().filter(|_| self.terminal.is_some());
        if let Some(terminal) = terminal {
            feed(terminal.try_clone().context("cannot write to the container's terminal")?);
        }
        if let Some(stdin) = container.take_stdin() {
            feed(stdin);
        }
        // When nobody reads what we write, the container is to notice: its end closes.
        let output = container
            .take_stdout()
            .map(|from| thread::spawn(move || drop(copy(from, io::stdout()))));
        let errors = container
            .take_stderr()
            .map(|from| thread::spawn(move || drop(copy(from, io::stderr()))));
        Ok(output.into_iter().chain(errors).collect())
    }
}

/// A terminal stays open whatever happens to our output, and a program that nobody can see any
/// more would wait for ever.
fn show_terminal(container: &Arc<Container>) -> Result<Option<JoinHandle<()>>> {
    let Some(terminal) = container.terminal() else { return Ok(None) };
    let terminal = terminal.try_clone().context("cannot read the container's terminal")?;
    let container = Arc::clone(container);
    Ok(Some(thread::spawn(move || {
        if copy(terminal, io::stdout()).is_err() {
            let _ended = container.kill_all();
        }
    })))
}

/// A signal that comes too late for the container is of no use to anyone.
fn forward(container: &Container, signal: i32, by_force: bool) {
    let _late = if signal == SIGWINCH {
        let (rows, columns) = size();
        container.resize(rows, columns)
    } else if by_force {
        container.kill_all()
    } else {
        container.kill(signal)
    };
}

/// Writes what we read into the container, until either end closes. The thread may still wait for
/// input when the container has ended; it ends with this process.
fn feed(mut to: File) {
    thread::spawn(move || {
        let mut buffer = [0; 64 << 10];
        let mut stdin = io::stdin().lock();
        while let Ok(count @ 1..) = stdin.read(&mut buffer) {
            if to.write_all(&buffer[..count]).is_err() {
                return;
            }
        }
    });
}

/// To the end of `from`; fails when `to` takes no more. A terminal whose last process has gone
/// reads as an error.
fn copy(mut from: File, mut to: impl Write) -> io::Result<()> {
    let mut buffer = [0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        to.write_all(&buffer[..count])?;
        to.flush()?;
    }
    Ok(())
}

fn size() -> (u16, u16) {
    match termios::tcgetwinsize(io::stdout()).or_else(|_| termios::tcgetwinsize(io::stdin())) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => (size.ws_row, size.ws_col),
        _ => (24, 80),
    }
}

/// Our terminal in raw mode; dropping it restores what was.
#[derive(Debug)]
struct RawTerminal {
    before: Termios,
}

impl RawTerminal {
    fn enter() -> io::Result<RawTerminal> {
        let before = termios::tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        termios::tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        Ok(RawTerminal { before })
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // The terminal may be gone; then there is nothing to restore.
        let _gone = termios::tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}
