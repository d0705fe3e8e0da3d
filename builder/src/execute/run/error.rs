//! Why a RUN fails.

use std::io;
use std::path::PathBuf;

use runtime::RuntimeError;

use crate::history::go_quote;

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The process ended with a failure. The wording is BuildKit's, which scripts look for.
    #[error("process {} did not complete successfully: {outcome}", go_quote(command))]
    Exit {
        command: String,
        outcome: String,
        /// As a shell reports it.
        code: i32,
        /// Its last lines of output.
        tail: Vec<u8>,
        /// What it left of the store's disk, if that was next to nothing.
        full: Option<store::usage::Disk>,
    },
    /// There was no process.
    #[error("process {} did not complete successfully: {cause}", go_quote(command))]
    Start { command: String, cause: String },
    #[error(transparent)]
    Runtime(RuntimeError),
    #[error("cannot make a network for the process: {source}")]
    Network { source: runtime::network::NetworkError },
    #[error("secret {id}: not found")]
    SecretMissing { id: String },
    #[error("cannot read the secret {id} from `{}`", path.display())]
    SecretRead { id: String, path: PathBuf, source: io::Error },
    #[error("the secret {id} is larger than 500 KiB")]
    SecretSize { id: String },
    #[error("the secret {id} cannot be a variable: it is not UTF-8 or has a NUL")]
    SecretText { id: String },
    #[error("unset ssh forward key {id}")]
    SshMissing { id: String },
    #[error("cannot reach the ssh agent {id} at `{}`", path.display())]
    SshAgent { id: String, path: PathBuf, source: io::Error },
    #[error("cannot make a socket for the ssh agent {id}")]
    SshSocket { id: String, source: io::Error },
    #[error("cannot read the output of the process")]
    Output { source: io::Error },
}

impl RunError {
    /// What to try instead, as a sentence without full stop.
    pub fn hint(&self) -> Option<String> {
        match self {
            RunError::Network { .. } => {
                Some("`--network host` and `--network none` do without one".to_owned())
            }
            RunError::SecretMissing { id } => Some(format!("give it with `--secret id={id}`")),
            RunError::SshMissing { id } => Some(format!("forward an agent with `--ssh {id}`")),
            RunError::SshAgent { .. } => Some("is the agent still running?".to_owned()),
            RunError::Exit { code: 127, .. } => Some(
                "127 means that a program was not found: is it installed in this stage?".to_owned(),
            ),
            _ => None,
        }
    }

    /// The last lines the process wrote.
    pub fn output_tail(&self) -> Option<&[u8]> {
        match self {
            RunError::Exit { tail, .. } => Some(tail),
            _ => None,
        }
    }
}
