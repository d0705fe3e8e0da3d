//! The container's standard streams and signals are ours while it runs.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, bail};
use runtime::{Container, ExitStatus, Stdio};
use rustix::termios::{self, OptionalActions, Termios};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::Signals;

use crate::args::RunArgs;

/// Handed on to the container's first process.
const FORWARDED: [i32; 6] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2];

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
    pub(super) fn open(args: &RunArgs) -> Result<Streams> {
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

    pub(super) fn stdio(&self) -> Result<Stdio> {
        if self.tty {
            let (rows, columns) = size();
            return Ok(Stdio::Terminal { rows, columns });
        }
        let stdin = if self.interactive {
            io::stdin().as_fd().try_clone_to_owned()
        } else {
            File::open("/dev/null").map(OwnedFd::from)
        };
        Ok(Stdio::Fds {
            stdin: stdin.context("cannot hand on stdin")?,
            stdout: io::stdout().as_fd().try_clone_to_owned().context("cannot hand on stdout")?,
            stderr: io::stderr().as_fd().try_clone_to_owned().context("cannot hand on stderr")?,
        })
    }

    /// Copies and forwards until the container has ended.
    pub(super) fn follow(self, container: Container) -> Result<ExitStatus> {
        let container = Arc::new(container);
        let mut signals = self.signals;
        let stop = signals.handle();
        let target = Arc::clone(&container);
        let forwarder = thread::spawn(move || {
            for signal in &mut signals {
                forward(&target, signal);
            }
        });
        let output = container.terminal().map(File::try_clone).transpose();
        let output = output.context("cannot read the container's terminal")?;
        if let (Some(output), Some(_)) = (&output, &self.terminal) {
            feed(output.try_clone().context("cannot write to the container's terminal")?);
        }
        let copier = output.map(|output| thread::spawn(move || copy_to_stdout(output)));
        let status = container.wait();
        if let Some(copier) = copier {
            // What was written before the end is still to come.
            let _ended = copier.join();
        }
        stop.close();
        let _ended = forwarder.join();
        drop(self.terminal);
        Ok(status?)
    }
}

/// A signal that comes too late for the container is of no use to anyone.
fn forward(container: &Container, signal: i32) {
    let _late = if signal == SIGWINCH {
        let (rows, columns) = size();
        container.resize(rows, columns)
    } else {
        container.kill(signal)
    };
}

/// Types what we read into the container's terminal, until either end closes. The thread may still
/// wait for a key when the container has ended; it ends with this process.
fn feed(mut terminal: File) {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        let mut stdin = io::stdin().lock();
        while let Ok(count @ 1..) = stdin.read(&mut buffer) {
            if terminal.write_all(&buffer[..count]).is_err() {
                return;
            }
        }
    });
}

/// A terminal whose last process has gone reads as an error.
fn copy_to_stdout(mut terminal: File) {
    let mut buffer = [0; 64 << 10];
    let mut stdout = io::stdout().lock();
    while let Ok(count @ 1..) = terminal.read(&mut buffer) {
        if stdout.write_all(&buffer[..count]).and_then(|()| stdout.flush()).is_err() {
            return;
        }
    }
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
