//! What a shim knows of its container; how it starts it, notes its end, and ends itself.
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::process::{Signal, pidfd_send_signal};

use super::begin::{self, Ready, Told};
use super::client::{Client, Message};
use super::health::Monitor;
use super::log::{Log, Stream};
use super::place;
use super::probe::Probe;
use super::protocol::{Reply, Request};
use super::restart::Restarter;
use super::streams::{Sink, Source};
use crate::cgroup::DeviceRules;
use crate::clock;
use crate::container::{ExitStatus, Stdio};
use crate::containers::{Container, Containers, ProcessName, State, Status, Still, boot_id};
use crate::engine::Owner;
use crate::error::StartFailure;
use crate::events::Event;
use crate::joined::Joined;
use crate::network::{Remains, Sandbox};
use crate::phases::{Phase as StartPhase, Phases};
use crate::process::{ChildStdio, ahead::Shape};
use crate::spare::Spare;
use crate::spec::ContainerSpec;
use crate::starter::{Running, Starter};
use crate::user_namespace::UserNamespace;
use crate::zygote::channel::send_frame;
use crate::zygote::message::{Step, StepError};
use crate::zygote::streams::Streams;

/// Exit codes of a container that was not started: docker's.
const NOT_FOUND: i32 = 127;
const NOT_EXECUTABLE: i32 = 126;
const NOT_STARTED: i32 = 128;
/// How long a bridge stays when the last container has gone.
const LINGER: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Supervisor {
    pub(super) container: Container,
    pub(super) spec: ContainerSpec,
    pub(super) starter: Starter,
    /// For its first start.
    spare: Option<Spare>,
    /// The namespace of its interfaces, made ahead.
    pub(super) space: Option<OwnedFd>,
    /// Where its definition is.
    pub(super) containers: Containers,
    pub(super) sandbox: Option<Sandbox>,
    /// What is left of the sandbox at the end.
    pub(super) remains: Option<Remains>,
    owner: Owner,
    lock: File,
    pub(super) listener: OwnedFd,
    pub(super) clients: Vec<Client>,
    pub(super) phase: Phase,
    pub(super) log: Option<Log>,
    pub(super) sources: Vec<Source>,
    pub(super) input: Option<Sink>,
    pub(super) terminal: Option<File>,
    pub(super) size: (u16, u16),
    pub(super) restarter: Restarter,
    pub(super) monitor: Option<Monitor>,
    pub(super) probe: Option<Probe>,
    /// When what was asked to end is killed.
    pub(super) patience: Option<Instant>,
    /// Nothing has happened for a while, and what only events need has been let go.
    pub(super) settled: bool,
    /// Why the state could not be written, when it last changed.
    unsaved: Option<String>,
}

#[derive(Debug)]
pub(super) enum Phase {
    Running {
        running: Box<Running>,
        began: Instant,
    },
    /// Ended; what it wrote is still on its way. Then, after the time given, it is started again.
    Draining {
        again: Option<Duration>,
        /// When who does not read is no longer waited for: somebody waits for the end.
        until: Option<Instant>,
    },
    Waiting {
        until: Instant,
    },
    Over,
}

/// A container that has ended for good, with those who wait to hear of it.
#[derive(Debug)]
pub struct Finished {
    pub container: Container,
    clients: Vec<Client>,
    farewell: Reply,
    /// Why its end could not be written down.
    unsaved: Option<String>,
    remains: Option<Remains>,
    phases: Phases,
    /// Of one that is to be removed.
    still: Option<Still>,
}

impl Finished {
    /// The right to take the container away, if it is to go.
    pub fn still(&mut self) -> Option<Still> {
        self.still.take()
    }

    /// Tells those who wait. The container is out of sight by then, if it was to be removed.
    pub fn tell(&mut self) {
        self.phases.end(StartPhase::Withdrawn);
        tell_phases(&self.clients, &self.phases);
        for client in self.clients.drain(..) {
            match &self.unsaved {
                Some(cause) if client.stops => client.error(format!(
                    "it has ended, but nothing could be written about that: {cause}"
                )),
                None if client.stops => client.reply(&Reply::Done),
                _ => {}
            }
            let failed = matches!(self.farewell, Reply::Failed { .. });
            if client.waits || failed {
                client.reply(&self.farewell);
            }
        }
    }

    /// Removes what nobody waits for. The next container may come at once and use the same bridge.
    pub fn linger(self) {
        let Some(remains) = self.remains else { return };
        std::thread::sleep(LINGER);
        // What cannot be removed now, the next command that looks at containers removes.
        let _left = remains.remove();
    }
}

/// To those who have asked.
fn tell_phases(clients: &[Client], phases: &Phases) {
    for client in clients.iter().filter(|client| client.traces) {
        client.reply(&Reply::Phases { ended: phases.ended() });
    }
}

/// The container is not this shim's yet: who made it has to remove it.
fn not_ready(error: &StepError) -> Reply {
    Reply::Error { message: format!("cannot start the shim: {}: {}", error.step, error.cause) }
}

impl Supervisor {
    /// Prepares everything, waits for the request to begin, and starts the container. None when nobody asks any more.
    pub(super) fn begin(socket: OwnedFd, told: &Told) -> io::Result<Option<Supervisor>> {
        let ready = match begin::prepare(socket.try_clone()?, told) {
            Ok(ready) => ready,
            Err(error) => {
                send_frame(&socket, &not_ready(&error), &[])?;
                return Ok(None);
            }
        };
        let (maker, size) = match Supervisor::wait_for_maker(&ready.socket, told) {
            Ok(Some(asked)) => asked,
            gone => {
                ready.give_up();
                return gone.map(|_| None);
            }
        };
        ready.starter.phases.end(StartPhase::Asked);
        let taken = Supervisor::take_over(told);
        ready.starter.phases.end(StartPhase::TakeOver);
        match taken {
            Ok((container, spec, lock, listener, log)) => {
                let definition = &container.definition;
                let Ready { starter, owner, spare, space, .. } = ready;
                Ok(Some(Supervisor {
                    restarter: Restarter::new(definition.restart),
                    spec,
                    starter,
                    spare,
                    space,
                    containers: Containers::open(&told.root, &told.state),
                    sandbox: None,
                    remains: None,
                    owner,
                    lock,
                    listener,
                    clients: vec![maker],
                    phase: Phase::Over,
                    log,
                    sources: Vec::new(),
                    input: None,
                    terminal: None,
                    size,
                    monitor: None,
                    probe: None,
                    patience: None,
                    settled: false,
                    unsaved: None,
                    container,
                }))
            }
            Err(error) => {
                maker.reply(&not_ready(&error));
                ready.give_up();
                Ok(None)
            }
        }
    }

    /// Until it asks to begin, with a terminal of this size. None when it has gone.
    fn wait_for_maker(socket: &OwnedFd, told: &Told) -> io::Result<Option<(Client, (u16, u16))>> {
        let mut maker = Client::maker(socket.try_clone()?, told.traced);
        loop {
            match maker.receive() {
                Message::Request(Request::Begin { rows, columns }, _) => {
                    return Ok(Some((maker, (rows, columns))));
                }
                Message::Request(Request::Attach { input, output, errors }, descriptors) => {
                    maker.attach((input, output, errors), descriptors)?;
                }
                Message::Request(Request::Wait, _) => maker.waits = true,
                Message::Request(..) | Message::Nothing => {}
                Message::Gone => return Ok(None),
            }
        }
    }

    #[allow(clippy::type_complexity)] // what the one caller puts into place
    fn take_over(
        told: &Told,
    ) -> Result<(Container, ContainerSpec, File, OwnedFd, Option<Log>), StepError> {
        let containers = Containers::open(&told.root, &told.state);
        let place = containers.place(&told.id);
        let lock = place::lock(&place).step("lock the container")?;
        let Some(lock) = lock else {
            return Err("another shim starts or ends it").step("lock the container");
        };
        let mut container = containers.read(&told.id).step("read the container's definition")?;
        let definition = &container.definition;
        let spec = definition.spec_below(&told.root);
        let log = Log::open(&place.log_file(), &definition.log).step("open the log")?;
        let listener = place::bind_socket(&place).step("make the container's socket")?;
        container.state.boot = boot_id(&told.state);
        container.state.shim = Some(ProcessName::of_self().step("read /proc/self/stat")?);
        Ok((container, spec, lock, listener, log))
    }

    /// Until the container has ended for good.
    pub(super) fn run(mut self) -> io::Result<Finished> {
        let state = &mut self.container.state;
        (state.restarts, state.stopped_by_hand) = (0, false);
        match self.start() {
            Ok(()) => {
                tell_phases(&self.clients[..1], &self.starter.phases);
                self.clients[0].reply(&Reply::Done);
                while !matches!(self.phase, Phase::Over) {
                    self.turn()?;
                }
                let State { exit_code, error, .. } = self.container.state.clone();
                self.finish(Reply::Ended { exit_code, error, last: true })
            }
            Err(failure) => {
                self.note_failure(&failure);
                let StepError { step, cause, failure } = failure;
                self.finish(Reply::Failed { step, cause, failure })
            }
        }
    }

    /// Starts the container's program and waits until it runs.
    pub(super) fn start(&mut self) -> Result<(), StepError> {
        let step = "connect standard streams";
        let (rows, columns) = self.size;
        let stdio = match self.container.definition.terminal {
            true => Stdio::Terminal { rows, columns },
            false => Stdio::Pipes { stdin: self.container.definition.open_stdin },
        };
        let Streams { theirs, stdin, stdout, stderr, .. } = Streams::new(stdio).step(step)?;
        let child_stdio = match theirs.as_slice() {
            [a, b, c] => ChildStdio::Descriptors([a.as_fd(), b.as_fd(), c.as_fd()]),
            _ => ChildStdio::Terminal { rows, columns },
        };
        self.starter.joined = Joined::find(&self.containers, &self.spec)?;
        if let (Some(ids), None) = (&self.spec.user_namespace, &self.starter.user) {
            self.starter.user = Some(UserNamespace::make(ids)?);
        }
        let network = self.enter_network()?;
        let namespace = network.as_ref().map(AsFd::as_fd);
        if namespace.is_some() {
            self.starter.phases.end(StartPhase::Network);
        }
        let mut running = self.spawn(child_stdio, namespace)?;
        drop((theirs, network));
        running.goes_whole = self.container.definition.auto_remove;
        let terminal = match running.wait_for_start() {
            Ok(terminal) => terminal.map(File::from),
            Err(error) => {
                return Err(match running.finish() {
                    Ok(Err(failure)) => failure,
                    _ => StepError::new("set up", error, StartFailure::Setup),
                });
            }
        };
        self.starter.phases.end(StartPhase::Started);
        let process =
            host_process(&running).step("find the container's process").and_then(|process| {
                self.connect(stdin, stdout, stderr, terminal).step(step).map(|()| process)
            });
        match process {
            Ok(process) => self.note_start(process),
            Err(error) => {
                // It may have ended already; how does not matter.
                let _ended = pidfd_send_signal(&running.child.pidfd, Signal::KILL);
                let _status = running.finish();
                return Err(error);
            }
        }
        self.starter.phases.end(StartPhase::Noted);
        self.phase = Phase::Running { running: Box::new(running), began: Instant::now() };
        Ok(())
    }

    /// By the process that was made ahead, where it is of the right kind.
    fn spawn(
        &mut self,
        stdio: ChildStdio<'_>,
        network: Option<BorrowedFd<'_>>,
    ) -> Result<Running, StepError> {
        if let Some(spare) = self.spare.take() {
            match Some(spare.shape) == Shape::of(&self.spec) {
                true => {
                    self.starter.phases.end(StartPhase::Group);
                    if let Some(running) = spare.start(&self.starter, &self.spec, stdio, network) {
                        return running;
                    }
                }
                false => spare.end(),
            }
        }
        self.starter.spawn(self.spec.clone(), stdio, network)
    }

    fn connect(
        &mut self,
        stdin: Option<File>,
        stdout: Option<File>,
        stderr: Option<File>,
        terminal: Option<File>,
    ) -> io::Result<()> {
        self.sources.clear();
        let copies = match &terminal {
            Some(terminal) => (Some(terminal.try_clone()?), Some(terminal.try_clone()?), None),
            None => (stdin, stdout, stderr),
        };
        self.input = copies.0.map(Sink::new).transpose()?;
        let outputs = [(copies.1, Stream::Stdout), (copies.2, Stream::Stderr)];
        for (file, stream) in outputs {
            self.sources.extend(file.map(|file| Source::new(file, stream)).transpose()?);
        }
        self.terminal = terminal;
        Ok(())
    }

    fn note_start(&mut self, process: ProcessName) {
        let definition = &self.container.definition;
        self.monitor = definition.health.clone().map(|check| Monitor::new(check, Instant::now()));
        let state = &mut self.container.state;
        state.status = Status::Running;
        state.process = Some(process);
        state.group = self.starter.group_name(&definition.id);
        state.withholds_devices = self.starter.cgroups.devices == DeviceRules::NoDevices;
        state.started = clock::now();
        state.finished = String::new();
        (state.exit_code, state.oom_killed, state.error) = (0, false, String::new());
        state.health = self.monitor.as_ref().map(|monitor| monitor.health.clone());
        self.save();
        self.volume_events("mount");
        self.event("start");
    }

    /// As docker: a container whose program could not be started at all has still to be.
    pub(super) fn note_failure(&mut self, failure: &StepError) {
        let state = &mut self.container.state;
        let never = state.started.is_empty();
        state.status = if never { Status::Created } else { Status::Exited };
        state.exit_code = match failure.failure {
            StartFailure::NotFound => NOT_FOUND,
            StartFailure::NotExecutable => NOT_EXECUTABLE,
            _ => NOT_STARTED,
        };
        state.error = format!("{}: {}", failure.step, failure.cause);
        (state.shim, state.process, state.health) = (None, None, None);
        self.save();
    }

    /// Notes the end, and what follows from it.
    pub(super) fn note_end(&mut self, status: ExitStatus, began: Instant) {
        if let Some(probe) = self.probe.take() {
            drop(probe.abandon(String::new()));
        }
        (self.monitor, self.patience) = (None, None);
        let definition = &self.container.definition;
        let state = &mut self.container.state;
        let again = match definition.auto_remove {
            true => None,
            false => self.restarter.after(
                status.code(),
                began.elapsed(),
                state.restarts,
                state.stopped_by_hand,
            ),
        };
        state.status = if again.is_some() { Status::Restarting } else { Status::Exited };
        state.exit_code = status.code();
        state.oom_killed = status.oom_killed;
        state.finished = clock::now();
        state.process = None;
        self.save();
        if status.oom_killed {
            self.event("oom");
        }
        let died = Event::of_container(&self.container.definition, "die");
        died.with("exitCode", status.code()).note(self.containers.state_directory());
        self.volume_events("unmount");
        if self.clients.iter().any(|client| client.stops) {
            self.event("stop");
        }
        let until = self.clients.iter().any(|client| client.stops).then(reading_ends);
        self.phase = Phase::Draining { again, until };
    }

    /// The container's directory may be gone when it was removed by force; then nobody asks for its state.
    pub(super) fn save(&mut self) {
        let Container { place, state, .. } = &mut self.container;
        self.unsaved = match place.write_state(state) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Some(error.to_string()),
            _ => None,
        };
    }

    pub(super) fn event(&self, action: &str) {
        let event = Event::of_container(&self.container.definition, action);
        event.note(self.containers.state_directory());
    }

    fn volume_events(&self, action: &str) {
        let definition = &self.container.definition;
        for used in &definition.volumes {
            let mut event = Event::of_volume(&used.name, action).with("container", &definition.id);
            if action == "mount" {
                let mounts = &definition.spec.mounts;
                let read_only = mounts.iter().any(|it| it.target == used.target && it.read_only);
                event = event
                    .with("destination", used.target.display())
                    .with("propagation", "")
                    .with("read/write", !read_only);
            }
            event.note(self.containers.state_directory());
        }
    }

    /// Sends a signal to the container's first process, if there is one.
    pub(super) fn signal(&self, signal: Signal) -> bool {
        match &self.phase {
            Phase::Running { running, .. } => {
                // It may have ended by itself, which will be noticed next.
                let _ended = pidfd_send_signal(&running.child.pidfd, signal);
                true
            }
            _ => false,
        }
    }

    /// Gives up everything that tells others of this shim, so that another one may follow.
    fn finish(mut self, farewell: Reply) -> io::Result<Finished> {
        self.sources.clear();
        self.spare.take().into_iter().for_each(Spare::end);
        self.leave_network();
        self.container.state.shim = None;
        // One that goes is out of sight in a moment, and until then as true as if this process had been killed.
        let goes = self.container.definition.auto_remove;
        if !goes || matches!(farewell, Reply::Failed { .. }) {
            self.save();
        }
        drop(self.listener);
        // One that goes takes these along, and nobody may start it before.
        let still = Still::of(self.container.place.clone(), self.lock);
        let still = goes.then_some(still);
        self.owner.remove();
        self.starter.cgroups.remove_parents();
        self.starter.phases.end(StartPhase::Over);
        let Supervisor { container, clients, unsaved, remains, starter, .. } = self;
        let phases = starter.phases;
        Ok(Finished { container, clients, farewell, unsaved, remains, phases, still })
    }
}

/// Docker gives those who read as long.
pub(super) fn reading_ends() -> Instant {
    Instant::now() + Duration::from_secs(2)
}

/// The container's first process by its number on the host, which /proc knows and this namespace does not.
fn host_process(running: &Running) -> io::Result<ProcessName> {
    let descriptor = running.child.pidfd.as_raw_fd();
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}"))?;
    let pid = text.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok());
    ProcessName::of(pid.ok_or(io::ErrorKind::InvalidData)?)
}
