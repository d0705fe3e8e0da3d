//! Starts containers from a process with one thread, and cleans up after them: the part that the zygote and the
//! shim share.
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use nix::sched::{CloneFlags, setns};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, socketpair};
use rustix::process::{Signal, WaitId, WaitIdOptions, WaitIdStatus, pidfd_send_signal, waitid};
use sys::RootDir;
use sys::clone::{Child, spawn_child};
use sys::seccomp::Instruction;

use crate::capabilities::CapabilitySet;
use crate::cgroup::{Cgroups, DeviceRules, Leaf};
use crate::container::{ExitStatus, Outcome};
use crate::error::StartFailure;
use crate::joined::Joined;
use crate::phases::{Phase, Phases};
use crate::process::filesystem::mount_all;
use crate::process::{
    self, ChildStdio, Filesystems, Launch, Pause, Prepared, Stubs, program, remove_stubs,
};
use crate::seccomp;
use crate::spec::{ContainerSpec, MachineAccess, NetworkMode, Rootfs, Seccomp};
use crate::user_namespace::UserNamespace;
use crate::zygote::channel::receive_with_descriptors;
use crate::zygote::message::{Step, StepError};

const GROUP: &str = "create cgroup";

/// What every container is started with.
#[derive(Debug)]
pub(crate) struct Starter {
    pub(crate) owner: String,
    pub(crate) cgroups: Cgroups,
    pub(crate) launcher: OwnedFd,
    pub(crate) mountpoints: PathBuf,
    /// Soft and hard limit for containers that ask for none.
    pub(crate) open_files: (u64, u64),
    pub(crate) filters: HashMap<CapabilitySet, Vec<Instruction>>,
    /// What the next container shares with others.
    pub(crate) joined: Joined,
    /// Its program waits for these, if there are any.
    pub(crate) pipes: Option<PausePipes>,
    /// So many descriptors from 3 on are its program's.
    pub(crate) preserved: u32,
    /// Made before the first container that has one, and kept for the next start.
    pub(crate) user: Option<UserNamespace>,
    /// What its start takes, if anybody asks.
    pub(crate) phases: Phases,
}

/// See [`process::Pause`].
#[derive(Debug)]
pub(crate) struct PausePipes {
    pub(crate) begin: OwnedFd,
    pub(crate) report: OwnedFd,
}

/// One container, from its clone to its removal.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) spec: ContainerSpec,
    pub(crate) child: Child,
    pub(crate) leaf: Leaf,
    start: Start,
    stubs: Stubs,
    /// What was made below its mounts goes with all else that it has written.
    pub(crate) goes_whole: bool,
}

/// How far the start of a program is.
#[derive(Debug)]
pub(crate) enum Start {
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

/// What a message of a starting container meant.
#[derive(Debug)]
pub(crate) enum Progress {
    /// There is more to come.
    Going,
    /// It waits until the hooks of who makes it have run, for a byte on its status socket.
    Asks,
    /// Its program runs; with its terminal, if it has one.
    Started(Option<OwnedFd>),
    /// Its process is about to end.
    Failed,
}

impl Starter {
    /// `network` is the namespace to join, for [`NetworkMode::Sandbox`] and only then.
    pub(crate) fn spawn(
        &mut self,
        spec: ContainerSpec,
        stdio: ChildStdio<'_>,
        network: Option<BorrowedFd<'_>>,
    ) -> Result<Running, StepError> {
        let group = self.group_name(&spec.id);
        self.spawn_in(&group, spec, stdio, network)
    }

    /// The same in a group of that name below the parent.
    pub(crate) fn spawn_in(
        &mut self,
        group: &str,
        spec: ContainerSpec,
        stdio: ChildStdio<'_>,
        network: Option<BorrowedFd<'_>>,
    ) -> Result<Running, StepError> {
        if (spec.network == NetworkMode::Sandbox) != network.is_some() {
            return Err("no namespace was made for it").step("join the network namespace");
        }
        if spec.seccomp == Seccomp::Default {
            self.compile_filter(spec.capabilities);
        }
        let compiled;
        let filter = match &spec.seccomp {
            Seccomp::Profile(profile) => {
                compiled = seccomp::compile_here(profile, spec.capabilities);
                Some(&compiled[..])
            }
            _ => self.compiled_filter(&spec),
        };
        if !spec.namespaces.pid.is_own() && !sees_the_hosts_processes() {
            let cause = "containers are started from a PID namespace of their own here";
            return Err(cause).step("share processes");
        }
        let (status, far_status) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .step("make a status socket")?;
        let filesystems = match spec.user_namespace {
            // They are prepared with all the rest.
            Some(_) => Filesystems::new(),
            None => mount_all(&spec)?,
        };
        let rules_follow = self.rules_follow(&spec);
        let leaf = self.create_leaf(group, &spec, rules_follow)?;
        let launch = Launch {
            stdio,
            network,
            filesystems: Some(&filesystems),
            rules_follow,
            near: Some(status.as_fd()),
            ..self.launch(&spec, &leaf, filter, far_status.as_fd())
        };
        self.phases.end(Phase::Group);
        if self.joined.is_watched() {
            // While it is set up it has what is the host's.
            process::conceal()?;
        }
        let flags = process::clone_flags(&spec);
        let spawned = match (&spec.user_namespace, &self.user) {
            (Some(_), Some(user)) => spawn_mapped(&launch, user, self.joined.pid.as_ref(), flags),
            (Some(_), None) => Err("it was not made").step("enter the user namespace"),
            (None, _) => self.joined.in_pid_namespace(|| {
                spawn_child(flags, leaf.v2(), || process::run(&launch)).step("make namespaces")
            }),
        };
        let child = match spawned {
            Ok(child) => child,
            Err(error) => {
                leaf.remove();
                return Err(error);
            }
        };
        self.with_rules(Running::started(spec, child, leaf, status))
    }

    /// Whether a container's process waits for its device rules: the kernel takes its time to check them, and it can make its
    /// mounts meanwhile.
    pub(crate) fn rules_follow(&self, spec: &ContainerSpec) -> bool {
        self.devices(spec) == DeviceRules::V2
            && spec.user_namespace.is_none()
            && spec.listed.is_none()
    }

    /// With its device rules, unless these follow.
    pub(crate) fn create_leaf(
        &self,
        group: &str,
        spec: &ContainerSpec,
        rules_follow: bool,
    ) -> Result<Leaf, StepError> {
        match rules_follow {
            true => Leaf::create_without_rules(&self.cgroups, group, spec).step(GROUP),
            false => Leaf::create(&self.cgroups, group, spec, self.devices(spec)).step(GROUP),
        }
    }

    /// Gives a process the device rules that it waits for, if it does.
    pub(crate) fn with_rules(&self, running: Running) -> Result<Running, StepError> {
        if self.rules_follow(&running.spec)
            && let Err(error) = self.apply_rules(&running)
        {
            // It waits for them.
            let _ended = pidfd_send_signal(&running.child.pidfd, Signal::KILL);
            let _status = running.finish();
            return Err(error);
        }
        self.phases.end(Phase::Rules);
        Ok(running)
    }

    fn apply_rules(&self, running: &Running) -> Result<(), StepError> {
        let spec = &running.spec;
        running
            .leaf
            .apply_device_rules(&self.cgroups, self.devices(spec), &spec.device_rules)
            .step(GROUP)?;
        match running.answer() {
            // It has ended, and why is what it said last.
            Err(error) if is_gone(&error) => Ok(()),
            other => other.step(GROUP),
        }
    }

    /// The usual filter, once for each set of capabilities.
    pub(crate) fn compile_filter(&mut self, capabilities: CapabilitySet) {
        self.filters.entry(capabilities).or_insert_with(|| seccomp::filter(capabilities));
    }

    pub(crate) fn compiled_filter(&self, spec: &ContainerSpec) -> Option<&[Instruction]> {
        let usual = spec.seccomp == Seccomp::Default;
        usual.then(|| self.filters.get(&spec.capabilities).map(Vec::as_slice)).flatten()
    }

    fn devices(&self, spec: &ContainerSpec) -> DeviceRules {
        match spec.machine {
            MachineAccess::Confined => self.cgroups.devices,
            MachineAccess::Full | MachineAccess::Privileged => DeviceRules::AllDevices,
        }
    }

    /// What the process needs; its standard streams are still the status socket.
    pub(crate) fn launch<'a>(
        &'a self,
        spec: &'a ContainerSpec,
        leaf: &'a Leaf,
        filter: Option<&'a [Instruction]>,
        status: BorrowedFd<'a>,
    ) -> Launch<'a> {
        Launch {
            spec,
            stdio: ChildStdio::Descriptors([status; 3]),
            leaf,
            devices: self.devices(spec),
            filter,
            open_files: self.open_files,
            launcher: self.launcher.as_fd(),
            mountpoints: &self.mountpoints,
            status,
            network: None,
            ipc: self.joined.ipc.as_ref(),
            others: &self.joined.others,
            pause: self
                .pipes
                .as_ref()
                .map(|pipes| Pause { begin: pipes.begin.as_fd(), report: pipes.report.as_fd() }),
            preserved: self.preserved,
            phases: Some(&self.phases),
            rules_follow: false,
            near: None,
            prepared: None,
            filesystems: None,
        }
    }

    /// The name of a container's group below the engine's.
    pub(crate) fn group_name(&self, id: &str) -> String {
        format!("{}.{id}", self.owner)
    }
}

/// In the user namespace, with what only we can mount; `pid` is the PID namespace that it shares. Who clones it there stays
/// in ours, where its number is the one that we know it by.
fn spawn_mapped(
    launch: &Launch<'_>,
    user: &UserNamespace,
    pid: Option<&OwnedFd>,
    flags: i32,
) -> Result<Child, StepError> {
    let prepared = match &launch.spec.listed {
        Some(listed) => Prepared::of_listed(launch.spec, listed)?,
        None => Prepared::of(launch, user)?,
    };
    let launch = Launch { prepared: Some(&prepared), ..*launch };
    let before = || {
        process::before_entering(&launch, user.root())?;
        let Some(namespace) = pid else { return Ok(()) };
        let step = "enter the other container's PID namespace";
        setns(namespace, CloneFlags::CLONE_NEWPID).step(step)
    };
    user.spawn(flags, launch.leaf.v2(), before, || process::run(&launch))
}

impl Running {
    pub(crate) fn started(
        spec: ContainerSpec,
        child: Child,
        leaf: Leaf,
        status: OwnedFd,
    ) -> Running {
        Running {
            spec,
            child,
            leaf,
            start: Start::going(status),
            stubs: Stubs::default(),
            goes_whole: false,
        }
    }

    /// Where messages come from while it starts.
    pub(crate) fn status(&self) -> Option<BorrowedFd<'_>> {
        self.start.status()
    }

    /// Takes one message of a starting container; waits for it.
    pub(crate) fn read_status(&mut self) -> io::Result<Progress> {
        let program = self.spec.args.first().cloned().unwrap_or_default();
        let progress = self.start.read(&program, &mut self.stubs)?;
        if matches!(progress, Progress::Started(_)) {
            // Secrets are not kept for longer than they are needed.
            self.spec.mounts = Vec::new();
        }
        Ok(progress)
    }

    /// Waits until its program runs; its terminal, if it has one. After a failure it is to be finished.
    pub(crate) fn wait_for_start(&mut self) -> io::Result<Option<OwnedFd>> {
        loop {
            match self.read_status()? {
                Progress::Going => {}
                Progress::Started(terminal) => return Ok(terminal),
                Progress::Asks => return Err(io::ErrorKind::InvalidData.into()),
                Progress::Failed => return Err(io::ErrorKind::Other.into()),
            }
        }
    }

    /// Lets it go on after [`Progress::Asks`].
    pub(crate) fn answer(&self) -> io::Result<()> {
        let status = self.start.status().ok_or(io::ErrorKind::NotConnected)?;
        Ok(rustix::net::send(status, b"g", SendFlags::NOSIGNAL).map(drop)?)
    }

    /// Why it failed, after [`Progress::Failed`].
    pub(crate) fn failure(&self) -> StepError {
        match &self.start {
            Start::Failed(failure) => failure.clone(),
            _ => died(),
        }
    }

    /// Waits for its end and removes its traces: how it ended, or why it never started.
    pub(crate) fn finish(self) -> io::Result<Result<ExitStatus, StepError>> {
        let outcome = reap(self.child.pidfd.as_fd());
        let oom_killed = self.leaf.oom_kills() > 0;
        self.clean_up();
        let status = ExitStatus { outcome: outcome?, oom_killed };
        Ok(match self.start {
            Start::Failed(failure) => Err(failure),
            _ => Ok(status),
        })
    }

    fn clean_up(&self) {
        self.leaf.remove();
        let changes = match &self.spec.rootfs {
            Rootfs::Overlay { upper: Some(upper), .. } => upper,
            Rootfs::Directory { path, .. } => path,
            Rootfs::Overlay { upper: None, .. } => return,
        };
        if self.goes_whole || self.stubs == Stubs::default() {
            return;
        }
        // Gone if the caller has thrown it away already.
        if let Ok(changes) = RootDir::open(changes) {
            remove_stubs(&self.stubs, &changes);
        }
    }
}

/// /proc is still the one of whoever started us; 1 is that one's first process.
fn sees_the_hosts_processes() -> bool {
    // A number for each namespace from that of /proc down to its own.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    numbers.is_some_and(|numbers| numbers.split_whitespace().count() == 1)
}

impl Start {
    pub(crate) fn going(status: OwnedFd) -> Start {
        Start::Going { status, ready: false, terminal: None, failure: None }
    }

    /// Why it failed, after [`Progress::Failed`].
    pub(crate) fn failure(self) -> StepError {
        match self {
            Start::Failed(failure) => failure,
            _ => died(),
        }
    }

    pub(crate) fn status(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Start::Going { status, .. } => Some(status.as_fd()),
            _ => None,
        }
    }

    /// Takes one message; what it says of mounts goes into `created`.
    pub(crate) fn read(&mut self, program: &OsStr, created: &mut Stubs) -> io::Result<Progress> {
        let Start::Going { status, ready, terminal, failure } = self else {
            return Ok(Progress::Going);
        };
        let mut buffer = vec![0; next_length(status)?];
        let (mut length, mut descriptors) = receive_with_descriptors(&*status, &mut buffer)?;
        if length == 0 && !buffer.is_empty() {
            // It has ended since, which is told first here, too.
            (length, descriptors) = receive_with_descriptors(&*status, &mut buffer)?;
        }
        match buffer[..length].split_first() {
            Some((b'R', stubs)) => {
                *created = serde_json::from_slice(stubs)?;
                *terminal = descriptors.into_iter().next();
                *ready = true;
            }
            Some((b'H', _)) => return Ok(Progress::Asks),
            Some((b'E', text)) => *failure = Some(serde_json::from_slice(text)?),
            Some((b'X', errno)) => {
                let errno = errno.try_into().map(i32::from_le_bytes).unwrap_or(libc::EIO);
                *failure = Some(program::exec_failure(program, errno));
            }
            Some(_) => return Err(io::ErrorKind::InvalidData.into()),
            None => {
                let terminal = terminal.take();
                if let Some(failure) = failure.take().or_else(|| (!*ready).then(died)) {
                    *self = Start::Failed(failure);
                    return Ok(Progress::Failed);
                }
                *self = Start::Done;
                return Ok(Progress::Started(terminal));
            }
        }
        Ok(Progress::Going)
    }
}

/// The length of the message that comes next, which is waited for: a kind byte and JSON.
fn next_length(status: &OwnedFd) -> io::Result<usize> {
    let flags = RecvFlags::PEEK | RecvFlags::TRUNC;
    let mut reset = false;
    loop {
        match recv(status, &mut [0; 1], flags) {
            Err(rustix::io::Errno::INTR) => {}
            // It ended before it had read our answer, which is told once, and first; what it said itself is still to come.
            Err(rustix::io::Errno::CONNRESET) if !reset => reset = true,
            Err(rustix::io::Errno::CONNRESET) => return Ok(0),
            received => return Ok(received.map(|(_, length)| length)?),
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

pub(crate) fn died() -> StepError {
    StepError::new("set up", "its process died", StartFailure::Setup)
}

pub(crate) fn reap(pidfd: BorrowedFd<'_>) -> io::Result<Outcome> {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel tells of the unread answer before it gives what was said last.
    #[test]
    fn why_a_process_failed_is_heard_although_it_read_no_answer() {
        let (near, far) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .unwrap();
        let failure = StepError::new("mount overlay", "no space", StartFailure::Setup);
        let mut message = b"E".to_vec();
        message.extend(serde_json::to_vec(&failure).unwrap());
        rustix::net::send(&near, b"g", SendFlags::NOSIGNAL).unwrap();
        rustix::net::send(&far, &message, SendFlags::NOSIGNAL).unwrap();
        drop(far);
        let mut start = Start::going(near);
        let mut read = || start.read(OsStr::new("true"), &mut Stubs::default()).unwrap();
        assert!(matches!(read(), Progress::Going));
        assert!(matches!(read(), Progress::Failed));
        assert_eq!(start.failure(), failure);
    }
}
