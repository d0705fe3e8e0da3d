//! The process beside a container on networks: its name server, and what copies where NAT cannot redirect.
//!
//! A child of the shim's, which dies with it. It may have threads, as the shim may not; it stays in the host's network
//! namespace, where the host's name servers can be asked, and has sockets of the container's.
//!
//! | file         | what                                                |
//! |--------------|-----------------------------------------------------|
//! | `zone.rs`    | names of the containers                              |
//! | `wire.rs`    | DNS messages                                         |
//! | `dns.rs`     | questions by UDP; `dns_tcp.rs` by TCP                |
//! | `cache.rs`   | what others have answered                            |
//! | `relay.rs`   | published ports                                      |
mod cache;
mod dns;
mod dns_tcp;
mod relay;
mod wire;
pub(super) mod zone;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::thread;

use sys::clone::{Child, close_all_except, spawn_child};

use super::directory::{Networks, Result};
use super::error::Act;
use super::firewall::resolver;
use super::namespace::within;
use super::netlink::Socket;
use super::port::Protocol;
use super::ports::HeldPort;
use dns::Upstream;
use zone::{Known, Zone};

/// The networks whose names are known, and the servers that are asked else.
pub(super) type Answers = (Vec<Known>, Vec<IpAddr>);

/// What a container's server is to do.
#[derive(Debug)]
pub(super) struct Task<'a> {
    pub(super) networks: &'a Networks,
    /// Where questions come, whose names are answered and who is asked else; none is no name server.
    pub(super) names: Option<(&'a Inside, Answers)>,
    pub(super) held: &'a [HeldPort],
    /// The container, as published ports reach it.
    pub(super) address: Option<Ipv4Addr>,
}

/// The sockets in the container's namespace.
#[derive(Debug)]
pub(super) struct Inside {
    udp: UdpSocket,
    tcp: TcpListener,
}

/// Starts it, unless there is nothing to do. To be called from a process with one thread.
pub(super) fn start(task: &Task<'_>) -> Result<Option<Child>> {
    let step = "start the container's name server";
    let nothing = task.names.is_none() && (task.held.is_empty() || task.address.is_none());
    if nothing {
        return Ok(None);
    }
    let child = spawn_child(0, None, || match run(task) {
        Ok(()) => 0,
        // Nobody is there to be told.
        Err(_) => 1,
    });
    child.map(Some).map_err(io::Error::from).act(step)
}

/// On ports of the kernel's choice, to which port 53 leads.
pub(super) fn open_inside(namespace: &OwnedFd) -> Result<Inside> {
    let step = "make the container's name server";
    let (inside, mut netfilter) = within(namespace, || {
        let udp = UdpSocket::bind((resolver::ADDRESS, 0))?;
        let tcp = TcpListener::bind((resolver::ADDRESS, 0))?;
        udp.set_nonblocking(true)?;
        Ok((Inside { udp, tcp }, Socket::netfilter()?))
    })
    .act(step)?;
    let port = |address: io::Result<SocketAddr>| address.map(|address| address.port()).act(step);
    let (udp, tcp) = (port(inside.udp.local_addr())?, port(inside.tcp.local_addr())?);
    resolver::lead(&mut netfilter, udp, tcp)?;
    Ok(inside)
}

fn run(task: &Task<'_>) -> io::Result<()> {
    let mut kept: Vec<_> =
        task.held.iter().flat_map(|port| &port.sockets).map(AsFd::as_fd).collect();
    kept.extend(task.names.iter().flat_map(|(inside, _)| [inside.udp.as_fd(), inside.tcp.as_fd()]));
    // Locks and pipes of the shim's are to end with the shim.
    close_all_except(&kept)?;
    let mut last = None;
    if let Some(address) = task.address {
        for port in task.held {
            let target = SocketAddrV4::new(address, port.bound.container.port).into();
            for socket in &port.sockets {
                let socket = socket.try_clone()?;
                last = Some(relay(socket, port.bound.container.protocol, target)?);
            }
        }
    }
    let Some((inside, (known, servers))) = &task.names else {
        if let Some(last) = last {
            let _panicked = last.join();
        }
        return Ok(());
    };
    answer(inside, servers, || Zone::new(task.networks.clone(), known.clone()))
}

/// Answers by UDP and TCP, for ever.
fn answer(inside: &Inside, servers: &[IpAddr], zone: impl Fn() -> Zone) -> io::Result<()> {
    let upstream = Upstream { servers: servers.to_vec() };
    let (tcp, by_tcp, tcp_upstream) =
        (inside.tcp.try_clone()?, Arc::new(Mutex::new(zone())), upstream.clone());
    thread::Builder::new().spawn(move || dns_tcp::serve(&tcp, &by_tcp, &tcp_upstream))?;
    dns::serve(&inside.udp, &mut zone(), &upstream)
}

/// A server that knows no names itself; for ever.
pub(super) fn pass_on_everything(inside: &Inside, servers: &[IpAddr]) -> io::Result<()> {
    answer(inside, servers, Zone::of_nobody)
}

impl Inside {
    pub(super) fn ports(&self) -> io::Result<Vec<u16>> {
        Ok(vec![self.udp.local_addr()?.port(), self.tcp.local_addr()?.port()])
    }
}

fn relay(
    socket: OwnedFd,
    protocol: Protocol,
    target: SocketAddr,
) -> io::Result<thread::JoinHandle<()>> {
    rustix::io::ioctl_fionbio(&socket, false)?;
    thread::Builder::new().spawn(move || match protocol {
        Protocol::Tcp => relay::tcp(&TcpListener::from(socket), target),
        Protocol::Udp => relay::udp(&Arc::new(UdpSocket::from(socket)), target),
    })
}
