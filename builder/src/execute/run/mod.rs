//! RUN: a container on the snapshots below, whose upper directory becomes the next snapshot.

pub(crate) mod cache_mount;
mod mounts;
mod output;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use runtime::{ContainerSpec, EtcFiles, Mount, MountSource, Outcome, Rootfs, Stdio, Zygote};
use store::{RootfsMount, SnapshotId, Snapshotter};

use super::StepError;
use crate::cancel::Cancel;
use crate::progress::LogStream;
use crate::request::{NetworkMode, Secret};
use crate::step::{RunStep, Ulimit};

pub(crate) use mounts::{MountPlan, Prepared};

/// What the host is called inside when nothing else is said; BuildKit's name.
const HOSTNAME: &str = "buildkitsandbox";

/// What RUN needs besides the step.
pub(crate) struct Setting<'a> {
    pub(crate) zygote: &'a Zygote,
    pub(crate) snapshotter: &'a dyn Snapshotter,
    pub(crate) cancel: &'a Cancel,
    pub(crate) secrets: &'a [Secret],
    /// Receives the output, line by line.
    pub(crate) log: &'a (dyn Fn(LogStream, Vec<u8>) + Sync),
}

impl std::fmt::Debug for Setting<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setting").finish_non_exhaustive()
    }
}

/// Runs the step on `stack` and returns the snapshot of what it changed.
pub(crate) fn execute(
    step: &RunStep,
    id: &str,
    stack: &[SnapshotId],
    plan: MountPlan,
    setting: &Setting<'_>,
) -> Result<SnapshotId, StepError> {
    if setting.cancel.is_cancelled() {
        return Err(StepError::Cancelled);
    }
    let active = setting.snapshotter.prepare(stack)?;
    let args: Vec<OsString> = step.args.iter().map(OsString::from).collect();
    let mut spec = ContainerSpec::new(id, rootfs(&active.mount), args);
    describe(&mut spec, step);
    // Held until the process has ended: locks of cache mounts, throw-away snapshots.
    let prepared = mounts::resolve(step, plan, setting)?;
    spec.env.extend(prepared.env.iter().cloned());
    spec.mounts.extend(prepared.mounts.iter().cloned());
    start_and_wait(step, &spec, setting)?;
    drop(prepared);
    Ok(setting.snapshotter.commit(active)?)
}

fn describe(spec: &mut ContainerSpec, step: &RunStep) {
    spec.env = step.env.clone();
    spec.env.extend(step.proxy_env.iter().cloned());
    spec.cwd = PathBuf::from(&step.cwd);
    spec.user = step.user.clone();
    spec.hostname = step.hostname.clone().unwrap_or_else(|| HOSTNAME.to_owned());
    let hosts: Vec<_> =
        step.add_hosts.iter().map(|extra| (extra.host.clone(), extra.address)).collect();
    spec.etc = EtcFiles {
        hosts: Some(runtime::etc::hosts(&spec.hostname, &hosts)),
        resolv_conf: Some(runtime::etc::host_resolv_conf()),
        hostname: None,
        read_only: true,
    };
    spec.network = match step.network {
        NetworkMode::Default | NetworkMode::Host => runtime::NetworkMode::Host,
        NetworkMode::None => runtime::NetworkMode::None,
    };
    if let Some(size) = step.shm_size {
        spec.shm_size = size;
    }
    spec.ulimits = step.ulimits.iter().map(ulimit).collect();
    if let Some(script) = &step.script {
        spec.mounts.push(Mount {
            target: PathBuf::from("/dev/pipes").join(&script.name),
            source: MountSource::File {
                content: script.content.clone().into_bytes(),
                mode: 0o755,
                uid: 0,
                gid: 0,
            },
            read_only: true,
        });
    }
}

/// A negative limit is none.
fn ulimit(limit: &Ulimit) -> runtime::Ulimit {
    let value = |value: i64| u64::try_from(value).ok();
    runtime::Ulimit { name: limit.name.clone(), soft: value(limit.soft), hard: value(limit.hard) }
}

fn start_and_wait(
    step: &RunStep,
    spec: &ContainerSpec,
    setting: &Setting<'_>,
) -> Result<(), StepError> {
    let command = || step.args.join(" ");
    let failed = |source| StepError::Start { command: command(), source };
    let mut container =
        setting.zygote.spawn(spec, Stdio::Pipes { stdin: false }).map_err(failed)?;
    let (stdout, stderr) = (container.take_stdout(), container.take_stderr());
    let container = Arc::new(container);
    let killed = container.clone();
    // An error would mean that it has ended.
    let _watching = setting.cancel.on_cancel(move || drop(killed.kill_all()));
    std::thread::scope(|scope| {
        let pumps =
            [(stdout, LogStream::Stdout), (stderr, LogStream::Stderr)].map(|(pipe, stream)| {
                scope.spawn(move || match pipe {
                    Some(pipe) => output::pump(pipe, |line| (setting.log)(stream, line)),
                    None => Ok(()),
                })
            });
        let status = container.wait();
        for pump in pumps {
            let pumped = pump.join().unwrap_or(Ok(()));
            pumped.map_err(|source| StepError::Output { source })?;
        }
        status.map_err(failed)
    })
    .and_then(|status| {
        if setting.cancel.is_cancelled() {
            return Err(StepError::Cancelled);
        }
        let outcome = match status.outcome {
            _ if status.success() => return Ok(()),
            Outcome::Exited(code) => format!("exit code: {code}"),
            Outcome::Signalled(signal) => format!("exit code: {} (signal {signal})", status.code()),
        };
        let outcome =
            if status.oom_killed { format!("{outcome} (out of memory)") } else { outcome };
        Err(StepError::Process { command: command(), outcome })
    })
}

/// The runtime's words for what the store says to mount.
pub(crate) fn rootfs(mount: &RootfsMount) -> Rootfs {
    match mount.clone() {
        RootfsMount::Overlay { lowers, upper, work, volatile } => {
            Rootfs::Overlay { lowers, upper, work, volatile }
        }
        RootfsMount::Directory { path, read_only } => Rootfs::Directory { path, read_only },
    }
}
