//! The zygote's own side: one thread that starts containers and waits for them.
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Signal, WaitId, WaitIdOptions, WaitIdStatus, pidfd_send_signal, waitid};
use sys::RootDir;
use sys::clone::{Child, spawn_child};
use sys::seccomp::Instruction;

use super::channel::{receive_frame, receive_with_descriptors, send_frame};
use super::message::{Event, SpawnRequest, StdioKind, Step, StepError};
use crate::capabilities::CapabilitySet;
use crate::cgroup::{Cgroups, Leaf};
use crate::container::{ExitStatus, Outcome};
use crate::error::StartFailure;
use crate::process::{self, ChildStdio, Launch, Stubs, program, remove_stubs};
use crate::seccomp;
use crate::spec::{ContainerSpec, Rootfs, Seccomp};

/// A status message: a kind byte and JSON. A stub takes about a hundred bytes.
const STATUS_SPACE: usize = 256 << 10;

/// What every container is started with.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) socket: OwnedFd,
    pub(super) owner: String,
    pub(super) cgroups: Cgroups,
    pub(super) launcher: OwnedFd,
    pub(super) mountpoints: PathBuf,
    /// Soft and hard limit for containers that ask for none.
    pub(super) open_files: (u64, u64),
    pub(super) filters: HashMap<CapabilitySet, Vec<Instruction>>,
    pub(super) containers: Vec<Running>,
}

/// One container, from its clone to its removal.
#[derive(Debug)]
pub(super) struct Running {
    request: u64,
    spec: ContainerSpec,
    child: Child,
    leaf: Leaf,
    start: Start,
    stubs: Stubs,
}

/// How far its start is.
#[derive(Debug)]
enum Start {
    Going {
        status: OwnedFd,
        ready: bool,
        terminal: Option<OwnedFd>,
        failure: Option<StepError>,
    },
    Done,
    /// Reported once its traces are removed.
    Failed(StepError),
}

impl Server {
    /// Until the caller is gone; then ends every container and removes its traces.
    pub(super) fn run(&mut self) -> io::Result<()> {
        let result = self.serve();
        self.end_all();
        self.cgroups.remove_parents();
        result
    }

    fn serve(&mut self) -> io::Result<()> {
        let warnings = self.cgroups.warnings.clone();
        send_frame(&self.socket, &Event::Ready { warnings }, &[])?;
        while self.turn()? {}
        Ok(())
    }

    /// Handles whatever has happened; false when the caller has hung up.
    fn turn(&mut self) -> io::Result<bool> {
        let (request, statuses, exits) = self.wait()?;
        for position in statuses {
            self.read_status(position)?;
        }
        // From the back, so that positions stay right while entries go.
        for position in exits.into_iter().rev() {
            while matches!(self.containers[position].start, Start::Going { .. }) {
                self.read_status(position)?;
            }
            let ended = self.containers.remove(position);
            self.finish(ended)?;
        }
        if request { self.serve_request() } else { Ok(true) }
    }

    /// Whether there is a request, and which containers have a status or have ended.
    fn wait(&self) -> io::Result<(bool, Vec<usize>, Vec<usize>)> {
        let mut watched = vec![PollFd::new(&self.socket, PollFlags::IN)];
        let mut meaning = Vec::new();
        for (position, container) in self.containers.iter().enumerate() {
            watched.push(PollFd::new(&container.child.pidfd, PollFlags::IN));
            meaning.push((position, true));
            if let Start::Going { status, .. } = &container.start {
                watched.push(PollFd::new(status, PollFlags::IN));
                meaning.push((position, false));
            }
        }
        match poll(&mut watched, None) {
            Err(rustix::io::Errno::INTR) => return Ok((false, Vec::new(), Vec::new())),
            other => other?,
        };
        let (mut statuses, mut exits) = (Vec::new(), Vec::new());
        for (fd, (position, is_exit)) in watched[1..].iter().zip(meaning) {
            if !fd.revents().is_empty() {
                if is_exit { &mut exits } else { &mut statuses }.push(position);
            }
        }
        Ok((!watched[0].revents().is_empty(), statuses, exits))
    }

    fn serve_request(&mut self) -> io::Result<bool> {
        let Some((request, descriptors)) = receive_frame::<SpawnRequest>(&self.socket)? else {
            return Ok(false);
        };
        let number = request.request;
        match self.spawn(request, &descriptors) {
            Ok(running) => self.containers.push(running),
            Err(failure) => {
                send_frame(&self.socket, &Event::Failed { request: number, failure }, &[])?;
            }
        }
        Ok(true)
    }

    fn spawn(
        &mut self,
        request: SpawnRequest,
        descriptors: &[OwnedFd],
    ) -> Result<Running, StepError> {
        let SpawnRequest { request, spec, stdio } = request;
        if self.containers.iter().any(|running| running.spec.id == spec.id) {
            // Two would share a cgroup, and the first to end would take the other along.
            return Err("a container of this name is running").step("create cgroup");
        }
        let stdio = match (stdio, descriptors) {
            (StdioKind::Terminal { rows, columns }, _) => ChildStdio::Terminal { rows, columns },
            (StdioKind::Descriptors, [a, b, c]) => {
                ChildStdio::Descriptors([a.as_fd(), b.as_fd(), c.as_fd()])
            }
            _ => return Err("it needs three descriptors").step("connect standard streams"),
        };
        if spec.seccomp == Seccomp::Default {
            self.filters
                .entry(spec.capabilities)
                .or_insert_with(|| seccomp::filter(spec.capabilities));
        }
        let filter = match spec.seccomp {
            Seccomp::Default => self.filters.get(&spec.capabilities).map(Vec::as_slice),
            Seccomp::Unconfined => None,
        };
        let (status, far_status) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .step("make a status socket")?;
        let name = format!("{}.{}", self.owner, spec.id);
        let leaf = Leaf::create(&self.cgroups, &name, &spec.limits).step("create cgroup")?;
        let launch = Launch {
            spec: &spec,
            stdio,
            leaf: &leaf,
            hierarchies: &self.cgroups.hierarchies,
            devices: self.cgroups.devices,
            filter,
            open_files: self.open_files,
            launcher: self.launcher.as_fd(),
            mountpoints: &self.mountpoints,
            status: far_status.as_fd(),
        };
        let flags = process::clone_flags(&spec);
        let child = match spawn_child(flags, leaf.v2(), || process::run(&launch)) {
            Ok(child) => child,
            Err(error) => {
                leaf.remove();
                return Err(error).step("make namespaces");
            }
        };
        let start = Start::Going { status, ready: false, terminal: None, failure: None };
        Ok(Running { request, spec, child, leaf, start, stubs: Stubs::default() })
    }

    /// Takes one message of a starting container.
    fn read_status(&mut self, position: usize) -> io::Result<()> {
        let container = &mut self.containers[position];
        let Start::Going { status, ready, terminal, failure } = &mut container.start else {
            return Ok(());
        };
        let mut buffer = vec![0; STATUS_SPACE];
        let (length, descriptors) = receive_with_descriptors(status, &mut buffer)?;
        match buffer[..length].split_first() {
            Some((b'R', stubs)) => {
                container.stubs = serde_json::from_slice(stubs)?;
                *terminal = descriptors.into_iter().next();
                *ready = true;
                Ok(())
            }
            Some((b'E', text)) => {
                *failure = Some(serde_json::from_slice(text)?);
                Ok(())
            }
            Some((b'X', errno)) => {
                let errno = errno.try_into().map(i32::from_le_bytes).unwrap_or(libc::EIO);
                let program = container.spec.args.first().cloned().unwrap_or_default();
                *failure = Some(program::exec_failure(&program, errno));
                Ok(())
            }
            Some(_) => Err(io::ErrorKind::InvalidData.into()),
            None => {
                let failure = failure.take().or_else(|| (!*ready).then(died));
                let terminal = terminal.take();
                if let Some(failure) = failure {
                    container.start = Start::Failed(failure);
                    return Ok(());
                }
                container.start = Start::Done;
                // Secrets are not kept for longer than they are needed.
                container.spec.mounts = Vec::new();
                self.report_started(position, terminal)
            }
        }
    }

    fn report_started(&self, position: usize, terminal: Option<OwnedFd>) -> io::Result<()> {
        let container = &self.containers[position];
        let mut descriptors = vec![container.child.pidfd.as_fd()];
        descriptors.extend(terminal.iter().map(AsFd::as_fd));
        send_frame(&self.socket, &Event::Started { request: container.request }, &descriptors)
    }

    /// Cleans up after an ended container, then says so.
    fn finish(&self, ended: Running) -> io::Result<()> {
        let outcome = reap(ended.child.pidfd.as_fd())?;
        let status = ExitStatus { outcome, oom_killed: ended.leaf.oom_kills() > 0 };
        clean_up(&ended);
        let request = ended.request;
        let event = match ended.start {
            Start::Failed(failure) => Event::Failed { request, failure },
            _ => Event::Ended { request, status },
        };
        send_frame(&self.socket, &event, &[])
    }

    fn end_all(&mut self) {
        for container in &self.containers {
            // It may have ended by itself.
            let _ = pidfd_send_signal(&container.child.pidfd, Signal::KILL);
        }
        for container in self.containers.drain(..) {
            let _ = reap(container.child.pidfd.as_fd());
            clean_up(&container);
        }
    }
}

fn died() -> StepError {
    StepError::new("set up", "its process died", StartFailure::Setup)
}

fn clean_up(container: &Running) {
    container.leaf.remove();
    let changes = match &container.spec.rootfs {
        Rootfs::Overlay { upper: Some(upper), .. } => upper,
        Rootfs::Directory { path, .. } => path,
        Rootfs::Overlay { upper: None, .. } => return,
    };
    if container.stubs == Stubs::default() {
        return;
    }
    // Gone if the caller has thrown it away already.
    if let Ok(changes) = RootDir::open(changes) {
        remove_stubs(&container.stubs, &changes);
    }
}

fn reap(pidfd: BorrowedFd<'_>) -> io::Result<Outcome> {
    let status = loop {
        match waitid(WaitId::PidFd(pidfd), WaitIdOptions::EXITED) {
            Err(rustix::io::Errno::INTR) | Ok(None) => {}
            Ok(Some(status)) => break status,
            Err(errno) => return Err(errno.into()),
        }
    };
    Ok(outcome(&status))
}

fn outcome(status: &WaitIdStatus) -> Outcome {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Outcome::Exited(code),
        (None, signal) => Outcome::Signalled(signal.unwrap_or(libc::SIGKILL)),
    }
}
