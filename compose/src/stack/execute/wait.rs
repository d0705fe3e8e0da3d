//! Waiting until the containers of a service are as others need them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use runtime::containers::{Container, HealthStatus, Status};

use crate::model::Project;
use crate::stack::{Host, Result, StackError, members};

/// How often states are looked at: short beside what containers take to start.
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    Healthy,
    Completed,
    /// Healthy if it has a check, else running: `--wait`.
    Up,
}

/// Fails as soon as it cannot come about any more.
pub fn wait_for_service(
    host: &Host,
    project: &Project,
    service: &str,
    waited: Waited,
    interrupted: &AtomicBool,
) -> Result<()> {
    let mut waiting: Vec<String> = members(host, &project.name)?
        .into_iter()
        .filter(|member| member.service() == service && !member.identity.one_off)
        .map(|member| member.container.id().to_owned())
        .collect();
    loop {
        let mut left = Vec::new();
        for id in waiting {
            let container = host.containers.read(&id)?;
            if !is_met(service, &container, waited)? {
                left.push(id);
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        if interrupted.load(Ordering::SeqCst) {
            return Err(StackError::Interrupted);
        }
        waiting = left;
        thread::sleep(PAUSE);
    }
}

fn is_met(service: &str, container: &Container, waited: Waited) -> Result<bool> {
    let state = &container.state;
    let name = || container.definition.name.clone();
    match waited {
        Waited::Completed => match state.status {
            Status::Exited if state.exit_code == 0 => Ok(true),
            Status::Exited => {
                Err(StackError::NotCompleted { service: service.to_owned(), code: state.exit_code })
            }
            _ => Ok(false),
        },
        Waited::Up if container.definition.health.is_none() => match state.status {
            Status::Exited => Err(StackError::Exited { container: name(), code: state.exit_code }),
            status => Ok(status == Status::Running),
        },
        Waited::Healthy if container.definition.health.is_none() => {
            Err(StackError::NoHealthCheck { container: name() })
        }
        Waited::Healthy | Waited::Up => {
            if state.status == Status::Exited {
                return Err(StackError::Exited { container: name(), code: state.exit_code });
            }
            match state.health.as_ref().map(|health| health.status) {
                Some(HealthStatus::Healthy) => Ok(state.status == Status::Running),
                Some(HealthStatus::Unhealthy) => Err(StackError::Unhealthy { container: name() }),
                _ => Ok(false),
            }
        }
    }
}
