//! Containers on disk: what they are and what became of them. See `docs/decisions/0007`.
mod definition;
mod state;

pub use definition::{
    Definition, HealthCheck, LogDriver, LogSettings, Origin, RestartPolicy, RestartPolicyError,
    SCHEMA,
};
pub use state::{Health, HealthRun, HealthStatus, ProcessName, State, Status};
