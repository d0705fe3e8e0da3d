//! The zygote's own side: one thread that starts containers and waits for them.
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Signal, pidfd_send_signal};

use super::channel::{receive_frame, send_frame};
use super::message::{Event, SpawnRequest, StdioKind, Step, StepError};
use crate::capabilities::CapabilitySet;
use crate::process::ChildStdio;
use crate::process::ahead::Shape;
use crate::spare::{Rules, Spare};
use crate::spec::NetworkMode;
use crate::starter::{Progress, Running, Starter};

/// How many processes are made ahead. The kernel takes as long for two that join their cgroups at once as for one, and a
/// short program has ended before.
const SPARES: usize = 2;

/// The zygote and its containers.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) socket: OwnedFd,
    pub(super) starter: Starter,
    pub(super) containers: Vec<Started>,
    /// All of one shape.
    pub(super) spares: Vec<Spare>,
    /// How many there have been.
    pub(super) made_ahead: u64,
}

/// A container and the request it answers.
#[derive(Debug)]
pub(super) struct Started {
    request: u64,
    running: Running,
}

impl Server {
    /// Until the caller is gone; then ends every container and removes its traces.
    pub(super) fn run(&mut self) -> io::Result<()> {
        let result = self.serve();
        self.end_all();
        self.starter.cgroups.remove_parents();
        result
    }

    fn serve(&mut self) -> io::Result<()> {
        let warnings = self.starter.cgroups.warnings.clone();
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
            while self.containers[position].running.status().is_some() {
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
        let statuses: Vec<_> = self.containers.iter().map(|c| c.running.status()).collect();
        for (position, container) in self.containers.iter().enumerate() {
            watched.push(PollFd::new(&container.running.child.pidfd, PollFlags::IN));
            meaning.push((position, true));
            if let Some(status) = &statuses[position] {
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
        let (number, following, shape) =
            (request.request, request.following, Shape::of(&request.spec));
        match self.spawn(request, &descriptors) {
            Ok(running) => self.containers.push(Started { request: number, running }),
            Err(failure) => {
                send_frame(&self.socket, &Event::Failed { request: number, failure }, &[])?;
            }
        }
        // Ours must be closed, or their readers would not see an end while others are made.
        drop(descriptors);
        self.make_spares(shape, following);
        Ok(true)
    }

    fn spawn(
        &mut self,
        request: SpawnRequest,
        descriptors: &[OwnedFd],
    ) -> Result<Running, StepError> {
        let SpawnRequest { spec, stdio, .. } = request;
        let (descriptors, network) = match (spec.network, descriptors) {
            (NetworkMode::Sandbox, [streams @ .., network]) => (streams, Some(network.as_fd())),
            (_, streams) => (streams, None),
        };
        if self.containers.iter().any(|started| started.running.spec.id == spec.id) {
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
        let shape = Shape::of(&spec);
        if self.spares.first().is_some_and(|spare| Some(spare.shape) == shape)
            && let Some(started) = self.spares.remove(0).start(&self.starter, &spec, stdio, network)
        {
            return started;
        }
        self.starter.spawn(spec, stdio, network)
    }

    /// In time for the next requests. Why it failed is told when these are served without.
    fn make_spares(&mut self, shape: Option<Shape>, wanted: usize) {
        let Some(shape) = shape.filter(|_| wanted > 0) else { return };
        for other in self.spares.extract_if(.., |spare| spare.shape != shape) {
            other.end();
        }
        self.starter.compile_filter(CapabilitySet::docker_default());
        while self.spares.len() < wanted.min(SPARES) {
            self.made_ahead += 1;
            // No container has a name with this sign in it.
            let name = format!("ahead+{}", self.made_ahead);
            let Ok(spare) = self.starter.make_spare(shape, &name, Rules::Now) else { return };
            self.spares.push(spare);
        }
    }

    /// Takes one message of a starting container.
    fn read_status(&mut self, position: usize) -> io::Result<()> {
        let container = &mut self.containers[position];
        match container.running.read_status()? {
            Progress::Going | Progress::Failed => Ok(()),
            Progress::Asks => Err(io::ErrorKind::InvalidData.into()),
            Progress::Started(terminal) => {
                let mut descriptors = vec![container.running.child.pidfd.as_fd()];
                descriptors.extend(terminal.iter().map(AsFd::as_fd));
                let event = Event::Started { request: container.request };
                send_frame(&self.socket, &event, &descriptors)
            }
        }
    }

    /// Cleans up after an ended container, then says so.
    fn finish(&self, ended: Started) -> io::Result<()> {
        let Started { request, running } = ended;
        let event = match running.finish()? {
            Err(failure) => Event::Failed { request, failure },
            Ok(status) => Event::Ended { request, status },
        };
        send_frame(&self.socket, &event, &[])
    }

    fn end_all(&mut self) {
        self.spares.drain(..).for_each(Spare::end);
        for container in &self.containers {
            // It may have ended by itself.
            let _ = pidfd_send_signal(&container.running.child.pidfd, Signal::KILL);
        }
        for container in self.containers.drain(..) {
            // Nobody is there to be told.
            let _ = container.running.finish();
        }
    }
}
