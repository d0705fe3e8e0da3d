//! A client as the shim sees it: its socket, and what it waits for.
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{SocketFlags, accept_with};
use serde_json::Value;

use super::protocol::{Hello, Reply, Request, Welcome};
use super::streams::{Attached, Sink};
use crate::zygote::channel::{receive_frame, send_frame};

/// A client that is slower than this with a message it has begun is no client of ours.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Client {
    socket: OwnedFd,
    greeted: bool,
    /// Wants to know when the container ends.
    pub(super) waits: bool,
    /// Gets its reply when the container has ended for good.
    pub(super) stops: bool,
    pub(super) attached: Attached,
    pub(super) gone: bool,
    /// Has made this shim, and wants to know what takes how long.
    pub(super) traces: bool,
}

/// What a client wants.
#[derive(Debug)]
pub(super) enum Message {
    Request(Request, Vec<OwnedFd>),
    /// It was no request; it has been answered.
    Nothing,
    /// It is gone, or not to be talked to.
    Gone,
}

impl Client {
    /// The one that made this shim: it need not ask what it speaks.
    pub(super) fn maker(socket: OwnedFd, traces: bool) -> Client {
        Client {
            socket,
            greeted: true,
            waits: false,
            stops: false,
            attached: Attached::default(),
            gone: false,
            traces,
        }
    }

    /// None if it may not ask.
    pub(super) fn accept(listener: impl AsFd) -> io::Result<Option<Client>> {
        let socket = accept_with(listener, SocketFlags::CLOEXEC)?;
        // Its PID is not to be known here, in a PID namespace below its own.
        let peer = getsockopt(&socket, PeerCredentials)?.uid();
        if peer != 0 && peer != rustix::process::geteuid().as_raw() {
            return Ok(None);
        }
        set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
        set_socket_timeout(&socket, Timeout::Send, Some(PATIENCE))?;
        Ok(Some(Client { greeted: false, ..Client::maker(socket, false) }))
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// The next message, which has begun to come.
    pub(super) fn receive(&mut self) -> Message {
        let Ok(Some((value, descriptors))) = receive_frame::<Value>(&self.socket) else {
            return Message::Gone;
        };
        if !self.greeted {
            return self.greet(value);
        }
        let name = value.get("request").and_then(Value::as_str).unwrap_or_default().to_owned();
        match serde_json::from_value(value) {
            Ok(request) => Message::Request(request, descriptors),
            Err(error) => {
                self.error(format!("this shim does not know the request `{name}`: {error}"));
                Message::Nothing
            }
        }
    }

    fn greet(&mut self, value: Value) -> Message {
        let Ok(hello) = serde_json::from_value::<Hello>(value) else { return Message::Gone };
        let welcome = Welcome::to(hello);
        self.greeted = welcome.version.is_some();
        match send_frame(&self.socket, &welcome, &[]) {
            Ok(()) if self.greeted => Message::Nothing,
            _ => Message::Gone,
        }
    }

    /// One that is gone is noticed when it is listened to.
    pub(super) fn reply(&self, reply: &Reply) {
        let _gone = send_frame(&self.socket, reply, &[]);
    }

    pub(super) fn error(&self, message: String) {
        self.reply(&Reply::Error { message });
    }

    pub(super) fn attach(
        &mut self,
        (input, output, errors): (bool, bool, bool),
        descriptors: Vec<OwnedFd>,
    ) -> io::Result<()> {
        let mut descriptors = descriptors.into_iter();
        let mut take = |wanted: bool| match wanted.then(|| descriptors.next()) {
            None => Ok(None),
            Some(Some(descriptor)) => Ok(Some(File::from(descriptor))),
            Some(None) => Err(io::Error::from(io::ErrorKind::InvalidInput)),
        };
        let (input, output, errors) = (take(input)?, take(output)?, take(errors)?);
        if let Some(input) = &input {
            rustix::io::ioctl_fionbio(input, true)?;
        }
        self.attached.input = input;
        self.attached.output = output.map(Sink::new).transpose()?;
        self.attached.errors = errors.map(Sink::new).transpose()?;
        Ok(())
    }
}
