//! Containers on disk: what they are and what became of them. See `docs/decisions/0007`.
mod definition;
mod directory;
mod error;
mod keeping;
mod liveness;
mod state;

pub use definition::{
    Definition, HealthCheck, LogDriver, LogSettings, Origin, RestartPolicy, RestartPolicyError,
    SCHEMA, VolumeUse,
};
pub(crate) use directory::short;
pub use directory::{Container, Containers, Guard, Place, Still, check_name};
pub use error::ContainerError;
pub(crate) use liveness::boot_id;
pub use state::{Health, HealthRun, HealthStatus, ProcessName, State, Status};
