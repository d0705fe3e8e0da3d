//! What became of a container: written by its shim at each change, and by whoever finds it dead.
use serde::{Deserialize, Serialize};

use crate::network::BoundPort;

/// The state as it is on disk; whether it is true depends on the shim ([`super::Containers`]).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    pub status: Status,
    /// Rises with each writing: of two that are found the later one counts.
    pub version: u64,
    /// The boot in which this was written.
    pub boot: String,
    pub shim: Option<ProcessName>,
    /// The container's first process.
    pub process: Option<ProcessName>,
    /// The name of its cgroups below the engine's.
    pub group: String,
    /// Nothing enforces device rules, so its programs are given no devices.
    pub withholds_devices: bool,
    pub exit_code: i32,
    pub oom_killed: bool,
    /// Why it could not be started, or what ended it from outside.
    pub error: String,
    /// RFC 3339 with nanoseconds; empty is never.
    pub started: String,
    pub finished: String,
    pub restarts: u32,
    /// Asked to end by a person: some policies respect that.
    pub stopped_by_hand: bool,
    pub health: Option<Health>,
    /// The published ports, while it runs.
    pub ports: Vec<BoundPort>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    #[default]
    Created,
    Running,
    /// Its processes are there, but stand still.
    Paused,
    /// Ended; to be started again after a while.
    Restarting,
    Exited,
}

impl Status {
    /// Docker's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Restarting => "restarting",
            Status::Exited => "exited",
        }
    }

    /// A shim has it.
    pub fn is_alive(self) -> bool {
        matches!(self, Status::Running | Status::Paused | Status::Restarting)
    }
}

/// A process of the host's PID namespace, and no other that got its number later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessName {
    pub pid: i32,
    /// In clock ticks after the boot.
    pub start: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    pub status: HealthStatus,
    pub failing_streak: u32,
    /// The last five checks, oldest first.
    pub log: Vec<HealthRun>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    Starting,
    Healthy,
    Unhealthy,
}

impl HealthStatus {
    pub fn word(self) -> &'static str {
        match self {
            HealthStatus::Starting => "starting",
            HealthStatus::Healthy => "healthy",
            HealthStatus::Unhealthy => "unhealthy",
        }
    }
}

/// One run of the health check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthRun {
    pub start: String,
    pub end: String,
    /// -1 when it could not be run or took too long.
    pub exit_code: i32,
    pub output: String,
}
