//! The name server of one container: answers for its networks, passes everything else on to the host's servers.
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::cache::Cache;
use super::wire::{ADDRESS, Code, POINTER, Query, Records, reversed};
use super::zone::Zone;

const PORT: u16 = 53;
/// As docker's.
const MOST_PENDING: usize = 1024;
const PATIENCE: Duration = Duration::from_secs(2);
const LARGEST: usize = 65535;

/// What becomes of a question.
#[derive(Debug)]
pub(super) enum Decision {
    Answer(Vec<u8>),
    PassOn(Query),
    Ignore,
}

/// Those who are asked what is not known here; none are asked for internal networks.
#[derive(Clone, Debug, Default)]
pub(super) struct Upstream {
    pub(super) servers: Vec<IpAddr>,
}

/// A question that was passed on.
#[derive(Debug)]
struct Pending {
    socket: UdpSocket,
    client: SocketAddr,
    query: Query,
    message: Vec<u8>,
    /// Which server is being asked.
    server: usize,
    deadline: Instant,
}

/// `by_udp` limits the length of the answer.
pub(super) fn decide(zone: &mut Zone, message: &[u8], by_udp: bool) -> Decision {
    let query = match Query::read(message) {
        None => return Decision::Ignore,
        Some(Err(refusal)) => return Decision::Answer(refusal),
        Some(Ok(query)) => query,
    };
    let room = if by_udp { query.room } else { LARGEST };
    let answer = |code, records: &Records| Decision::Answer(query.answer(code, records, room));
    if !query.is_internet() {
        return Decision::PassOn(query);
    }
    if query.kind == POINTER
        && let Some(address) = reversed(&query.name)
    {
        return match zone.name(address) {
            Some(name) => answer(Code::Fine, &Records::Name(name)),
            None if zone.has(address) => answer(Code::NoSuchName, &Records::None),
            None => Decision::PassOn(query),
        };
    }
    if query.kind != ADDRESS {
        // The name is there, but nothing of this kind.
        return match zone.knows(&query.name) {
            true => answer(Code::Fine, &Records::None),
            false => Decision::PassOn(query),
        };
    }
    match zone.addresses(&query.name) {
        Some(addresses) => answer(Code::Fine, &Records::Addresses(addresses)),
        None => Decision::PassOn(query),
    }
}

/// Answers questions that come by UDP, for ever.
pub(super) fn serve(socket: &UdpSocket, zone: &mut Zone, upstream: &Upstream) -> io::Result<()> {
    let mut pending: Vec<Pending> = Vec::new();
    let mut cache = Cache::default();
    let mut buffer = vec![0; LARGEST];
    loop {
        let ready = wait(socket, &pending)?;
        if ready.first() == Some(&0) {
            // As many as have come: a turn of the loop costs more than an answer.
            while let Ok((length, client)) = socket.recv_from(&mut buffer) {
                let message = &buffer[..length];
                match decide(zone, message, true) {
                    Decision::Ignore => {}
                    Decision::Answer(answer) => reply(socket, &answer, client),
                    Decision::PassOn(query) => {
                        if let Some(answer) = cache.find(message, Instant::now()) {
                            reply(socket, &answer, client);
                            continue;
                        }
                        let message = message.to_vec();
                        pass_on(socket, &mut pending, upstream, query, message, client);
                    }
                }
            }
        }
        for position in ready.iter().rev().filter(|position| **position > 0) {
            let servers = upstream.servers.len();
            take_answer(socket, &mut pending, position - 1, servers, &mut cache, &mut buffer);
        }
        ask_others(socket, &mut pending, upstream);
    }
}

/// A client that is gone is none.
fn reply(socket: &UdpSocket, answer: &[u8], client: SocketAddr) {
    let _gone = socket.send_to(answer, client);
}

/// Which sockets are readable: 0 is the clients', then those of pending questions.
fn wait(socket: &UdpSocket, pending: &[Pending]) -> io::Result<Vec<usize>> {
    let mut set = vec![PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN)];
    let others = pending.iter().map(|one| one.socket.as_fd());
    set.extend(others.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
    let next = pending.iter().map(|one| one.deadline).min();
    let timeout = next.map(|at| at.saturating_duration_since(Instant::now()));
    let timeout = timeout.and_then(|pause| Timespec::try_from(pause).ok());
    match poll(&mut set, timeout.as_ref()) {
        Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
        other => other?,
    };
    let ready = set.iter().enumerate().filter(|(_, fd)| !fd.revents().is_empty());
    Ok(ready.map(|(position, _)| position).collect())
}

fn pass_on(
    socket: &UdpSocket,
    pending: &mut Vec<Pending>,
    upstream: &Upstream,
    query: Query,
    message: Vec<u8>,
    client: SocketAddr,
) {
    let fail = |query: &Query| query.answer(Code::ServerFailure, &Records::None, query.room);
    let asked = match pending.len() < MOST_PENDING {
        true => ask(upstream, 0, &message),
        false => None,
    };
    match asked {
        Some((server, asked)) => pending.push(Pending {
            socket: asked,
            client,
            query,
            message,
            server,
            deadline: Instant::now() + PATIENCE,
        }),
        None => reply(socket, &fail(&query), client),
    }
}

/// Asks the first server from this one on that can be asked; by a socket of its own, whose port nobody can guess.
fn ask(upstream: &Upstream, first: usize, message: &[u8]) -> Option<(usize, UdpSocket)> {
    upstream.servers.iter().enumerate().skip(first).find_map(|(position, server)| {
        let local: IpAddr = match server {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((local, 0)).ok()?;
        socket.connect((*server, PORT)).ok()?;
        socket.set_nonblocking(true).ok()?;
        socket.send(message).ok()?;
        Some((position, socket))
    })
}

/// The server could not or would not find out, so the next one is asked, as libc does: RFC 1035, 4.1.1.
pub(super) fn leaves_it_to_others(answer: &[u8]) -> bool {
    const SERVER_FAILURE: u8 = 2;
    const NOT_IMPLEMENTED: u8 = 4;
    const REFUSED: u8 = 5;
    answer
        .get(3)
        .is_some_and(|flags| [SERVER_FAILURE, NOT_IMPLEMENTED, REFUSED].contains(&(flags & 0xf)))
}

/// An answer goes to who asked; a refusal by the way makes the next server be asked at once.
fn take_answer(
    socket: &UdpSocket,
    pending: &mut Vec<Pending>,
    position: usize,
    servers: usize,
    cache: &mut Cache,
    buffer: &mut [u8],
) {
    let Some(one) = pending.get_mut(position) else { return };
    match one.socket.recv(buffer) {
        Ok(length) => {
            let answer = &buffer[..length];
            let is_answer = answer.len() > 3
                && answer[..2] == one.query.id.to_be_bytes()
                && answer[2] & 0x80 != 0;
            if is_answer && one.server + 1 < servers && leaves_it_to_others(answer) {
                one.deadline = Instant::now();
            } else if is_answer {
                reply(socket, answer, one.client);
                cache.keep(&one.message, answer, Instant::now());
                pending.swap_remove(position);
            }
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        Err(_) => one.deadline = Instant::now(),
    }
}

/// Where there was no answer in time the next server is asked; after the last one it is a failure.
fn ask_others(socket: &UdpSocket, pending: &mut Vec<Pending>, upstream: &Upstream) {
    let now = Instant::now();
    pending.retain_mut(|one| {
        if one.deadline > now {
            return true;
        }
        match ask(upstream, one.server + 1, &one.message) {
            Some((server, asked)) => {
                (one.server, one.socket, one.deadline) = (server, asked, now + PATIENCE);
                true
            }
            None => {
                let room = one.query.room;
                let failure = one.query.answer(Code::ServerFailure, &Records::None, room);
                reply(socket, &failure, one.client);
                false
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::wire::tests::question;
    use super::super::zone::tests::zone;
    use super::*;

    const SIX: u16 = 28;
    const TRUNCATED: u8 = 2;

    /// `NOERROR 2`: the code and how many records; `>` for what is passed on.
    fn shown(zone: &mut Zone, name: &str, kind: u16, by_udp: bool) -> String {
        match decide(zone, &question(name, kind), by_udp) {
            Decision::Ignore => "ignored".to_owned(),
            Decision::PassOn(_) => ">".to_owned(),
            Decision::Answer(answer) => {
                let code = match answer[3] & 0xf {
                    0 => "NOERROR".to_owned(),
                    3 => "NXDOMAIN".to_owned(),
                    other => other.to_string(),
                };
                let cut = if answer[2] & TRUNCATED == 0 { "" } else { ", cut" };
                format!("{code} {}{cut}", u16::from_be_bytes([answer[6], answer[7]]))
            }
        }
    }

    #[test]
    fn what_is_not_there_differs_from_what_has_nothing_of_the_kind() {
        let (_store, mut zone) = zone(40);
        for (name, kind, by_udp, expected) in [
            ("c1", ADDRESS, true, "NOERROR 1"),
            ("C1.Net", ADDRESS, true, "NOERROR 1"),
            ("c1", SIX, true, "NOERROR 0"),
            ("c1", 15, true, "NOERROR 0"),
            ("web", ADDRESS, true, "NOERROR 30, cut"),
            ("web", ADDRESS, false, "NOERROR 40"),
            ("nobody", ADDRESS, true, ">"),
            ("nobody", SIX, true, ">"),
            ("3.0.0.10.in-addr.arpa", POINTER, true, "NOERROR 1"),
            ("250.0.0.10.in-addr.arpa", POINTER, true, "NXDOMAIN 0"),
            ("1.1.168.192.in-addr.arpa", POINTER, true, ">"),
        ] {
            assert_eq!(shown(&mut zone, name, kind, by_udp), expected, "{name} {kind} {by_udp}");
        }
        assert_eq!(shown(&mut Zone::of_nobody(), "c1", ADDRESS, true), ">");
    }

    #[test]
    fn replicas_come_first_in_turns() {
        let (_store, mut zone) = zone(3);
        let first = |zone: &mut Zone| zone.addresses("web").unwrap()[0];
        let seen: Vec<_> = (0..6).map(|_| first(&mut zone)).collect();
        assert_eq!(seen[..3], seen[3..]);
        assert!(seen[0] != seen[1] && seen[1] != seen[2] && seen[0] != seen[2], "{seen:?}");
    }
}
