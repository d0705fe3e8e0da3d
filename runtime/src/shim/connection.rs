//! The client's side of the protocol: new shims, and those that are there.
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use sys::clone::Child;

use super::begin::{self, ShimOrder};
use super::place;
use super::protocol::{HIGHEST, Hello, LOWEST, Reply, Request, Welcome};
use crate::containers::{Container, short};
use crate::error::RuntimeError;
use crate::phases::PhaseEnd;
use crate::zygote::channel::{receive_frame, send_frame};

/// A shim that prepares itself for a container that may not exist yet.
#[derive(Debug)]
pub struct NewShim {
    connection: Connection,
    /// Waited for only if nothing comes of it: when a container ends is known otherwise. None where it is another's child.
    child: Option<Child>,
}

/// A shim that is talked to.
#[derive(Debug)]
pub struct Connection {
    id: String,
    socket: OwnedFd,
    phases: ToldPhases,
}

/// What a shim has told of the phases of a start, so far.
pub type ToldPhases = Arc<Mutex<Vec<PhaseEnd>>>;

/// Which of the container's streams to be attached to, and our ends of them.
#[derive(Debug, Default)]
pub struct AttachStreams {
    pub input: Option<PipeWriter>,
    pub output: Option<PipeReader>,
    pub errors: Option<PipeReader>,
}

/// How long a shim may take to answer a greeting: longer than a health check takes to start.
const GREETING: Duration = Duration::from_secs(30);

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub exit_code: i32,
    pub error: String,
    /// It will not be started again by itself.
    pub last: bool,
}

impl NewShim {
    /// To be called from a process with one thread whose program hands [`super::VERB`] to [`super::main`].
    pub fn fork(order: ShimOrder<'_>) -> Result<NewShim, RuntimeError> {
        let (socket, child) = begin::fork(order)?;
        Ok(NewShim { connection: Connection::new(order.id, socket), child: Some(child) })
    }

    /// The shim at the other end of a socket, which another process has forked.
    pub(super) fn behind(socket: OwnedFd, id: &str) -> NewShim {
        NewShim { connection: Connection::new(id, socket), child: None }
    }

    /// Nothing comes of it. What it has made for that is gone when this returns, unless it takes longer than anybody should wait.
    pub fn give_up(self) {
        const PATIENCE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
        let NewShim { connection, child } = self;
        drop(connection);
        if let Some(child) = child {
            let mut ended = [PollFd::new(&child.pidfd, PollFlags::IN)];
            let _later = poll(&mut ended, Some(&PATIENCE));
        }
    }

    /// Attaches before there is any output.
    pub fn attach(
        &self,
        input: bool,
        output: bool,
        errors: bool,
    ) -> Result<AttachStreams, RuntimeError> {
        self.connection.send_attach(input, output, errors).map_err(|error| self.why(error))
    }

    /// What the shim said before it ended, if it did; what it was sent after that is lost.
    fn why(&self, error: RuntimeError) -> RuntimeError {
        let ended = match &error {
            RuntimeError::Shim { source, .. } => {
                matches!(source.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
            }
            error => matches!(error, RuntimeError::ShimEnded { .. }),
        };
        if !ended {
            return error;
        }
        match self.connection.receive() {
            Ok(Some(Reply::Error { message })) => RuntimeError::ShimRefused { message },
            _ => error,
        }
    }

    /// Starts the container, which exists by now. `size` is that of its terminal.
    pub fn begin(self, size: (u16, u16)) -> Result<Connection, RuntimeError> {
        let begin = Request::Begin { rows: size.0, columns: size.1 };
        let sent = self.connection.send(&Request::Wait, &[]);
        let sent = sent.and_then(|()| self.connection.send(&begin, &[]));
        sent.map_err(|error| self.why(error))?;
        let connection = self.connection;
        match connection.receive()? {
            Some(Reply::Done) => Ok(connection),
            Some(Reply::Failed { step, cause, failure }) => {
                Err(RuntimeError::Start { id: connection.id, step, cause, failure })
            }
            Some(Reply::Error { message }) => Err(RuntimeError::ShimRefused { message }),
            _ => Err(RuntimeError::ShimEnded { id: connection.id }),
        }
    }
}

impl Connection {
    fn new(id: &str, socket: OwnedFd) -> Connection {
        Connection { id: short(id).to_owned(), socket, phases: ToldPhases::default() }
    }

    /// Of a shim that was asked for them: those of the start when the container has been started, all others when it has ended.
    pub fn phases(&self) -> ToldPhases {
        Arc::clone(&self.phases)
    }

    /// To the shim of a container that runs.
    pub fn open(container: &Container) -> Result<Connection, RuntimeError> {
        Connection::open_within(container, GREETING)
    }

    /// As [`Connection::open`]; `patience` is for the shim's greeting.
    pub fn open_within(
        container: &Container,
        patience: Duration,
    ) -> Result<Connection, RuntimeError> {
        let id = container.short_id().to_owned();
        if !container.state.status.is_alive() {
            return Err(RuntimeError::NotRunning { id });
        }
        let failed = |act| {
            let id = id.clone();
            move |source| RuntimeError::Shim { act, id, source }
        };
        let socket = place::connect_socket(&container.place).map_err(failed("reach"))?;
        // A shim that does not answer is to be told of, not waited for.
        let limit = |time| set_socket_timeout(&socket, Timeout::Recv, time).map_err(Into::into);
        limit(Some(patience)).map_err(failed("reach"))?;
        let hello = Hello { lowest: LOWEST, highest: HIGHEST };
        send_frame(&socket, &hello, &[]).map_err(failed("greet"))?;
        match receive_frame::<Welcome>(&socket).map_err(failed("greet"))? {
            Some((Welcome { version: Some(_), .. }, _)) => {
                limit(None).map_err(failed("reach"))?;
                Ok(Connection::new(&id, socket))
            }
            Some((Welcome { lowest, highest, .. }, _)) => {
                Err(RuntimeError::ShimVersion { id, lowest, highest })
            }
            None => Err(RuntimeError::ShimEnded { id }),
        }
    }

    fn send(&self, request: &Request, descriptors: &[BorrowedFd<'_>]) -> Result<(), RuntimeError> {
        let sent = send_frame(&self.socket, request, descriptors);
        sent.map_err(|_| RuntimeError::ShimEnded { id: self.id.clone() })
    }

    /// The next reply; none when the shim has ended.
    fn receive(&self) -> Result<Option<Reply>, RuntimeError> {
        loop {
            match receive_frame::<Reply>(&self.socket) {
                Ok(Some((Reply::Phases { ended }, _))) => {
                    *self.phases.lock().unwrap_or_else(PoisonError::into_inner) = ended;
                }
                Ok(reply) => return Ok(reply.map(|(reply, _)| reply)),
                // It ended without having read what it was sent last.
                Err(source) if source.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(source) => {
                    return Err(RuntimeError::Shim { act: "hear", id: self.id.clone(), source });
                }
            }
        }
    }

    /// Sends a request and takes its reply.
    fn ask(&self, request: &Request) -> Result<(), RuntimeError> {
        self.send(request, &[])?;
        self.take_reply()
    }

    fn take_reply(&self) -> Result<(), RuntimeError> {
        loop {
            match self.receive()? {
                Some(Reply::Done) => return Ok(()),
                Some(Reply::Error { message }) => {
                    return Err(RuntimeError::ShimRefused { message });
                }
                // Of an earlier request to wait; the shim is about to end.
                Some(Reply::Ended { last: false, .. }) => {}
                _ => return Err(RuntimeError::ShimEnded { id: self.id.clone() }),
            }
        }
    }

    fn send_attach(
        &self,
        input: bool,
        output: bool,
        errors: bool,
    ) -> Result<AttachStreams, RuntimeError> {
        let failed = |source| RuntimeError::Shim { act: "attach to", id: self.id.clone(), source };
        let mut streams = AttachStreams::default();
        let mut theirs: Vec<OwnedFd> = Vec::new();
        if input {
            let (reader, writer) = io::pipe().map_err(failed)?;
            theirs.push(reader.into());
            streams.input = Some(writer);
        }
        for (wanted, ours) in [(output, &mut streams.output), (errors, &mut streams.errors)] {
            if wanted {
                let (reader, writer) = io::pipe().map_err(failed)?;
                theirs.push(writer.into());
                *ours = Some(reader);
            }
        }
        let descriptors: Vec<BorrowedFd<'_>> = theirs.iter().map(AsFd::as_fd).collect();
        self.send(&Request::Attach { input, output, errors }, &descriptors)?;
        Ok(streams)
    }

    /// Attaches to a container that runs, and asks to be told of its end.
    pub fn attach(
        &self,
        input: bool,
        output: bool,
        errors: bool,
    ) -> Result<AttachStreams, RuntimeError> {
        self.ask(&Request::Wait)?;
        let streams = self.send_attach(input, output, errors)?;
        self.take_reply()?;
        Ok(streams)
    }

    /// Asks to be told of the container's end by [`Connection::ended`].
    pub fn watch(&self) -> Result<(), RuntimeError> {
        self.ask(&Request::Wait)
    }

    /// Waits for the container's next end, after [`Connection::watch`] or [`Connection::attach`].
    pub fn ended(&self) -> Result<Ended, RuntimeError> {
        loop {
            match self.receive()? {
                Some(Reply::Ended { exit_code, error, last }) => {
                    return Ok(Ended { exit_code, error, last });
                }
                Some(_) => {}
                None => return Err(RuntimeError::ShimEnded { id: self.id.clone() }),
            }
        }
    }

    /// Whether the shim says something, or goes, within this time.
    pub fn says_something_within(&self, time: Duration) -> bool {
        let mut socket = [PollFd::new(&self.socket, PollFlags::IN)];
        let timeout = time.try_into().ok();
        poll(&mut socket, timeout.as_ref()).is_ok_and(|count| count > 0)
    }

    /// Waits until the shim has gone.
    pub fn gone(&self) {
        while let Ok(Some(_)) = self.receive() {}
    }

    /// Sends a signal to the first process, without waiting for the reply: for use beside [`Connection::ended`].
    pub fn forward(&self, signal: i32) -> Result<(), RuntimeError> {
        self.send(&Request::Signal { signal }, &[])
    }

    /// As [`Connection::forward`]: the terminal's new size.
    pub fn resize(&self, rows: u16, columns: u16) -> Result<(), RuntimeError> {
        self.send(&Request::Resize { rows, columns }, &[])
    }

    /// As [`Connection::forward`]: nobody sees what the container writes any more.
    pub fn close_output(&self) -> Result<(), RuntimeError> {
        self.send(&Request::CloseOutput, &[])
    }

    /// Ends the conversation, from another thread: who waits in it goes on.
    pub fn hang_up(&self) {
        let _gone = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
    }

    /// Sends a signal to the first process.
    pub fn kill(&self, signal: i32) -> Result<(), RuntimeError> {
        self.ask(&Request::Signal { signal })
    }

    /// Lets all its processes stand still, and returns when they do.
    pub fn pause(&self) -> Result<(), RuntimeError> {
        self.ask(&Request::Pause)
    }

    pub fn unpause(&self) -> Result<(), RuntimeError> {
        self.ask(&Request::Unpause)
    }

    /// Its definition has other limits or another restart policy now.
    pub fn reload(&self) -> Result<(), RuntimeError> {
        self.ask(&Request::Reload)
    }

    /// As [`Connection::reload`]; a shim that says nothing within this time is not waited for any longer.
    pub fn reload_within(&self, time: Duration) -> Result<(), RuntimeError> {
        self.send(&Request::Reload, &[])?;
        match self.says_something_within(time) {
            true => self.take_reply(),
            false => Ok(()),
        }
    }

    /// Ends the container and returns when it has ended; see [`Request::Stop`].
    pub fn stop(&self, signal: Option<i32>, timeout: Option<i64>) -> Result<(), RuntimeError> {
        match self.ask(&Request::Stop { signal, timeout }) {
            // It ended by itself in this moment.
            Err(RuntimeError::ShimEnded { .. }) => Ok(()),
            other => other,
        }
    }

    /// The socket: readable when the shim has something to say or has gone.
    pub fn try_clone_socket(&self) -> io::Result<File> {
        Ok(self.socket.try_clone()?.into())
    }
}
