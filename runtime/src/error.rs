//! What can go wrong when starting and running containers.
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    #[error("cannot start the zygote: {act}: {source}")]
    ZygoteStart { act: &'static str, source: io::Error },
    #[error("cannot start the zygote: {step}: {cause}")]
    ZygotePrepare { step: String, cause: String },
    #[error("cannot start a shim: {act}: {source}")]
    ShimStart { act: &'static str, source: io::Error },
    #[error("cannot measure what the kernel takes for a start: {source}")]
    Floor { source: io::Error },
    #[error("cannot {act} the shim of container {id}: {source}")]
    Shim { act: &'static str, id: String, source: io::Error },
    #[error(
        "the shim of container {id} speaks versions {lowest} to {highest} of the protocol, which this program does not"
    )]
    ShimVersion { id: String, lowest: u32, highest: u32 },
    #[error("the shim of container {id} has ended")]
    ShimEnded { id: String },
    /// The shim's own words.
    #[error("{message}")]
    ShimRefused { message: String },
    #[error("container {id} is not running")]
    NotRunning { id: String },
    #[error("containers need root")]
    NotRoot,
    #[error("containers run on x86_64 only so far; this machine is `{architecture}`")]
    Architecture { architecture: &'static str },
    #[error("the zygote must be started before any thread; this process has {threads}")]
    Threads { threads: usize },
    #[error("the zygote has ended; its containers are gone")]
    ZygoteEnded,
    #[error("`{id}` cannot name a container: 1 to 64 of a-z A-Z 0-9 _ . -, the first no dot")]
    BadId { id: String },
    #[error(transparent)]
    Spec(#[from] crate::spec::SpecError),
    /// `step` and `cause` were made in the container's own process.
    #[error("cannot start container {id}: {step}: {cause}")]
    Start { id: String, step: String, cause: String, failure: StartFailure },
    #[error("cannot look into container {id}: {step}: {cause}")]
    Files { id: String, step: String, cause: String },
    #[error("cannot signal container {id}: {source}")]
    Signal { id: String, source: io::Error },
    #[error("cannot size the terminal of container {id}: {source}")]
    Resize { id: String, source: io::Error },
    #[error("cannot clean up after a dead process in `{path}`: {source}")]
    Reconcile { path: PathBuf, source: io::Error },
    #[error("cannot read `{path}`: {source}")]
    Read { path: PathBuf, source: io::Error },
}

impl RuntimeError {
    /// The exit code Docker gives for this failure: 127 and 126 when the program is at fault.
    pub fn exit_code(&self) -> Option<u8> {
        match self {
            RuntimeError::Start { failure: StartFailure::NotFound, .. } => Some(127),
            RuntimeError::Start { failure: StartFailure::NotExecutable, .. } => Some(126),
            _ => None,
        }
    }
}

/// Which part of a start failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartFailure {
    /// Namespaces, mounts, cgroups, privileges.
    Setup,
    /// The user or group does not exist.
    User,
    /// No such program.
    NotFound,
    /// The program is there but cannot be executed.
    NotExecutable,
}
