//! What the two ends of the zygote's socket say to each other.
use serde::{Deserialize, Serialize};

use crate::container::ExitStatus;
use crate::error::StartFailure;
use crate::spec::ContainerSpec;

/// To the zygote; with the descriptors of `stdio`, then that of the network namespace if there is one to be joined.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SpawnRequest {
    /// Chosen by the caller; every answer carries it.
    pub(crate) request: u64,
    pub(crate) spec: ContainerSpec,
    pub(crate) stdio: StdioKind,
    /// So many of the kind will probably follow.
    pub(crate) following: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StdioKind {
    /// The three descriptors sent along.
    Descriptors,
    Terminal {
        rows: u16,
        columns: u16,
    },
}

/// From the zygote.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Event {
    /// First of all.
    Ready {
        warnings: Vec<String>,
    },
    /// Instead: nothing can be started here.
    Refused {
        step: String,
        cause: String,
    },
    /// The program is running. With its pidfd, then its terminal if it has one.
    Started {
        request: u64,
    },
    Failed {
        request: u64,
        failure: StepError,
    },
    /// Ended and cleaned up; comes after `Started`.
    Ended {
        request: u64,
        status: ExitStatus,
    },
}

/// A step of a start that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StepError {
    pub(crate) step: String,
    pub(crate) cause: String,
    pub(crate) failure: StartFailure,
}

impl StepError {
    pub(crate) fn new(
        step: impl Into<String>,
        cause: impl ToString,
        failure: StartFailure,
    ) -> StepError {
        StepError { step: step.into(), cause: cause.to_string(), failure }
    }
}

/// Names the step that a failed call belongs to.
pub(crate) trait Step<T> {
    fn step(self, step: impl Into<String>) -> Result<T, StepError>;
}

impl<T, E: ToString> Step<T> for Result<T, E> {
    fn step(self, step: impl Into<String>) -> Result<T, StepError> {
        self.map_err(|cause| StepError::new(step, cause, StartFailure::Setup))
    }
}
