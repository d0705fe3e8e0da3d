//! The verbs about a container that exists: `kill`, `delete`, `pause`, `resume`, `update`; and what it has and uses.
use std::thread::sleep;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

use super::create::{given, told};
use super::directory::{OciContainer, OciContainers, OciStatus};
use super::document::Resources;
use super::error::{DocumentError, OciError};
use super::translate::{limits_of, over};
use crate::cgroup::Usage;
use crate::process::hooks;
use crate::zygote::message::StepError;

/// How long a process may take to go after SIGKILL: the kernel ends the others of its namespace first.
const LONGEST_END: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);

/// To whom a signal goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signalled {
    First,
    /// All processes of its cgroup, whether or not the first is still among them.
    All,
}

pub fn kill(
    containers: &OciContainers,
    id: &str,
    signal: i32,
    whom: Signalled,
) -> Result<(), OciError> {
    let container = containers.read(id)?;
    let failed = |source| OciError::Signal { id: id.to_owned(), source };
    let signal = sys::signal::by_number(signal)
        .ok_or_else(|| failed(std::io::Error::from_raw_os_error(libc::EINVAL)))?;
    let status = container.status();
    let runs = !matches!(status, OciStatus::Stopped | OciStatus::Creating);
    match whom {
        Signalled::First if !runs => Err(OciError::NotRunning { act: "kill", id: id.to_owned() }),
        Signalled::First => signal_first(&container, signal),
        Signalled::All => {
            for pid in container.leaf()?.processes().into_iter().filter_map(Pid::from_raw) {
                match kill_process(pid, signal) {
                    // It has ended meanwhile.
                    Ok(()) | Err(Errno::SRCH) => {}
                    Err(errno) => return Err(failed(errno.into())),
                }
            }
            Ok(())
        }
    }
}

fn signal_first(container: &OciContainer, signal: Signal) -> Result<(), OciError> {
    let id = container.id();
    let gone = || OciError::NotRunning { act: "kill", id: id.to_owned() };
    let process = container.kept.process.ok_or_else(gone)?;
    let pid = Pid::from_raw(process.pid).ok_or_else(gone)?;
    let descriptor = pidfd_open(pid, PidfdFlags::empty()).map_err(|_| gone())?;
    // Only now is the number known to be that of the process which is meant.
    if !process.is_alive() {
        return Err(gone());
    }
    match pidfd_send_signal(&descriptor, signal) {
        Ok(()) => Ok(()),
        Err(Errno::SRCH) => Err(gone()),
        Err(errno) => Err(OciError::Signal { id: id.to_owned(), source: errno.into() }),
    }
}

/// Removes what `create` has made, and returns what is to be told of hooks that failed. `force` ends what runs, and takes a
/// container that is not there for one that is gone.
pub fn delete(containers: &OciContainers, id: &str, force: bool) -> Result<Vec<String>, OciError> {
    let container = match containers.hold(id) {
        Err(OciError::Missing { .. }) if force => {
            containers.remove_unfinished(id)?;
            return Ok(Vec::new());
        }
        held => held?,
    };
    let status = container.status();
    if status != OciStatus::Stopped {
        if !force {
            return Err(OciError::Status { act: "delete", id: id.to_owned(), status });
        }
        end(&container)?;
    }
    let plan = container.plan();
    // What is left of it ends with its group.
    container.remove_group()?;
    container.remove()?;
    let plan = plan?;
    let told = told(&plan, "stopped", None);
    let hooks = plan.poststop.iter().map(|hook| hooks::run_all(std::slice::from_ref(hook), &told));
    let failures = hooks.filter_map(Result::err);
    Ok(failures.map(|StepError { step, cause, .. }| format!("cannot {step}: {cause}")).collect())
}

fn end(container: &OciContainer) -> Result<(), OciError> {
    match signal_first(container, Signal::KILL) {
        Ok(()) | Err(OciError::NotRunning { .. }) => {}
        Err(error) => return Err(error),
    }
    if let Ok(leaf) = container.leaf() {
        // What stands still does not end either, with cgroup v1.
        let _was_not = leaf.thaw();
    }
    let mut waited = Duration::ZERO;
    while container.kept.process.is_some_and(|process| process.is_alive()) {
        if waited >= LONGEST_END {
            let (id, status) = (container.id().to_owned(), container.status());
            return Err(OciError::Status { act: "delete", id, status });
        }
        sleep(PAUSE);
        waited += PAUSE;
    }
    Ok(())
}

pub fn pause(containers: &OciContainers, id: &str) -> Result<(), OciError> {
    let container = containers.hold(id)?;
    let status = container.status();
    if !matches!(status, OciStatus::Running | OciStatus::Created) {
        return Err(OciError::Status { act: "pause", id: id.to_owned(), status });
    }
    container.leaf()?.freeze().map_err(|error| of_cgroup(id, &error))
}

pub fn resume(containers: &OciContainers, id: &str) -> Result<(), OciError> {
    let container = containers.hold(id)?;
    let (status, leaf) = (container.status(), container.leaf()?);
    // One that waits to be started is so whether or not it stands still.
    if status != OciStatus::Paused && !leaf.is_frozen() {
        return Err(OciError::Status { act: "resume", id: id.to_owned(), status });
    }
    leaf.thaw().map_err(|error| of_cgroup(id, &error))
}

fn of_cgroup(id: &str, error: &impl ToString) -> OciError {
    OciError::Cgroup { id: id.to_owned(), cause: error.to_string() }
}

/// Other limits, as a document's `linux.resources`; what it does not name stays.
pub fn update(containers: &OciContainers, id: &str, document: &[u8]) -> Result<(), OciError> {
    let json = |source| DocumentError::Json { at: "resources".to_owned(), source };
    let resources = given(serde_json::from_slice::<Resources>(document).map_err(json))?;
    let new = given(limits_of(&resources))?;
    let mut container = containers.hold(id)?;
    let status = container.status();
    if matches!(status, OciStatus::Stopped | OciStatus::Creating) {
        return Err(OciError::Status { act: "update", id: id.to_owned(), status });
    }
    let old = container.plan()?.spec.limits;
    let limits = over(&old, new);
    container.leaf()?.change_limits(&old, &limits).map_err(|error| of_cgroup(id, &error))?;
    container.kept.limits = Some(limits);
    container.save()
}

/// All processes of a container, by the numbers that this process sees.
pub fn processes(containers: &OciContainers, id: &str) -> Result<Vec<i32>, OciError> {
    Ok(containers.read(id)?.leaf()?.processes())
}

/// What its cgroups have counted.
pub fn usage(containers: &OciContainers, id: &str) -> Result<Usage, OciError> {
    let container = containers.read(id)?;
    match container.status() {
        OciStatus::Stopped | OciStatus::Creating => {
            Err(OciError::NotRunning { act: "look at", id: id.to_owned() })
        }
        _ => Ok(container.leaf()?.usage()),
    }
}
