//! The processes beside a container on networks: its name server, and what copies where NAT cannot redirect.
//!
//! Children of the shim's, which die with it. They may have threads, as the shim may not; they stay in the host's network
//! namespace, where the host's name servers can be asked, and have sockets of the container's. The one that copies begins
//! with the first packet or connection it is needed for, and goes on when the networks of the container change.
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

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::{io, iter, thread};

#[cfg(not(test))]
use sys::clone::spawn_child;
use sys::clone::{Child, close_all_except};

use super::arrivals::Arrivals;
use super::directory::{Networks, Result};
use super::error::Act;
use super::firewall::resolver;
use super::namespace::within;
use super::netlink::Socket;
use super::port::Protocol;
use super::ports::HeldPorts;
use dns::Upstream;
use dns_tcp::BREATH;
use zone::{Known, Zone};

/// The networks whose names are known, and the servers that are asked else.
pub(super) type Answers = (Vec<Known>, Vec<IpAddr>);

/// The sockets in the container's namespace.
#[derive(Debug)]
pub(super) struct Inside {
    udp: UdpSocket,
    tcp: TcpListener,
}

/// By which port 53 was led to a name server. Closing the last descriptor waits for a grace period of the kernel's, and
/// until then the namespace stays.
#[derive(Debug)]
pub(super) struct Leading(Socket);

/// Starts the name server, which has the last descriptor of `leading`. To be called from a process with one thread.
pub(super) fn start_answering(
    networks: &Networks,
    inside: &Inside,
    (known, servers): &Answers,
    leading: Option<Leading>,
) -> Result<Child> {
    start("start the container's name server", || {
        let mut kept = vec![inside.udp.as_fd(), inside.tcp.as_fd()];
        kept.extend(leading.as_ref().map(|Leading(socket)| socket.as_fd()));
        // Locks and pipes of the shim's are to end with the shim.
        close_all_except(&kept)?;
        answer(inside, servers, || Zone::new(networks.clone(), known.clone()))
    })
}

/// Starts what copies to the container at this address. To be called from a process with one thread.
pub(super) fn start_copying(held: &HeldPorts, address: Ipv4Addr) -> Result<Child> {
    start("copy what comes to a published port", || copy(held, address))
}

/// Tests have threads, and processes of one thread only can do this: another one stands for it there.
#[cfg(test)]
fn start(step: &str, _body: impl FnOnce() -> io::Result<()>) -> Result<Child> {
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    let child = std::process::Command::new("sleep").arg("1000").spawn().act(step)?;
    let pid = Pid::from_child(&child);
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(io::Error::from).act(step)?;
    Ok(Child { pid: pid.as_raw_nonzero().get(), pidfd })
}

#[cfg(not(test))]
fn start(step: &str, body: impl FnOnce() -> io::Result<()>) -> Result<Child> {
    let child = spawn_child(0, None, || match body() {
        Ok(()) => 0,
        // Nobody is there to be told.
        Err(_) => 1,
    });
    child.map_err(io::Error::from).act(step)
}

/// On ports of the kernel's choice, to which port 53 leads.
pub(super) fn open_inside(namespace: &OwnedFd) -> Result<(Inside, Leading)> {
    let step = "make the container's name server";
    let (udp, tcp, mut rules) = within(namespace, || {
        let udp = UdpSocket::bind((resolver::ADDRESS, 0))?;
        let tcp = TcpListener::bind((resolver::ADDRESS, 0))?;
        udp.set_nonblocking(true)?;
        Ok((udp, tcp, Socket::netfilter()?))
    })
    .act(step)?;
    let port = |address: io::Result<SocketAddr>| address.map(|address| address.port()).act(step);
    resolver::lead(&mut rules, port(udp.local_addr())?, port(tcp.local_addr())?)?;
    Ok((Inside { udp, tcp }, Leading(rules)))
}

/// For ever; at each port from when something comes to it.
fn copy(held: &HeldPorts, address: Ipv4Addr) -> io::Result<()> {
    let sockets: Vec<_> = held.sockets().collect();
    close_all_except(&sockets)?;
    let ports = held.iter().flat_map(|port| iter::repeat_n(port.bound, port.sockets.len()));
    let ports: Vec<_> = ports.map(|bound| bound.container).collect();
    let arrivals = Arrivals::first_at(sockets.iter().copied())?;
    loop {
        let at = arrivals.next()?;
        let target = SocketAddrV4::new(address, ports[at].port).into();
        let begun = sockets[at]
            .try_clone_to_owned()
            .and_then(|socket| relay(socket, ports[at].protocol, target));
        if begun.is_err() {
            // Without threads or descriptors for now; those who have theirs go on.
            thread::sleep(BREATH);
            arrivals.again(at, sockets[at])?;
        }
    }
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

fn relay(socket: OwnedFd, protocol: Protocol, target: SocketAddr) -> io::Result<()> {
    rustix::io::ioctl_fionbio(&socket, false)?;
    let spawned = thread::Builder::new().spawn(move || match protocol {
        Protocol::Tcp => relay::tcp(&TcpListener::from(socket), target),
        Protocol::Udp => relay::udp(&Arc::new(UdpSocket::from(socket)), target),
    });
    spawned.map(drop)
}
