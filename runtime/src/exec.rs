//! Another program in a container that runs.
//!
//! No shim takes part: whoever calls this becomes the program's parent, enters nothing itself but makes the new
//! process in the container's PID namespace, which the process then joins in all else (`process/join.rs`).
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use nix::sys::resource::{Resource, getrlimit};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use rustix::termios::{Winsize, tcsetwinsize};
use sys::clone::{Child, spawn_child};

use crate::cgroup::{Cgroups, DeviceRules, Leaf};
use crate::container::{ExitStatus, Stdio};
use crate::containers::Container;
use crate::engine::EngineId;
use crate::error::{RuntimeError, StartFailure};
use crate::events::Event;
use crate::process::{self, ChildStdio, Launch, Stubs};
use crate::seccomp;
use crate::spec::{ContainerSpec, Seccomp};
use crate::starter::{Progress, Start, reap};
use crate::zygote::launcher;
use crate::zygote::message::{StdioKind, Step, StepError};
use crate::zygote::streams::Streams;

/// A program that was started in a container. It goes on when this is dropped.
#[derive(Debug)]
pub struct Execution {
    child: Child,
    pub stdin: Option<File>,
    pub stdout: Option<File>,
    pub stderr: Option<File>,
    pub terminal: Option<File>,
    /// What is noted when it has ended, and where.
    farewell: Option<(Event, PathBuf)>,
}

/// What a new program in a container needs to know of it.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) first: OwnedFd,
    pub(crate) leaf: Leaf,
    pub(crate) cgroups: Cgroups,
    /// So many descriptors from 3 on are the program's.
    pub(crate) preserved: u32,
}

/// Starts `spec.args` in the container with the environment, working directory, user, limits, capabilities and
/// filter of `spec`; the rest of it describes the container and is not looked at. To be called from a process
/// with one thread.
pub fn exec(
    engine: &EngineId,
    container: &Container,
    spec: &ContainerSpec,
    stdio: Stdio,
) -> Result<Execution, RuntimeError> {
    let failed = |StepError { step, cause, failure }: StepError| RuntimeError::Start {
        id: container.short_id().to_owned(),
        step,
        cause,
        failure,
    };
    let room = Room::of(engine, container).map_err(failed)?;
    let streams = Streams::new(stdio).step("connect standard streams").map_err(failed)?;
    let launcher = launcher::sealed().step("make the launcher").map_err(failed)?;
    start(&room, spec, streams, &launcher, None).map_err(failed)
}

impl Room {
    pub(crate) fn of(engine: &EngineId, container: &Container) -> Result<Room, StepError> {
        let (state, spec) = (&container.state, &container.definition.spec);
        let gone =
            || StepError::new("find the container", "it is not running", StartFailure::Setup);
        let process = state.process.ok_or_else(gone)?;
        let pid = Pid::from_raw(process.pid).ok_or_else(gone)?;
        let first = pidfd_open(pid, PidfdFlags::empty()).map_err(|_| gone())?;
        // Only now is the number known to be that of the process which is meant.
        if !process.is_alive() {
            return Err(gone());
        }
        let devices =
            if state.withholds_devices { DeviceRules::NoDevices } else { DeviceRules::V1 };
        let cgroups = Cgroups::look(engine, devices);
        let leaf =
            Leaf::existing(&cgroups, &state.group, spec).step("find the container's cgroup")?;
        Ok(Room { first, leaf, cgroups, preserved: 0 })
    }
}

/// `limit` is how long the program may take to start: others in the container can stop it on its way.
pub(crate) fn start(
    room: &Room,
    spec: &ContainerSpec,
    mut streams: Streams,
    launcher: &OwnedFd,
    limit: Option<Duration>,
) -> Result<Execution, StepError> {
    let (status, far_status) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .step("make a status socket")?;
    let stdio = match (streams.kind, streams.theirs.as_slice()) {
        (StdioKind::Terminal { rows, columns }, _) => ChildStdio::Terminal { rows, columns },
        (StdioKind::Descriptors, [a, b, c]) => {
            ChildStdio::Descriptors([a.as_fd(), b.as_fd(), c.as_fd()])
        }
        _ => return Err("it needs three descriptors").step("connect standard streams"),
    };
    let filter = match &spec.seccomp {
        Seccomp::Default => Some(seccomp::filter(spec.capabilities)),
        Seccomp::Unconfined => None,
        Seccomp::Profile(profile) => Some(seccomp::compile_here(profile, spec.capabilities)),
    };
    let launch = Launch {
        spec,
        stdio,
        leaf: &room.leaf,
        devices: room.cgroups.devices,
        filter: filter.as_deref(),
        open_files: getrlimit(Resource::RLIMIT_NOFILE).step("read the limit on open files")?,
        launcher: launcher.as_fd(),
        mountpoints: Path::new("/"),
        status: far_status.as_fd(),
        network: None,
        ipc: None,
        others: &[],
        pause: None,
        preserved: room.preserved,
        phases: None,
        rules_follow: false,
        near: None,
        prepared: None,
        filesystems: None,
    };
    let child = in_namespace_of(room, || process::run_in_container(&launch, room.first.as_fd()))?;
    // Ours must be closed, or the end of the program's would not be noticed.
    drop(far_status);
    streams.theirs.clear();
    set_socket_timeout(&status, Timeout::Recv, limit).step("limit the time")?;
    let mut progress = Start::going(status);
    let program = spec.args.first().cloned().unwrap_or_default();
    let terminal = loop {
        match progress.read(&program, &mut Stubs::default()).step("hear of it") {
            Ok(Progress::Going | Progress::Asks) => {}
            Ok(Progress::Started(terminal)) => break terminal,
            Err(error) => {
                // It may have ended already.
                let _ended = pidfd_send_signal(&child.pidfd, Signal::KILL);
                let _status = reap(child.pidfd.as_fd());
                return Err(error);
            }
            Ok(Progress::Failed) => {
                // It is about to end; how is known already.
                let _ = reap(child.pidfd.as_fd());
                return Err(progress.failure());
            }
        }
    };
    let Streams { stdin, stdout, stderr, .. } = streams;
    let terminal = terminal.map(File::from);
    Ok(Execution { child, stdin, stdout, stderr, terminal, farewell: None })
}

/// A child in the PID namespace of the container, whereas we stay in ours, as our later children do.
fn in_namespace_of(room: &Room, body: impl FnOnce() -> u8) -> Result<Child, StepError> {
    let step = "enter the container's PID namespace";
    let own = File::open("/proc/self/ns/pid").step(step)?;
    setns(&room.first, CloneFlags::CLONE_NEWPID).step(step)?;
    let child = spawn_child(0, room.leaf.v2(), body).step("make a process");
    setns(&own, CloneFlags::CLONE_NEWPID).step("stay in the own PID namespace")?;
    child
}

impl Execution {
    /// A process that was made otherwise.
    pub(crate) fn of_child(child: Child, terminal: Option<File>) -> Execution {
        Execution { child, stdin: None, stdout: None, stderr: None, terminal, farewell: None }
    }

    /// Who waits for its end notes this event then, with the exit code.
    #[must_use]
    pub fn noting_its_end(self, event: Event, state: &Path) -> Execution {
        Execution { farewell: Some((event, state.to_owned())), ..self }
    }

    /// As this process numbers it.
    pub fn pid(&self) -> i32 {
        self.child.pid
    }

    /// Readable when it has ended.
    pub(crate) fn pidfd(&self) -> &OwnedFd {
        &self.child.pidfd
    }

    /// Waits for its end.
    pub fn wait(&self) -> io::Result<ExitStatus> {
        let status = ExitStatus { outcome: reap(self.child.pidfd.as_fd())?, oom_killed: false };
        if let Some((event, state)) = &self.farewell {
            event.clone().at_once().with("exitCode", status.code()).note(state);
        }
        Ok(status)
    }

    /// Sends a signal, by number. Nothing happens after its end.
    pub fn kill(&self, signal: i32) -> io::Result<()> {
        let signal = sys::signal::by_number(signal)
            .ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
        match pidfd_send_signal(&self.child.pidfd, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Tells the terminal's programs its size. Without a terminal nothing happens.
    pub fn resize(&self, rows: u16, columns: u16) -> io::Result<()> {
        let Some(terminal) = &self.terminal else { return Ok(()) };
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        Ok(tcsetwinsize(terminal, size)?)
    }
}
