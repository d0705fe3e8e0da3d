//! Netlink: the kernel's interface for links, addresses, routes and nf_tables, spoken synchronously.
//!
//! | file          | what                                                    |
//! |---------------|---------------------------------------------------------|
//! | `message.rs`  | messages with nested attributes, written and read         |
//! | `link.rs`     | interfaces, addresses, routes                             |
//! | `filter.rs`   | programs that look at what comes in                       |
//! | `conntrack.rs`| connections that the kernel tracks                        |
//!
//! `network/firewall` writes the messages of nf_tables. Why this is ours: ARCHITECTURE.md, "Dependencies".
pub(super) mod conntrack;
pub(super) mod filter;
pub(super) mod link;
pub(super) mod message;

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_send_buffer_size_force, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

use message::{Message, Received};

/// The kernel answers at once; one that does not is not to hold up a container for ever.
const PATIENCE: Duration = Duration::from_secs(10);
/// Where a transaction is larger than the socket's usual buffer.
const SEND_BUFFER: usize = 8 << 20;
const RECEIVE: usize = 64 << 10;

const ERROR: u16 = libc::NLMSG_ERROR as u16;
const DONE: u16 = libc::NLMSG_DONE as u16;

/// A socket to the kernel, of the network namespace in which it was opened.
#[derive(Debug)]
pub(super) struct Socket {
    descriptor: OwnedFd,
    sequence: u32,
}

/// A request that the kernel refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Which message of the batch.
    pub(super) position: usize,
    pub(super) errno: i32,
    /// The kernel's own words, where it has some.
    pub(super) reason: String,
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Socket {
    /// For links, addresses and routes.
    pub(super) fn route() -> io::Result<Socket> {
        Socket::open(None)
    }

    /// For nf_tables and tracked connections.
    pub(super) fn netfilter() -> io::Result<Socket> {
        let socket = Socket::open(Some(netlink::NETFILTER))?;
        // Not allowed, the usual size has to do.
        let _smaller = set_socket_send_buffer_size_force(&socket.descriptor, SEND_BUFFER);
        Ok(socket)
    }

    fn open(protocol: Option<rustix::net::Protocol>) -> io::Result<Socket> {
        let flags = SocketFlags::CLOEXEC;
        let descriptor = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
        set_socket_timeout(&descriptor, Timeout::Recv, Some(PATIENCE))?;
        // Older kernels only tell numbers.
        let _numbers_only = sys::netlink::ask_for_reasons(&descriptor);
        Ok(Socket { descriptor, sequence: 0 })
    }

    /// Sends one request and waits until it has been done.
    pub(super) fn request(&mut self, message: Message) -> Result<(), Refusal> {
        self.transact(vec![message])
    }

    /// Sends requests together; each is done or refused by itself unless they are a transaction of nf_tables. What was
    /// refused first is told.
    pub(super) fn transact(&mut self, messages: Vec<Message>) -> Result<(), Refusal> {
        match self.exchange(messages) {
            Ok(None) => Ok(()),
            Ok(Some(refusal)) => Err(refusal),
            Err(error) => Err(Refusal {
                position: 0,
                errno: error.raw_os_error().unwrap_or(libc::EIO),
                reason: String::new(),
            }),
        }
    }

    fn exchange(&mut self, messages: Vec<Message>) -> io::Result<Option<Refusal>> {
        let first = self.sequence + 1;
        let mut last_answered = first;
        let mut bytes = Vec::new();
        for message in messages {
            self.sequence += 1;
            if message.is_answered() {
                last_answered = self.sequence;
            }
            bytes.extend(message.finish(self.sequence));
        }
        send(&self.descriptor, &bytes, SendFlags::empty())?;
        let mut refused = None;
        loop {
            for reply in self.receive()? {
                if reply.kind != ERROR || reply.sequence < first {
                    continue;
                }
                let (errno, reason) = reply.error();
                if errno != 0 && refused.is_none() {
                    let position = (reply.sequence - first) as usize;
                    refused = Some(Refusal { position, errno, reason });
                }
                // A transaction that is refused as a whole is so by its first message.
                let whole = errno != 0 && reply.sequence == first;
                if whole || reply.sequence >= last_answered {
                    return Ok(refused);
                }
            }
        }
    }

    /// Sends a request for a list, and collects it.
    pub(super) fn dump(&mut self, message: Message) -> io::Result<Vec<Received>> {
        self.sequence += 1;
        let bytes = message.flags(libc::NLM_F_DUMP).finish(self.sequence);
        send(&self.descriptor, &bytes, SendFlags::empty())?;
        let mut all = Vec::new();
        loop {
            for reply in self.receive()? {
                if reply.sequence != self.sequence {
                    continue;
                }
                match reply.kind {
                    DONE => return Ok(all),
                    ERROR => match reply.error() {
                        (0, _) => return Ok(all),
                        (errno, _) => return Err(io::Error::from_raw_os_error(errno)),
                    },
                    _ => all.push(reply),
                }
            }
        }
    }

    /// Sends a request for one thing; none if there is no such thing.
    pub(super) fn get(&mut self, message: Message) -> io::Result<Option<Received>> {
        self.sequence += 1;
        let bytes = message.finish(self.sequence);
        send(&self.descriptor, &bytes, SendFlags::empty())?;
        let mut found = None;
        loop {
            for reply in self.receive()? {
                if reply.sequence != self.sequence {
                    continue;
                }
                if reply.kind != ERROR {
                    found = Some(reply);
                    continue;
                }
                return match reply.error() {
                    (0, _) => Ok(found),
                    (libc::ENODEV | libc::ENOENT, _) => Ok(None),
                    (errno, _) => Err(io::Error::from_raw_os_error(errno)),
                };
            }
        }
    }

    fn receive(&mut self) -> io::Result<Vec<Received>> {
        let mut buffer = vec![0; RECEIVE];
        let length = loop {
            match recv(&self.descriptor, &mut buffer[..], RecvFlags::TRUNC) {
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Err(io::ErrorKind::TimedOut.into()),
                other => break other?.1,
            }
        };
        if length > buffer.len() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the kernel's answer is too long",
            ));
        }
        Ok(message::read_all(&buffer[..length]))
    }
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", nix::errno::Errno::from_raw(self.errno).desc())?;
        match self.reason.as_str() {
            "" => Ok(()),
            reason => write!(f, " ({reason})"),
        }
    }
}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> io::Error {
        match refusal.reason.is_empty() {
            true => io::Error::from_raw_os_error(refusal.errno),
            false => {
                let kind = io::Error::from_raw_os_error(refusal.errno).kind();
                io::Error::new(kind, refusal)
            }
        }
    }
}
