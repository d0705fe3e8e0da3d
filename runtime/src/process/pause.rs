//! Standing still between being ready and the program: `create` and `start` of the OCI runtime specification.
//!
//! Two pipes with names are all that is needed, and `read` and `write` the only calls, which every filter allows. What
//! was reported over the status socket until then ends with it: who makes the container sees it close and goes away.
use std::ffi::CString;
use std::os::fd::BorrowedFd;
use std::path::Path;

use sys::clone::close_from_except;

use super::{Launch, Never, hooks, program, report_failure};
use crate::zygote::message::{Step, StepError};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Pause<'a> {
    /// A byte comes when the program is to begin.
    pub(crate) begin: BorrowedFd<'a>,
    /// Takes a failure from then on, and closes when there is none.
    pub(crate) report: BorrowedFd<'a>,
}

pub(super) fn then_execute(
    launch: &Launch<'_>,
    pause: &Pause<'_>,
    path: &Path,
    environment: &[CString],
) -> Result<Never, StepError> {
    // Nothing of the host's is held open meanwhile: what can be reached in there leads nowhere (CVE-2024-21626).
    let keep = [launch.launcher, pause.begin, pause.report];
    close_from_except(launch.first_own(), &keep).step("close the host's files")?;
    let failure = match wait(pause) {
        Err(failure) => failure,
        Ok(()) => {
            let launch = Launch { status: pause.report, pause: None, ..*launch };
            match run_hooks(&launch) {
                Ok(()) => program::execute(&launch, path, environment),
                Err(failure) => failure,
            }
        }
    };
    report_failure(pause.report, &failure);
    // The status socket is closed: nobody hears it a second time.
    Err(failure)
}

/// The pipe is held for reading and writing, so that it does not end when whoever writes has gone.
fn wait(pause: &Pause<'_>) -> Result<(), StepError> {
    loop {
        match rustix::io::read(pause.begin, &mut [0; 1]) {
            Ok(1) => return Ok(()),
            Ok(_) => return Err("its pipe was closed").step("wait for the start"),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno).step("wait for the start"),
        }
    }
}

fn run_hooks(launch: &Launch<'_>) -> Result<(), StepError> {
    let Some(listed) = &launch.spec.listed else { return Ok(()) };
    let mut told = listed.told.clone();
    told.status = "created".to_owned();
    hooks::run_here(&listed.start_container, &told)
}
