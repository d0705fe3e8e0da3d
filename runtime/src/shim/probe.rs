//! A health check that runs.
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use super::health::{Monitor, OUTPUT};
use super::log::Stream;
use super::streams::{Got, Source};
use crate::clock;
use crate::container::Stdio;
use crate::containers::HealthRun;
use crate::exec::{self, Execution, Room};
use crate::spec::ContainerSpec;
use crate::zygote::message::{Step, StepError};
use crate::zygote::streams::Streams;

/// The shim waits for a check to start, so not for long.
const LONGEST_START: Duration = Duration::from_secs(10);
const LAST_READS: usize = 16;

#[derive(Debug)]
pub(super) struct Probe {
    execution: Execution,
    /// Both its outputs. None when there will be no more.
    pub(super) output: Option<Source>,
    text: Vec<u8>,
    began: String,
    pub(super) begun: Instant,
    pub(super) deadline: Instant,
}

impl Probe {
    pub(super) fn start(
        room: &Room,
        spec: &ContainerSpec,
        monitor: &Monitor,
        launcher: &OwnedFd,
    ) -> Result<Probe, StepError> {
        let mut spec = spec.clone();
        spec.init = false;
        spec.args = monitor.command().into_iter().map(Into::into).collect();
        let step = "connect standard streams";
        let (reader, writer) = io::pipe().step(step)?;
        let stdio = Stdio::Fds {
            stdin: File::open("/dev/null").step(step)?.into(),
            stdout: writer.try_clone().step(step)?.into(),
            stderr: writer.into(),
        };
        let (began, begun) = (clock::now(), Instant::now());
        let streams = Streams::new(stdio).step(step)?;
        let timeout = Duration::from_nanos(monitor.check.timeout);
        let limit = timeout.min(LONGEST_START);
        let execution = exec::start(room, &spec, streams, launcher, Some(limit))?;
        let reader = File::from(OwnedFd::from(reader));
        let output = Some(Source::new(reader, Stream::Stdout).step(step)?);
        let deadline = Instant::now() + timeout;
        Ok(Probe { execution, output, text: Vec::new(), began, begun, deadline })
    }

    pub(super) fn pidfd(&self) -> &OwnedFd {
        self.execution.pidfd()
    }

    /// Takes a part of its output; what is too much is read and dropped. False when there is no more for now.
    pub(super) fn read(&mut self) -> bool {
        let Some(source) = &mut self.output else { return false };
        match source.read() {
            Got::Output(bytes) => {
                let room = OUTPUT.saturating_sub(self.text.len());
                self.text.extend_from_slice(&bytes[..bytes.len().min(room)]);
                return true;
            }
            Got::Nothing => {}
            Got::End => self.output = None,
        }
        false
    }

    /// After its end.
    pub(super) fn result(mut self) -> HealthRun {
        // Others it has started may write for ever.
        for _ in 0..LAST_READS {
            if !self.read() {
                break;
            }
        }
        let exit_code = self.execution.wait().map_or(-1, |status| status.code());
        let output = String::from_utf8_lossy(&self.text).into_owned();
        HealthRun { start: self.began, end: clock::now(), exit_code, output }
    }

    /// Ends it: it took too long, or the container has ended.
    pub(super) fn abandon(self, why: String) -> HealthRun {
        let _ended = self.execution.kill(libc::SIGKILL);
        let _status = self.execution.wait();
        HealthRun { start: self.began, end: clock::now(), exit_code: -1, output: why }
    }
}

/// The result of a check that could not be run.
pub(super) fn impossible(error: &StepError) -> HealthRun {
    let now = clock::now();
    let output = format!("cannot run the health check: {}: {}", error.step, error.cause);
    HealthRun { start: now.clone(), end: now, exit_code: -1, output }
}
