//! Published ports are held by sockets of the shim's: what is held cannot be taken by anybody, and what is taken is
//! found before anything starts.
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::sockopt::{set_ipv6_v6only, set_socket_reuseaddr};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::arrivals::Arrivals;
use super::directory::Result;
use super::error::{Act, NetworkError};
use super::holder;
use super::port::{BoundPort, ContainerPort, PortRange, Protocol, PublishedPort};

const BACKLOG: i32 = 256;
/// Of the kernel's free choice for one address, another may be in use at the other.
const ATTEMPTS: usize = 32;

/// A published port with the sockets that hold it.
#[derive(Debug)]
pub(super) struct HeldPort {
    pub(super) bound: BoundPort,
    pub(super) sockets: Vec<OwnedFd>,
}

/// All of a container's.
#[derive(Debug, Default)]
pub(super) struct HeldPorts {
    all: Vec<HeldPort>,
    arrivals: Option<Arrivals>,
}

impl HeldPorts {
    fn of(all: Vec<HeldPort>) -> Result<HeldPorts> {
        let mut held = HeldPorts { all, arrivals: None };
        if !held.is_empty() {
            held.arrivals = Some(Arrivals::at(held.sockets()).act("wait at the published ports")?);
        }
        Ok(held)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &HeldPort> {
        self.all.iter()
    }

    pub(super) fn bound(&self) -> Vec<BoundPort> {
        self.all.iter().map(|port| port.bound).collect()
    }

    pub(super) fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.all.iter().flat_map(|port| &port.sockets).map(AsFd::as_fd)
    }

    /// Readable while something has come to one of them that NAT has not redirected.
    pub(super) fn arrivals(&self) -> Option<BorrowedFd<'_>> {
        self.arrivals.as_ref().map(AsFd::as_fd)
    }
}

/// Takes all of them, or none. `default` is the address of ports that are published without one.
pub(super) fn reserve(wanted: &[PublishedPort], default: Option<Ipv4Addr>) -> Result<HeldPorts> {
    make_room(wanted.len());
    let mut held = Vec::new();
    // Those with a port of their own first, so that none of the others gets it.
    let (fixed, free): (Vec<_>, Vec<_>) =
        wanted.iter().partition(|port| port.host_ports.is_some_and(|range| range.count() == 1));
    for port in fixed.into_iter().chain(free) {
        let host_ip = port.host_ip.or(default.map(IpAddr::V4));
        held.push(match port.host_ports {
            Some(range) => first_free(host_ip, range, port.container)?,
            None => any(host_ip, port.container)?,
        });
    }
    held.sort_by_key(|port: &HeldPort| (port.bound.container, port.bound.host_port));
    HeldPorts::of(held)
}

/// Two sockets each, and copies of those that something came to. What is not allowed is told by the socket that cannot be made; containers have limits of their own.
fn make_room(ports: usize) {
    /// For everything else that a shim opens.
    const OTHERS: u64 = 256;
    let wanted = 4 * ports as u64 + OTHERS;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < wanted) {
        let maximum = maximum.map(|maximum| maximum.max(wanted));
        let _refused = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    }
}

fn first_free(
    host_ip: Option<IpAddr>,
    range: PortRange,
    container: ContainerPort,
) -> Result<HeldPort> {
    for port in range.ports() {
        match hold(host_ip, port, container) {
            Err(Failure::Taken) if range.count() == 1 => {
                let holder = holder::of(container.protocol, host_ip, port);
                let (address, protocol) = (words(host_ip), container.protocol);
                return Err(NetworkError::PortTaken { address, port, protocol, holder });
            }
            Err(Failure::Taken) => {}
            Err(Failure::Other(source)) => {
                return Err(NetworkError::Publish { address: words(host_ip), port, source });
            }
            Ok(held) => return Ok(held),
        }
    }
    Err(NetworkError::NoPort { container: container.to_string(), range: range.to_string() })
}

/// A free port of the kernel's choice.
fn any(host_ip: Option<IpAddr>, container: ContainerPort) -> Result<HeldPort> {
    for _ in 0..ATTEMPTS {
        match hold(host_ip, 0, container) {
            Ok(held) => return Ok(held),
            Err(Failure::Taken) => {}
            Err(Failure::Other(source)) => {
                return Err(NetworkError::Publish { address: words(host_ip), port: 0, source });
            }
        }
    }
    let range = "the kernel's choice".to_owned();
    Err(NetworkError::NoPort { container: container.to_string(), range })
}

fn words(host_ip: Option<IpAddr>) -> String {
    host_ip.map_or("0.0.0.0".to_owned(), |address| address.to_string())
}

enum Failure {
    Taken,
    Other(io::Error),
}

fn hold(
    host_ip: Option<IpAddr>,
    port: u16,
    container: ContainerPort,
) -> std::result::Result<HeldPort, Failure> {
    let protocol = container.protocol;
    let first = host_ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let (socket, port) = socket_at(SocketAddr::new(first, port), protocol)?;
    let mut sockets = vec![socket];
    if host_ip.is_none() {
        let every = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port);
        match socket_at(every, protocol) {
            Ok((socket, _)) => sockets.push(socket),
            // This machine has no IPv6.
            Err(Failure::Other(error))
                if matches!(
                    error.raw_os_error(),
                    Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)
                ) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(HeldPort { bound: BoundPort { host_ip, host_port: port, container }, sockets })
}

/// A socket that has this port, and which it is.
fn socket_at(
    address: SocketAddr,
    protocol: Protocol,
) -> std::result::Result<(OwnedFd, u16), Failure> {
    let failed = |errno: Errno| match errno {
        Errno::ADDRINUSE => Failure::Taken,
        other => Failure::Other(other.into()),
    };
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let kind = match protocol {
        Protocol::Tcp => SocketType::STREAM,
        Protocol::Udp => SocketType::DGRAM,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, kind, flags, None).map_err(failed)?;
    if protocol == Protocol::Tcp {
        // What waits for its last packets does not keep the port; who listens does.
        set_socket_reuseaddr(&socket, true).map_err(failed)?;
    }
    if address.is_ipv6() {
        set_ipv6_v6only(&socket, true).map_err(failed)?;
    }
    bind(&socket, &address).map_err(failed)?;
    if protocol == Protocol::Tcp {
        listen(&socket, BACKLOG).map_err(failed)?;
    }
    let bound = getsockname(&socket).map_err(failed)?;
    let bound = SocketAddr::try_from(bound).map_err(failed)?;
    Ok((socket, bound.port()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::parse_published;

    fn reserve_texts(texts: &[&str]) -> Result<HeldPorts> {
        let wanted: Vec<_> = texts.iter().flat_map(|text| parse_published(text).unwrap()).collect();
        reserve(&wanted, None)
    }

    #[test]
    fn a_held_port_is_nobody_elses_and_its_holder_is_named() {
        let held = reserve_texts(&["127.0.0.1::80", "127.0.0.1::53/udp"]).unwrap();
        for port in held.iter() {
            let container = port.bound.container;
            let text = format!("127.0.0.1:{}:{container}", port.bound.host_port);
            let error = reserve_texts(&[&text]).unwrap_err().to_string();
            let own = format!("(PID {})", std::process::id());
            assert!(error.contains("is in use, by") && error.contains(&own), "{error}");
        }
        let port = held.bound()[0].host_port;
        drop(held);
        assert!(reserve_texts(&[&format!("127.0.0.1:{port}:80")]).is_ok());
    }

    #[test]
    fn of_a_range_the_first_free_port_is_taken() {
        let held = reserve_texts(&["127.0.0.1::80"]).unwrap();
        let first = held.bound()[0].host_port;
        let Some(last) = first.checked_add(20) else { return };
        let range = format!("127.0.0.1:{first}-{last}:80");
        let next = reserve_texts(&[&range]).unwrap();
        assert!((first + 1..=last).contains(&next.bound()[0].host_port));
        let full = reserve_texts(&[&format!("127.0.0.1:{first}-{first}:80")]);
        assert!(full.is_err());
    }

    #[test]
    fn a_port_of_every_address_is_one_of_both_families() {
        let held = reserve_texts(&["80", "53/udp"]).unwrap();
        let six = std::net::TcpListener::bind("[::]:0").is_ok();
        for port in held.iter() {
            assert_eq!(port.sockets.len(), if six { 2 } else { 1 });
            assert_ne!(port.bound.host_port, 0);
        }
    }
}
