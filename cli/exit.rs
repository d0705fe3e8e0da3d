//! Exit statuses, in one place.

use std::process::ExitCode;

/// What a command ends with. The numbers are docker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Success,
    /// The command failed; a report says why.
    Failure,
    /// The command line was wrong.
    Usage,
    /// `run`: the container could not be started.
    NotStarted,
    /// `run`: the program exists but cannot be executed.
    NotExecutable,
    /// `run`: the program was not found.
    NotFound,
    /// Stopped by Ctrl-C.
    Interrupted,
    /// `run`: the container's own status.
    Container(u8),
}

impl Exit {
    /// An exit code that a shell can have.
    pub fn of_code(code: i32) -> Exit {
        Exit::Container(u8::try_from(code & 0xff).unwrap_or(255))
    }

    /// The status of a container's process killed by `signal`.
    pub fn killed_by(signal: i32) -> Exit {
        Exit::Container(u8::try_from(128 + signal).unwrap_or(255))
    }

    pub fn status(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::Failure => 1,
            Exit::Usage => 2,
            Exit::NotStarted => 125,
            Exit::NotExecutable => 126,
            Exit::NotFound => 127,
            Exit::Interrupted => 130,
            Exit::Container(status) => status,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.status())
    }
}
