//! `start`: the program of a container that waits.
use std::io::{Read, Write};

use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl};

use super::create::told;
use super::directory::{OciContainers, OciStatus, REPORT};
use super::error::OciError;
use crate::process::hooks;
use crate::process::program::exec_failure;
use crate::zygote::message::{Step, StepError};

const ACT: &str = "start";

/// Returns when the program runs, with what is to be told of hooks that failed after that.
pub fn start(containers: &OciContainers, id: &str) -> Result<Vec<String>, OciError> {
    let container = containers.hold(id)?;
    let failed = |error| OciError::of_step(ACT, id, error);
    let status = container.status();
    if status != OciStatus::Created {
        return Err(OciError::Status { act: ACT, id: id.to_owned(), status });
    }
    let plan = container.plan()?;
    let step = "tell it to begin";
    // It is the only one that writes there, so this side closes with it.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let report = rustix::fs::open(container.directory.join(REPORT), flags, Mode::empty())
        .step(step)
        .map_err(failed)?;
    container
        .open_begin()
        .and_then(|mut begin| begin.write_all(b"b"))
        .step(step)
        .map_err(failed)?;
    let flags = fcntl_getfl(&report).step(step).map_err(failed)?;
    fcntl_setfl(&report, flags - OFlags::NONBLOCK).step(step).map_err(failed)?;
    let mut said = Vec::new();
    std::fs::File::from(report).read_to_end(&mut said).step("hear of it").map_err(failed)?;
    let program = plan.spec.args.first().cloned().unwrap_or_default();
    if let Some(failure) = failure_in(&said, &program) {
        return Err(failed(failure));
    }
    // The specification wants these failures told, and the container to go on.
    let told = told(&plan, "running", container.kept.process.map(|process| process.pid));
    let hooks = plan.poststart.iter().map(|hook| hooks::run_all(std::slice::from_ref(hook), &told));
    let failures = hooks.filter_map(Result::err);
    Ok(failures.map(|StepError { step, cause, .. }| format!("cannot {step}: {cause}")).collect())
}

/// What the process said before it ended, if it did.
fn failure_in(said: &[u8], program: &std::ffi::OsStr) -> Option<StepError> {
    let at = said.iter().position(|byte| matches!(byte, b'E' | b'X'))?;
    let (kind, rest) = (said[at], &said[at + 1..]);
    if kind == b'X' {
        let errno = rest.get(..4).and_then(|bytes| bytes.try_into().ok());
        return Some(exec_failure(program, errno.map_or(libc::EIO, i32::from_le_bytes)));
    }
    let unknown =
        |_| StepError::new("set up", "its process died", crate::error::StartFailure::Setup);
    Some(serde_json::from_slice(rest).unwrap_or_else(unknown))
}
