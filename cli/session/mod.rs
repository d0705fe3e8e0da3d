//! Our standard streams and signals are the container's while we are attached to it, or to a program in it.

mod detach;
mod exec;
mod follow;
mod source;

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, bail};
use rustix::termios::{self, OptionalActions, Termios};
use signal_hook::consts::{
    SIGABRT, SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGIO, SIGKILL, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1,
    SIGUSR2, SIGVTALRM, SIGWINCH, SIGXCPU, SIGXFSZ,
};
use signal_hook::iterator::Signals;

use crate::Exit;
use detach::{DetachKeys, Typed};
use source::Source;

pub use exec::follow_program;
pub use follow::follow;

/// Handed on to the container's first process: all that somebody may send to us and that would end us. Those by which a
/// shell stops us and lets us go on stay ours, but for the latter, which a container may want to hear of.
const FORWARDED: [i32; 14] = [
    SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGABRT, SIGALRM, SIGVTALRM, SIGPROF,
    SIGIO, SIGXCPU, SIGXFSZ, SIGCONT,
];
/// The first of those without names that neither C library keeps for itself, and the last.
const UNNAMED: std::ops::RangeInclusive<i32> = 35..=64;

/// So often must we be asked to end before the container is killed: its first process does not hear
/// the signals that it has no handler for.
const PATIENCE: usize = 3;

/// What we are attached to.
pub trait Target: Send + Sync + 'static {
    fn signal(&self, signal: i32);
    fn resize(&self, rows: u16, columns: u16);
    /// Nobody sees what it writes any more.
    fn close_output(&self);
    /// Ends [`Target::wait`] early.
    fn leave(&self);
    /// The exit code; none when [`Target::leave`] came first.
    fn wait(&self) -> Result<Option<i32>>;
}

/// Our ends of its streams.
#[derive(Debug, Default)]
pub struct Ends {
    pub input: Option<File>,
    pub output: Option<File>,
    pub errors: Option<File>,
}

/// What is to be done with our streams and signals.
#[derive(Clone, Copy, Debug)]
pub struct Manner<'a> {
    /// It has a terminal.
    pub tty: bool,
    pub input: bool,
    pub sig_proxy: bool,
    pub detach_keys: Option<&'a str>,
}

impl Manner<'_> {
    /// What can be found wrong before anything is made.
    pub fn check(&self) -> Result<()> {
        DetachKeys::parse(self.detach_keys)?;
        if self.tty && self.input && !io::stdin().is_terminal() {
            bail!("`--tty` with `--interactive` needs a terminal on stdin");
        }
        Ok(())
    }
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    Ended(i32),
    /// By the detach keys.
    Detached,
    /// By a signal that was for us alone, or with our terminal.
    Killed(i32),
}

impl Left {
    pub fn exit(self) -> Exit {
        match self {
            Left::Ended(code) => Exit::of_code(code),
            Left::Detached => Exit::Success,
            Left::Killed(signal) => Exit::killed_by(signal),
        }
    }
}

/// Our side, made ready before there is anything to be attached to.
#[derive(Debug)]
pub struct Session {
    /// Our terminal, when the container has one too and we type into it.
    terminal: Option<RawTerminal>,
    /// Caught from before the container exists, so that none of them ends us behind its back.
    signals: Signals,
    sig_proxy: bool,
    keys: Option<DetachKeys>,
}

impl Session {
    pub fn open(manner: Manner<'_>) -> Result<Session> {
        manner.check()?;
        // Those that copy and wait need none of their own.
        runtime::share_allocations();
        let keys = DetachKeys::parse(manner.detach_keys)?;
        let typed = manner.tty && manner.input;
        let terminal = if typed {
            Some(RawTerminal::enter().context("cannot change the terminal to raw mode")?)
        } else {
            None
        };
        let caught = FORWARDED.into_iter().chain(UNNAMED).chain([SIGWINCH]);
        // To be told to go on is no reason to leave.
        let signals = Signals::new(caught.filter(|one| manner.sig_proxy || *one != SIGCONT));
        let signals = signals.context("cannot listen to signals")?;
        let keys = if typed { keys } else { None };
        Ok(Session { terminal, signals, sig_proxy: manner.sig_proxy, keys })
    }

    /// Copies and forwards until the end.
    pub fn follow(self, ends: Ends, target: Arc<impl Target>) -> Result<Left> {
        let Session { terminal, mut signals, sig_proxy, keys } = self;
        if let Some(input) = ends.input {
            let target = Arc::clone(&target);
            feed(input, keys, move || target.leave());
        }
        let (over, goes_on) = io::pipe().context("cannot make a pipe")?;
        let over = Arc::new(over);
        let source = |from| Source::new(from, &over);
        let outputs = [
            ends.output.map(|from| show(source(from), io::stdout(), Arc::clone(&target))),
            ends.errors.map(|from| show(source(from), io::stderr(), Arc::clone(&target))),
        ];
        let stop = signals.handle();
        let killed = Arc::new(std::sync::Mutex::new(None));
        let typed = terminal.is_some();
        let forwarder = thread::spawn({
            let (target, killed) = (Arc::clone(&target), Arc::clone(&killed));
            move || {
                let mut endings = 0;
                for signal in &mut signals {
                    endings += usize::from([SIGINT, SIGTERM].contains(&signal));
                    // Nobody is there who could ask for more.
                    let cut_off = typed && signal == SIGHUP && has_hung_up();
                    if cut_off && sig_proxy {
                        target.signal(signal);
                    }
                    if signal == SIGWINCH {
                        let (rows, columns) = size();
                        target.resize(rows, columns);
                    } else if !sig_proxy || cut_off {
                        *killed.lock().unwrap_or_else(|e| e.into_inner()) = Some(signal);
                        target.leave();
                    } else {
                        target.signal(if endings >= PATIENCE { SIGKILL } else { signal });
                    }
                }
            }
        });
        let ended = target.wait();
        drop(goes_on);
        if matches!(ended, Ok(Some(_))) {
            // What was written before the end is still to come.
            for output in outputs.into_iter().flatten() {
                let _ended = output.join();
            }
        }
        stop.close();
        let _ended = forwarder.join();
        drop(terminal);
        let killed = *killed.lock().unwrap_or_else(|e| e.into_inner());
        Ok(match (ended?, killed) {
            (Some(code), _) => Left::Ended(code),
            (None, Some(signal)) => Left::Killed(signal),
            (None, None) => Left::Detached,
        })
    }
}

/// Copies output to ours in a thread. When nobody reads what we write, the container is to notice.
fn show(from: Source, to: impl Write + Send + 'static, target: Arc<impl Target>) -> JoinHandle<()> {
    thread::spawn(move || {
        if copy(from, to).is_err() {
            target.close_output();
        }
    })
}

/// Writes what we read into the container, until either end closes or the detach keys are typed. The thread may still
/// wait for input when the container has ended; it ends with this process.
fn feed(mut to: File, mut keys: Option<DetachKeys>, leave: impl FnOnce() + Send + 'static) {
    thread::spawn(move || {
        let mut buffer = [0; 64 << 10];
        let mut stdin = io::stdin().lock();
        while let Ok(count @ 1..) = stdin.read(&mut buffer) {
            let typed = match &mut keys {
                Some(keys) => keys.take(&buffer[..count]),
                None => Typed { input: buffer[..count].to_vec(), detach: false },
            };
            let taken = to.write_all(&typed.input).is_ok();
            if typed.detach {
                return leave();
            }
            if !taken {
                return;
            }
        }
    });
}

/// To the end of `from`; fails when `to` takes no more. Most write little or nothing, and each page that is touched costs
/// the kernel more than reading it: the large buffer is for those who write a lot.
fn copy(mut from: Source, mut to: impl Write) -> io::Result<()> {
    let mut small = [0; 4 << 10];
    let mut large = Vec::new();
    loop {
        let buffer = if large.is_empty() { &mut small[..] } else { &mut large };
        let Some(count @ 1..) = from.read(buffer) else { return Ok(()) };
        to.write_all(&buffer[..count])?;
        to.flush()?;
        if count == small.len() {
            large.resize(64 << 10, 0);
        }
    }
}

/// Whether our terminal, which was one, is none any more.
fn has_hung_up() -> bool {
    termios::tcgetattr(io::stdin()).is_err()
}

/// The size of our terminal, if we have one.
pub fn size() -> (u16, u16) {
    match termios::tcgetwinsize(io::stdout()).or_else(|_| termios::tcgetwinsize(io::stdin())) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => (size.ws_row, size.ws_col),
        _ => (24, 80),
    }
}

/// Makes the program draw all of its screen.
pub fn draw_anew(connection: &runtime::shim::Connection) -> Result<()> {
    let (rows, columns) = size();
    // One column less first: a program draws anew when its size changes.
    connection.resize(rows, columns.saturating_sub(1).max(1))?;
    Ok(connection.resize(rows, columns)?)
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

/// A container, by its shim.
#[derive(Debug)]
pub struct ContainerTarget {
    connection: runtime::shim::Connection,
    left: AtomicBool,
    bond: Bond,
}

/// What a client is to the container.
#[derive(Clone, Copy, Debug)]
pub struct Bond {
    /// It goes when it ends: then it is waited for.
    pub goes: bool,
    /// It was made for this client: its output ends with it.
    pub owns: bool,
}

impl ContainerTarget {
    pub fn new(connection: runtime::shim::Connection, bond: Bond) -> ContainerTarget {
        ContainerTarget { connection, left: AtomicBool::new(false), bond }
    }
}

impl Target for ContainerTarget {
    // What comes too late for the container is of no use to anyone.
    fn signal(&self, signal: i32) {
        let _late = self.connection.forward(signal);
    }

    fn resize(&self, rows: u16, columns: u16) {
        let _late = self.connection.resize(rows, columns);
    }

    fn close_output(&self) {
        match self.bond.owns {
            true => {
                let _late = self.connection.close_output();
            }
            false => self.leave(),
        }
    }

    fn leave(&self) {
        self.left.store(true, Ordering::SeqCst);
        self.connection.hang_up();
    }

    fn wait(&self) -> Result<Option<i32>> {
        match self.connection.ended() {
            Ok(ended) => {
                if self.bond.goes {
                    self.connection.gone();
                }
                Ok(Some(ended.exit_code))
            }
            Err(_) if self.left.load(Ordering::SeqCst) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
