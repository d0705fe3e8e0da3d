//! What can go wrong with a project on this host. Words that people and programs know from docker compose are as there.

use std::io;

use engine::EngineError;
use engine::values::ValueError;
use store::StoreError;
use thiserror::Error;

use super::ExternalError;
use crate::reconcile::ReconcileError;

#[derive(Debug, Error)]
pub enum StackError {
    #[error("environment variable \"{variable}\" required by {kind} \"{name}\" is not set")]
    NoVariable { kind: &'static str, name: String, variable: String },
    #[error("cannot read the file `{path}` of {kind} `{name}`")]
    ReadFile { kind: &'static str, name: String, path: String, source: io::Error },
    #[error("cannot use an external {}", source.kind())]
    External {
        #[from]
        source: ExternalError,
    },
    #[error("service `{service}`: {attribute}")]
    Attribute {
        service: String,
        attribute: String,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("service `{service}`: {attribute} is not supported: {why}")]
    Unsupported { service: String, attribute: String, why: String },
    #[error("no such image: {image} (of service `{service}`)")]
    NoImage { service: String, image: String, source: Box<StoreError> },
    #[error(
        "service `{service}` asks for `platform: {wanted}`, but image `{image}` is for {offered}"
    )]
    Platform { service: String, image: String, wanted: String, offered: String },
    #[error("volume `{name}` has the driver `{driver}`; there is only `local`")]
    VolumeDriver { name: String, driver: String },
    #[error("network `{name}`: {what} is not supported: {why}")]
    Network { name: String, what: String, why: String },
    #[error("image `{image}` has not been built")]
    Unbuilt { image: String },
    #[error("image `{image}` is not in the store, and no registry is asked")]
    Pull { image: String },
    #[error("service \"{service}\" didn't complete successfully: exit {code}")]
    NotCompleted { service: String, code: i32 },
    #[error("dependency failed to start: container {container} is unhealthy")]
    Unhealthy { container: String },
    #[error("dependency failed to start: container {container} exited ({code})")]
    Exited { container: String, code: i32 },
    #[error("dependency failed to start: container {container} has no healthcheck configured")]
    NoHealthCheck { container: String },
    #[error("{service} hook exited with status {code}")]
    Hook { service: String, container: String, code: i32, output: Vec<String> },
    #[error("service \"{service}\" has no container to start")]
    NoContainer { service: String },
    #[error("interrupted")]
    Interrupted,
    #[error(transparent)]
    Value(#[from] ValueError),
    #[error(transparent)]
    Plan(#[from] ReconcileError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Container(#[from] runtime::containers::ContainerError),
}

impl StackError {
    /// What can be done about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            StackError::External { source: ExternalError::NotFound { kind, name } } => {
                Some(format!("make it with `rcompose external create {kind} {name} FILE`"))
            }
            StackError::Plan(error) => error.hint(),
            StackError::Store(error) => error.hint(),
            StackError::NoImage { source, .. } => source.hint(),
            StackError::Engine(error) => error.hint(),
            StackError::Container(error) => error.hint().map(str::to_owned),
            StackError::Platform { .. } => {
                Some("build it or load it for that platform, or leave `platform` out".to_owned())
            }
            StackError::Pull { .. } => Some("load it with `rbuild load`".to_owned()),
            StackError::NoHealthCheck { .. } => {
                Some("add `healthcheck` to its service, or depend on `service_started`".to_owned())
            }
            _ => None,
        }
    }
}
