//! What can go wrong with containers of bundles.
//!
//! Some words are asked for by callers, who look for them: `does not exist`, `container not running`.
use std::io;
use std::path::PathBuf;

use crate::error::{RuntimeError, StartFailure};
use crate::oci::directory::OciStatus;
use crate::seccomp::ProfileError;
use crate::spec::{DeviceRuleError, SysctlError};
use crate::zygote::message::StepError;

/// A document that cannot be honoured; `at` is the property.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    #[error("`{at}` is not supported by this runtime")]
    Refused { at: String },
    #[error("`{at}`: `{value}` is not supported by this runtime")]
    RefusedValue { at: String, value: String },
    #[error("`{at}` is missing")]
    Missing { at: &'static str },
    #[error("`{at}`: `{value}` is no {what}")]
    Wrong { at: String, value: String, what: &'static str },
    #[error("`{at}` has `{value}` twice")]
    Twice { at: &'static str, value: String },
    #[error("`{at}`: `{path}` must be absolute")]
    Relative { at: String, path: PathBuf },
    #[error("`ociVersion` is `{version}`; versions 1.x are understood")]
    Version { version: String },
    #[error("`linux.seccomp`: {source}")]
    Seccomp { source: ProfileError },
    #[error("`linux.sysctl`: {source}")]
    Sysctl { source: SysctlError },
    #[error("`{at}`: {source}")]
    DeviceAccess { at: String, source: DeviceRuleError },
    #[error(
        "`{at}`: a rule that takes back a part of what one before it gives is not supported by this runtime"
    )]
    DeviceDenied { at: String },
    #[error("`{at}`: {source}")]
    Json { at: String, source: serde_json::Error },
}

#[derive(Debug, thiserror::Error)]
pub enum OciError {
    #[error("cannot use `{path}`: {source}")]
    Document { path: PathBuf, source: DocumentError },
    #[error("cannot use what was given: {source}")]
    Given { source: DocumentError },
    #[error("cannot read `{path}`: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write `{path}`: {source}")]
    Write { path: PathBuf, source: io::Error },
    #[error("`{path}` is no state of a container: {source}")]
    State { path: PathBuf, source: serde_json::Error },
    #[error(
        "`{id}` cannot name a container: up to 200 of a-z A-Z 0-9 _ + . -, and neither `.` nor `..`"
    )]
    Id { id: String },
    #[error("container `{id}` does not exist")]
    Missing { id: String },
    #[error("container `{id}` exists already")]
    Exists { id: String },
    /// A verb that the container's state does not allow.
    #[error("cannot {act} container `{id}`: it is {status}")]
    Status { act: &'static str, id: String, status: OciStatus },
    #[error("cannot {act} container `{id}`: container not running")]
    NotRunning { act: &'static str, id: String },
    #[error("the root filesystem `{path}` is no directory")]
    Root { path: PathBuf },
    #[error(
        "`process.terminal` is set: who is to have the terminal? Name a socket with `--console-socket`"
    )]
    NoConsole,
    #[error("`--console-socket` is given, but `process.terminal` is not set")]
    NeedlessConsole,
    #[error("cannot give the terminal to `{path}`: {source}")]
    Console { path: PathBuf, source: io::Error },
    #[error("descriptor {number} is to be preserved, but is not open")]
    Preserved { number: u32 },
    #[error("the cgroup `{path}` has processes already")]
    BusyCgroup { path: PathBuf },
    #[error("cannot use the cgroups of container `{id}`: {cause}")]
    Cgroup { id: String, cause: String },
    #[error("cannot {act} container `{id}`: {step}: {cause}")]
    Start { act: &'static str, id: String, step: String, cause: String, failure: StartFailure },
    #[error("cannot signal container `{id}`: {source}")]
    Signal { id: String, source: io::Error },
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

impl OciError {
    pub(super) fn of_step(act: &'static str, id: &str, error: StepError) -> OciError {
        let StepError { step, cause, failure } = error;
        OciError::Start { act, id: id.to_owned(), step, cause, failure }
    }

    /// As a shell's: 127 and 126 when the program is at fault.
    pub fn exit_code(&self) -> Option<u8> {
        match self {
            OciError::Start { failure: StartFailure::NotFound, .. } => Some(127),
            OciError::Start { failure: StartFailure::NotExecutable, .. } => Some(126),
            _ => None,
        }
    }
}
