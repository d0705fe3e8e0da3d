//! RUN: a container on the snapshots below, whose upper directory becomes the next snapshot.
//!
//! | file             | what                                                            |
//! |------------------|-----------------------------------------------------------------|
//! | `spec.rs`        | the step as the runtime's container specification               |
//! | `etc.rs`         | /etc/hosts                                                      |
//! | `mounts.rs`      | `--mount`: what stands behind each, in the order they are made  |
//! | `cache_mount.rs` | directories that outlive builds, and who may use them at once   |
//! | `secret.rs`      | secrets as files in memory and variables                        |
//! | `ssh.rs`         | the user's agent behind a socket                                |
//! | `output.rs`      | lines of output, and the last ones for the error                |
//!
//! Mounts are made in the runtime's own mount namespace and what is prepared here lies in the
//! store's temporary directory: a killed build leaves nothing that the next one does not remove.

pub(crate) mod cache_mount;
mod error;
mod etc;
mod mounts;
mod output;
pub(crate) mod secret;
mod spec;
mod ssh;

use std::fmt;
use std::sync::Arc;

use runtime::network::{Space, SpacePool};
use runtime::{
    Container, ContainerSpec, ExitStatus, NetworkMode, RuntimeError, StartFailure, Stdio, Zygote,
};
use store::usage::Disk;
use store::{MountTargets, SnapshotId, Snapshotter, Store};

pub use error::RunError;
pub(crate) use mounts::{MountPlan, Prepared, is_made};

use super::StepError;
use crate::cancel::Cancel;
use crate::progress::LogStream;
use crate::request::{Secret, SshAgent};
use crate::step::RunStep;
use output::Output;

/// As many characters of a command as a message shows.
const SHOWN: usize = 1000;
/// A disk with less is full for most programs: they write in pieces, and may have removed what they could not finish.
const NEXT_TO_NOTHING: u64 = 1 << 20;

/// What RUN needs besides the step.
pub(crate) struct Setting<'a> {
    pub(crate) zygote: &'a Zygote,
    pub(crate) snapshotter: &'a dyn Snapshotter,
    pub(crate) cancel: &'a Cancel,
    pub(crate) secrets: &'a [Secret],
    pub(crate) ssh: &'a [SshAgent],
    /// For what must not outlive the step, and for its disk.
    pub(crate) store: &'a Store,
    /// Gets the output as it comes, in whole lines as far as there are any; from two threads.
    pub(crate) log: &'a (dyn Fn(LogStream, Vec<u8>) + Sync),
    /// So many RUNs follow.
    pub(crate) following: usize,
    /// Where the default network comes from, unless it is the machine's.
    pub(crate) spaces: Option<&'a SpacePool>,
}

impl fmt::Debug for Setting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setting").finish_non_exhaustive()
    }
}

impl Setting<'_> {
    /// To be asked before what a container wrote is taken away.
    fn full_disk(&self) -> Option<Disk> {
        self.store.disk().ok().filter(|disk| disk.free < NEXT_TO_NOTHING)
    }
}

/// Runs the step on `stack` and returns the snapshot of what it changed. `id` names its cgroups.
pub(crate) fn execute(
    step: &RunStep,
    id: &str,
    stack: &[SnapshotId],
    plan: MountPlan,
    setting: &Setting<'_>,
) -> Result<SnapshotId, StepError> {
    let active = setting.snapshotter.prepare(stack)?;
    let mount = active.mount.clone().with_targets(setting.store, MountTargets::Step)?;
    let mut spec = spec::container(id, step, spec::rootfs(&mount));
    // Locks and throw-away directories are needed until the process has ended.
    let mounts = mounts::resolve(step, plan, setting)?;
    spec.mounts.extend(mounts.list.iter().cloned());
    for variable in &mounts.variables {
        spec::set_variable(&mut spec.env, variable);
    }
    let space = space(step, setting)?;
    if let Some(space) = &space {
        spec.network = NetworkMode::Sandbox;
        spec.etc.resolv_conf = Some(space.resolv_conf().to_vec());
    }
    process(step, &spec, space.as_ref(), setting)?;
    drop(mounts);
    if let (Some(space), Some(spaces)) = (space, setting.spaces) {
        match step.insecure {
            // It could change the network itself.
            true => spaces.retire(space),
            false => spaces.give_back(space),
        }
    }
    Ok(setting.snapshotter.commit(active)?)
}

/// The step's own network namespace.
fn space(step: &RunStep, setting: &Setting<'_>) -> Result<Option<Space>, StepError> {
    match (step.network, setting.spaces) {
        (crate::step::NetworkMode::Default, Some(spaces)) => {
            match spaces.take(step.insecure) {
                Ok(space) => Ok(Some(space)),
                // As BuildKit does where it has no networks.
                Err(error) if error.is_the_machines() => {
                    let line = format!("this RUN has the machine's network: {error}\n");
                    (setting.log)(LogStream::Stderr, line.into_bytes());
                    Ok(None)
                }
                Err(source) => Err(RunError::Network { source }.into()),
            }
        }
        _ => Ok(None),
    }
}

/// From start to end, with all of its output.
fn process(
    step: &RunStep,
    spec: &ContainerSpec,
    space: Option<&Space>,
    setting: &Setting<'_>,
) -> Result<(), StepError> {
    if setting.cancel.is_cancelled() {
        return Err(StepError::Cancelled);
    }
    let output = Output::new(setting.log);
    let (stdio, network) = (Stdio::Pipes { stdin: false }, space.map(Space::namespace));
    let ended = match setting.zygote.spawn_before(spec, stdio, network, setting.following) {
        Ok(container) => follow(container, &output, setting.cancel).map(Ended::from),
        Err(error) => not_started(step, error, &output),
    };
    if setting.cancel.is_cancelled() {
        return Err(StepError::Cancelled);
    }
    let Ended { code, outcome } = ended?;
    if code == 0 {
        return Ok(());
    }
    let (tail, full) = (output.into_tail(), setting.full_disk());
    Err(RunError::Exit { command: command(step), outcome, code, tail, full }.into())
}

struct Ended {
    /// As a shell reports it.
    code: i32,
    outcome: String,
}

impl From<ExitStatus> for Ended {
    fn from(status: ExitStatus) -> Ended {
        let memory = if status.oom_killed { ", out of memory" } else { "" };
        Ended { code: status.code(), outcome: format!("exit code: {}{memory}", status.code()) }
    }
}

fn follow(
    mut container: Container,
    output: &Output<'_>,
    cancel: &Cancel,
) -> Result<ExitStatus, RunError> {
    let (stdout, stderr) = (container.take_stdout(), container.take_stderr());
    let container = Arc::new(container);
    let watched = container.clone();
    // An error would mean that it has ended.
    let _watching = cancel.on_cancel(move || drop(watched.kill_all()));
    std::thread::scope(|scope| {
        let errors =
            scope.spawn(|| stderr.map_or(Ok(()), |pipe| output.pump(LogStream::Stderr, pipe)));
        // Ends when nobody has the pipe any more, with the container at the latest.
        let output = stdout.map_or(Ok(()), |pipe| output.pump(LogStream::Stdout, pipe));
        let status = container.wait().map_err(RunError::Runtime);
        for pumped in [Ok(output), errors.join()] {
            if let Ok(Err(source)) = pumped {
                return Err(RunError::Output { source });
            }
        }
        status
    })
}

/// A program that is not there ends as a shell would have it end, with the reason as its output.
fn not_started(
    step: &RunStep,
    error: RuntimeError,
    output: &Output<'_>,
) -> Result<Ended, RunError> {
    let RuntimeError::Start { step: act, cause, failure, .. } = &error else {
        return Err(RunError::Runtime(error));
    };
    let text = format!("{act}: {cause}");
    match (failure, error.exit_code()) {
        (StartFailure::NotFound | StartFailure::NotExecutable, Some(code)) => {
            // Reading from memory does not fail.
            let _ = output.pump(LogStream::Stderr, format!("{text}\n").as_bytes());
            Ok(Ended { code: i32::from(code), outcome: format!("exit code: {code}") })
        }
        _ => Err(RunError::Start { command: command(step), cause: text }),
    }
}

/// The command as messages show it; of a long script the beginning.
fn command(step: &RunStep) -> String {
    let text = step.args.join(" ");
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
