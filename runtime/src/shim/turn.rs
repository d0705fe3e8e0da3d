//! Waiting for what happens, and doing what follows from it.
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use rustix::termios::{Winsize, tcsetwinsize};

use super::client::{Client, Message};
use super::probe::{self, Probe};
use super::protocol::{Reply, Request};
use super::streams::{Attached, Got, record};
use super::supervisor::{Phase, Supervisor, reading_ends};
use crate::cgroup::Leaf;
use crate::containers::{HealthRun, Status};
use crate::events::Event;
use crate::exec::Room;
use crate::network::{Beside, Sandbox};
use crate::phases::Phase as StartPhase;
use crate::zygote::message::{Step, StepError};

/// How long nothing has to happen for a shim to settle.
const SETTLING: Duration = Duration::from_secs(1);

/// What a descriptor of the poll set is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Listener,
    Client(usize),
    /// A client's standard input.
    Input(usize),
    /// A client's output takes more.
    Output(usize),
    Source(usize),
    /// The container's standard input takes more.
    ContainerInput,
    ContainerEnd,
    ProbeOutput,
    ProbeEnd,
    Network(Beside),
}

impl Supervisor {
    /// Waits for the next thing and handles it.
    pub(super) fn turn(&mut self) -> io::Result<()> {
        let happened = self.wait()?;
        self.settle(happened.is_empty());
        for what in happened {
            self.handle(what)?;
        }
        self.clients.retain(|client| !client.gone);
        self.look_at_the_time();
        self.drain();
        Ok(())
    }

    /// A shim mostly waits, and there are many: the code that starts containers need not stay in its memory.
    fn settle(&mut self, idle: bool) {
        if idle && !self.settled {
            // Whatever is not let go does no harm.
            let _kept = sys::memory::forget_files();
        }
        self.settled = idle;
    }

    fn wait(&self) -> io::Result<Vec<What>> {
        let watched = self.watched();
        let mut set: Vec<PollFd<'_>> =
            watched.iter().map(|(fd, flags, _)| PollFd::from_borrowed_fd(*fd, *flags)).collect();
        let timeout = self.next_deadline().map(|at| at.saturating_duration_since(Instant::now()));
        let timeout = timeout.and_then(|pause| Timespec::try_from(pause).ok());
        match poll(&mut set, timeout.as_ref()) {
            Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
            other => other?,
        };
        let happened = set.iter().zip(&watched).filter(|(fd, _)| !fd.revents().is_empty());
        Ok(happened.map(|(_, (_, _, what))| *what).collect())
    }

    fn watched(&self) -> Vec<(BorrowedFd<'_>, PollFlags, What)> {
        let mut all = vec![(self.listener.as_fd(), PollFlags::IN, What::Listener)];
        let input_full = self.input.as_ref().is_some_and(|input| input.is_full());
        for (at, client) in self.clients.iter().enumerate() {
            all.push((client.fd(), PollFlags::IN, What::Client(at)));
            if let Some(input) = client.attached.input.as_ref().filter(|_| !input_full) {
                all.push((input.as_fd(), PollFlags::IN, What::Input(at)));
            }
            for sink in [&client.attached.output, &client.attached.errors].into_iter().flatten() {
                // A reader that goes away is noticed even if there is nothing to write.
                let flags = if sink.is_full() { PollFlags::OUT } else { PollFlags::empty() };
                all.push((sink.fd(), flags, What::Output(at)));
            }
        }
        if !self.clients.iter().any(|client| client.attached.is_full()) {
            for (at, source) in self.sources.iter().enumerate() {
                all.push((source.file.as_fd(), PollFlags::IN, What::Source(at)));
            }
        }
        if let Some(input) = self.input.as_ref().filter(|input| input.is_full()) {
            all.push((input.fd(), PollFlags::OUT, What::ContainerInput));
        }
        if let Phase::Running { running, .. } = &self.phase {
            all.push((running.child.pidfd.as_fd(), PollFlags::IN, What::ContainerEnd));
        }
        if let Some(probe) = &self.probe {
            all.push((probe.pidfd().as_fd(), PollFlags::IN, What::ProbeEnd));
            if let Some(output) = &probe.output {
                all.push((output.file.as_fd(), PollFlags::IN, What::ProbeOutput));
            }
        }
        let network = self.sandbox.iter().flat_map(Sandbox::watched);
        all.extend(network.map(|(fd, what)| (fd, PollFlags::IN, What::Network(what))));
        all
    }

    fn next_deadline(&self) -> Option<Instant> {
        let again = match &self.phase {
            Phase::Waiting { until } => Some(*until),
            Phase::Draining { until, .. } => *until,
            _ => None,
        };
        let probe = match (&self.probe, &self.monitor) {
            (Some(probe), _) => Some(probe.deadline),
            (None, Some(monitor)) if !self.is_paused() => Some(monitor.next),
            (None, _) => None,
        };
        let settling = (!self.settled).then(|| Instant::now() + SETTLING);
        let network = self.sandbox.as_ref().and_then(Sandbox::deadline);
        [again, probe, self.patience, settling, network].into_iter().flatten().min()
    }

    fn handle(&mut self, what: What) -> io::Result<()> {
        match what {
            What::Listener => self.accept(),
            What::Client(at) => self.serve(at),
            What::Input(at) => self.pass_input(at),
            What::Output(at) => self.flush(at),
            What::Source(at) => self.pass_output(at),
            What::ContainerInput => self.flush_input(),
            What::ContainerEnd => return self.container_ended(),
            What::ProbeOutput => {
                // What is left makes the next turn.
                let _more = self.probe.as_mut().is_some_and(Probe::read);
            }
            What::ProbeEnd => self.probe_ended(),
            What::Network(what) => {
                self.sandbox.iter_mut().for_each(|sandbox| sandbox.follow(what));
            }
        }
        Ok(())
    }

    fn accept(&mut self) {
        // One that is gone again, or may not ask, is none.
        if let Ok(Some(client)) = Client::accept(&self.listener) {
            self.clients.push(client);
        }
    }

    fn serve(&mut self, at: usize) {
        match self.clients[at].receive() {
            Message::Gone => self.clients[at].gone = true,
            Message::Nothing => {}
            Message::Request(Request::Attach { input, output, errors }, descriptors) => {
                match self.clients[at].attach((input, output, errors), descriptors) {
                    Ok(()) => self.clients[at].reply(&Reply::Done),
                    Err(error) => self.clients[at].error(format!("cannot attach: {error}")),
                }
            }
            Message::Request(request, _) => match self.fulfil(at, &request) {
                Ok(true) => self.clients[at].reply(&Reply::Done),
                Ok(false) => {}
                Err(message) => self.clients[at].error(message),
            },
        }
    }

    /// False when the reply comes later.
    fn fulfil(&mut self, at: usize, request: &Request) -> Result<bool, String> {
        match request {
            Request::Begin { .. } => return Err("the container has been started".to_owned()),
            Request::Attach { .. } => return Err("it takes descriptors to attach".to_owned()),
            Request::Resize { rows, columns } => self.resize(*rows, *columns)?,
            Request::Signal { signal } => self.forward(*signal)?,
            Request::Stop { signal, timeout } => {
                self.stop(*signal, *timeout)?;
                self.clients[at].stops = true;
                return Ok(false);
            }
            Request::Pause => self.pause()?,
            Request::Unpause => self.unpause()?,
            Request::Reload => self.reload()?,
            Request::CloseOutput => self.close_output(),
            Request::Wait => self.clients[at].waits = true,
        }
        Ok(true)
    }

    fn resize(&mut self, rows: u16, columns: u16) -> Result<(), String> {
        self.size = (rows, columns);
        let Some(terminal) = &self.terminal else { return Ok(()) };
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(terminal, size).map_err(|error| format!("cannot size the terminal: {error}"))
    }

    fn forward(&mut self, number: i32) -> Result<(), String> {
        let signal =
            sys::signal::by_number(number).ok_or_else(|| format!("there is no signal {number}"))?;
        let ends = signal == Signal::KILL || number == self.container.definition.stop_signal;
        if ends && !self.container.state.stopped_by_hand {
            self.container.state.stopped_by_hand = true;
            self.save();
        }
        if self.signal(signal) {
            self.killed(number);
            if ends {
                // What stands still does not hear it.
                self.unpause_to_end();
            }
            return Ok(());
        }
        if ends && self.cancel_restart() {
            return Ok(());
        }
        Err("the container is not running".to_owned())
    }

    fn stop(&mut self, signal: Option<i32>, timeout: Option<i64>) -> Result<(), String> {
        let definition = &self.container.definition;
        let number = signal.unwrap_or(definition.stop_signal);
        let signal =
            sys::signal::by_number(number).ok_or_else(|| format!("there is no signal {number}"))?;
        let own = definition.stop_timeout.map(u64::from);
        let seconds = timeout.map_or(own, |seconds| u64::try_from(seconds).ok());
        self.container.state.stopped_by_hand = true;
        self.save();
        if self.signal(signal) {
            self.killed(number);
            self.unpause_to_end();
            // A time beyond all clocks is no limit.
            self.patience = seconds
                .and_then(|seconds| Instant::now().checked_add(Duration::from_secs(seconds)));
        } else {
            self.cancel_restart();
        }
        Ok(())
    }

    fn killed(&self, signal: i32) {
        let event = Event::of_container(&self.container.definition, "kill");
        event.with("signal", signal).note(self.containers.state_directory());
    }

    /// What was to be started again stays as it is.
    fn cancel_restart(&mut self) -> bool {
        match &mut self.phase {
            Phase::Waiting { .. } => {
                self.container.state.status = Status::Exited;
                self.save();
                self.phase = Phase::Over;
                true
            }
            Phase::Draining { again, until } => {
                *again = None;
                until.get_or_insert_with(reading_ends);
                self.container.state.status = Status::Exited;
                self.save();
                true
            }
            _ => false,
        }
    }

    /// Pipes close, so that who writes to them notices; a terminal stays open whatever happens, and a program that
    /// nobody can see any more would wait for ever.
    fn close_output(&mut self) {
        if self.terminal.is_some() {
            self.signal(Signal::KILL);
            self.unpause_to_end();
        } else {
            self.sources.clear();
        }
    }

    fn pass_input(&mut self, at: usize) {
        let mut buffer = [0; 4096];
        let attached = &mut self.clients[at].attached;
        let Some(file) = &mut attached.input else { return };
        let ended = match io::Read::read(file, &mut buffer) {
            Ok(0) => true,
            Ok(count) => match &mut self.input {
                Some(input) => !input.put(&buffer[..count]),
                // Nobody reads it. The client is to notice.
                None => true,
            },
            Err(error) => {
                !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
            }
        };
        if ended {
            attached.input = None;
            let once = self.container.definition.stdin_once && self.terminal.is_none();
            // What is still to be written goes first.
            if once && self.input.as_ref().is_some_and(|input| !input.is_full()) {
                self.input = None;
            }
        }
    }

    fn flush_input(&mut self) {
        let Some(input) = &mut self.input else { return };
        let readable = input.flush();
        let nobody_writes = self.clients.iter().all(|client| client.attached.input.is_none());
        let once = self.container.definition.stdin_once && self.terminal.is_none();
        if !readable || (once && nobody_writes && !input.is_full()) {
            self.input = None;
        }
    }

    fn flush(&mut self, at: usize) {
        let attached = &mut self.clients[at].attached;
        for sink in [&mut attached.output, &mut attached.errors] {
            if sink.as_mut().is_some_and(|sink| !sink.flush() || sink.is_broken()) {
                *sink = None;
            }
        }
    }

    fn pass_output(&mut self, at: usize) {
        // An earlier event of the same turn may have closed it.
        let Some(source) = self.sources.get_mut(at) else { return };
        let stream = source.stream;
        match source.read() {
            Got::Nothing => {}
            Got::End => self.sources[at].ended = true,
            Got::Output(bytes) => {
                record(&mut self.log, stream, &bytes);
                for client in &mut self.clients {
                    let sink = client.attached.sink(stream);
                    if sink.as_mut().is_some_and(|sink| !sink.put(&bytes)) {
                        *sink = None;
                    }
                }
            }
        }
    }

    fn container_ended(&mut self) -> io::Result<()> {
        let Phase::Running { running, began } = std::mem::replace(&mut self.phase, Phase::Over)
        else {
            return Ok(());
        };
        self.input = None;
        self.starter.phases.end(StartPhase::Ended);
        let finished = running.finish()?;
        self.starter.phases.end(StartPhase::Gone);
        match finished {
            Ok(status) => self.note_end(status, began),
            Err(failure) => self.note_failure(&failure),
        }
        Ok(())
    }

    /// After the end: passes on what was written before it, then tells those who wait.
    fn drain(&mut self) {
        self.sources.retain(|source| !source.ended);
        let Phase::Draining { again, until } = self.phase else { return };
        if until.is_some_and(|until| until <= Instant::now()) {
            for client in self.clients.iter_mut().filter(|client| client.attached.is_full()) {
                client.attached = Attached::default();
            }
        }
        while !self.clients.iter().any(|client| client.attached.is_full()) {
            if self.sources.is_empty() {
                return self.drained(again);
            }
            let before = self.sources.len();
            for at in 0..before {
                if !self.sources[at].has_more() {
                    self.sources[at].ended = true;
                } else {
                    self.pass_output(at);
                }
            }
            self.sources.retain(|source| !source.ended);
        }
    }

    fn drained(&mut self, again: Option<Duration>) {
        if let Some(log) = &mut self.log {
            for stream in [super::log::Stream::Stdout, super::log::Stream::Stderr] {
                let _lost = log.finish(stream);
            }
        }
        self.terminal = None;
        let Some(pause) = again else {
            self.phase = Phase::Over;
            return;
        };
        self.phase = Phase::Waiting { until: Instant::now() + pause };
        let state = &self.container.state;
        let ended =
            Reply::Ended { exit_code: state.exit_code, error: state.error.clone(), last: false };
        self.clients.iter().filter(|client| client.waits).for_each(|client| client.reply(&ended));
    }

    fn look_at_the_time(&mut self) {
        let now = Instant::now();
        if self.patience.is_some_and(|at| at <= now) {
            self.patience = None;
            self.signal(Signal::KILL);
        }
        if matches!(&self.phase, Phase::Waiting { until } if *until <= now) {
            self.container.state.restarts += 1;
            if let Err(failure) = self.start() {
                self.note_failure(&failure);
                self.phase = Phase::Over;
            }
        }
        if self.probe.as_ref().is_some_and(|probe| probe.deadline <= now) {
            self.probe_took_too_long();
        }
        self.sandbox.iter_mut().for_each(Sandbox::mend);
        let due = self.monitor.as_ref().is_some_and(|monitor| monitor.next <= now);
        if due && self.probe.is_none() && !self.is_paused() {
            self.start_probe();
        }
    }

    fn start_probe(&mut self) {
        let (Phase::Running { .. }, Some(monitor)) = (&self.phase, &self.monitor) else { return };
        let started = self
            .room()
            .and_then(|room| Probe::start(&room, &self.spec, monitor, &self.starter.launcher));
        match started {
            Ok(probe) => self.probe = Some(probe),
            Err(error) => self.note_health(probe::impossible(&error), Instant::now()),
        }
    }

    pub(super) fn room(&self) -> Result<Room, StepError> {
        let Phase::Running { running, .. } = &self.phase else {
            return Err("it has ended").step("find the container");
        };
        let first = running.child.pidfd.try_clone().step("find the container")?;
        let group = &self.container.state.group;
        let leaf =
            Leaf::existing(&self.starter.cgroups, group, &self.spec).step("find its cgroup")?;
        Ok(Room { first, leaf, cgroups: self.starter.cgroups.clone(), preserved: 0 })
    }

    fn probe_ended(&mut self) {
        if let Some(probe) = self.probe.take() {
            let begun = probe.begun;
            self.note_health(probe.result(), begun);
        }
    }

    fn probe_took_too_long(&mut self) {
        let (Some(probe), Some(monitor)) = (self.probe.take(), &self.monitor) else { return };
        let limit = Duration::from_nanos(monitor.check.timeout);
        let why = format!("Health check exceeded timeout ({limit:?})");
        let begun = probe.begun;
        self.note_health(probe.abandon(why), begun);
    }

    fn note_health(&mut self, run: HealthRun, begun: Instant) {
        let Some(monitor) = &mut self.monitor else { return };
        let before = monitor.health.status;
        monitor.note(run, begun, Instant::now());
        let now = monitor.health.status;
        self.container.state.health = Some(monitor.health.clone());
        self.save();
        if now != before {
            self.event(&format!("health_status: {}", now.word()));
        }
    }
}
