//! The caller's handle of a running container.
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use rustix::process::{Signal, pidfd_send_signal};
use rustix::termios::{Winsize, tcsetwinsize};
use serde::{Deserialize, Serialize};

use crate::error::RuntimeError;

/// What the container's standard streams are.
#[derive(Debug)]
pub enum Stdio {
    /// Output goes to pipes ([`Container::take_stdout`]…); input comes from one or is /dev/null.
    Pipes { stdin: bool },
    /// Descriptors of the caller's.
    Fds { stdin: OwnedFd, stdout: OwnedFd, stderr: OwnedFd },
    /// A terminal of the container's own, see [`Container::terminal`].
    Terminal { rows: u16, columns: u16 },
}

/// A started container. Dropping it kills what still runs.
#[derive(Debug)]
pub struct Container {
    pub(crate) id: String,
    pub(crate) pidfd: OwnedFd,
    pub(crate) stdin: Option<File>,
    pub(crate) stdout: Option<File>,
    pub(crate) stderr: Option<File>,
    pub(crate) terminal: Option<File>,
    pub(crate) exit: Arc<ExitCell>,
}

impl Container {
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The writing end of its standard input, once, if it is a pipe.
    pub fn take_stdin(&mut self) -> Option<File> {
        self.stdin.take()
    }

    /// The reading end of its standard output, once, if it is a pipe.
    pub fn take_stdout(&mut self) -> Option<File> {
        self.stdout.take()
    }

    /// The reading end of its standard error, once, if it is a pipe.
    pub fn take_stderr(&mut self) -> Option<File> {
        self.stderr.take()
    }

    /// The near end of its terminal: read its output, write its input. Reading fails with EIO when
    /// the last process has closed the terminal.
    pub fn terminal(&self) -> Option<&File> {
        self.terminal.as_ref()
    }

    /// Waits for the first process to end; all others in the container are gone by then, and so
    /// are its mounts.
    pub fn wait(&self) -> Result<ExitStatus, RuntimeError> {
        self.exit.wait()
    }

    /// The exit status if it has ended.
    pub fn try_wait(&self) -> Result<Option<ExitStatus>, RuntimeError> {
        self.exit.get()
    }

    /// Sends a signal, by number, to the first process. Nothing happens after its end.
    pub fn kill(&self, signal: i32) -> Result<(), RuntimeError> {
        let failed = |source| RuntimeError::Signal { id: self.id.clone(), source };
        let signal = sys::signal::by_number(signal)
            .ok_or_else(|| failed(io::Error::from_raw_os_error(libc::EINVAL)))?;
        match pidfd_send_signal(&self.pidfd, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(errno) => Err(failed(errno.into())),
        }
    }

    /// Kills every process: they share a PID namespace that dies with its first process.
    pub fn kill_all(&self) -> Result<(), RuntimeError> {
        self.kill(libc::SIGKILL)
    }

    /// Tells the terminal's programs its size. Without a terminal nothing happens.
    pub fn resize(&self, rows: u16, columns: u16) -> Result<(), RuntimeError> {
        let Some(terminal) = &self.terminal else { return Ok(()) };
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(terminal, size)
            .map_err(|errno| RuntimeError::Resize { id: self.id.clone(), source: errno.into() })
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // An error would mean that it has ended.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }
}

/// How a container ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitStatus {
    pub outcome: Outcome,
    /// The kernel killed a process of it for lack of memory.
    pub oom_killed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    Exited(i32),
    Signalled(i32),
}

impl ExitStatus {
    pub fn success(&self) -> bool {
        self.outcome == Outcome::Exited(0)
    }

    /// As a shell reports it: the exit code, or 128 and the signal's number.
    pub fn code(&self) -> i32 {
        match self.outcome {
            Outcome::Exited(code) => code,
            Outcome::Signalled(signal) => 128 + signal,
        }
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.outcome {
            Outcome::Exited(code) => write!(f, "exit code {code}")?,
            Outcome::Signalled(signal) => write!(f, "killed by signal {signal}")?,
        }
        if self.oom_killed { f.write_str(", out of memory") } else { Ok(()) }
    }
}

/// Where the thread that listens to the zygote leaves the exit status.
#[derive(Debug, Default)]
pub(crate) struct ExitCell {
    state: Mutex<ExitState>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
enum ExitState {
    #[default]
    Running,
    Ended(ExitStatus),
    /// The zygote went away first, and the container with it.
    Lost,
}

impl ExitCell {
    pub(crate) fn set(&self, status: Option<ExitStatus>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = status.map_or(ExitState::Lost, ExitState::Ended);
        self.changed.notify_all();
    }

    fn get(&self) -> Result<Option<ExitStatus>, RuntimeError> {
        match *self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            ExitState::Running => Ok(None),
            ExitState::Ended(status) => Ok(Some(status)),
            ExitState::Lost => Err(RuntimeError::ZygoteEnded),
        }
    }

    fn wait(&self) -> Result<ExitStatus, RuntimeError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match *state {
                ExitState::Running => {}
                ExitState::Ended(status) => return Ok(status),
                ExitState::Lost => return Err(RuntimeError::ZygoteEnded),
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
