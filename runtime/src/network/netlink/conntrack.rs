//! Connections that the kernel tracks. Those of UDP have no end, so what was decided about the first packet stays in
//! force when a port is published or no longer is; then they are made to be forgotten.
use std::collections::BTreeSet;
use std::{fs, io};

use super::Socket;
use super::message::{Message, Received, find};

const SUBSYSTEM: u16 = 1 << 8;
const GET: u16 = SUBSYSTEM | 1;
const DELETE: u16 = SUBSYSTEM | 2;
const HEADER: usize = 4;

/// Attributes of a connection, of a direction's addresses, and of its protocol.
const ORIGINAL: u16 = 1;
const IDENTITY: u16 = 12;
const PROTOCOL_PART: u16 = 2;
const PROTOCOL_NUMBER: u16 = 1;
const DESTINATION_PORT: u16 = 3;

fn header() -> [u8; HEADER] {
    [libc::AF_INET as u8, 0, 0, 0]
}

/// How many connections this network namespace has.
const COUNT: &str = "/proc/sys/net/netfilter/nf_conntrack_count";

/// Forgets the UDP connections to these ports. `socket` is one for netfilter.
pub(in crate::network) fn forget_udp(socket: &mut Socket, ports: &BTreeSet<u16>) -> io::Result<()> {
    // For a list the kernel goes through its table for all namespaces, which takes it some milliseconds.
    if ports.is_empty() || fs::read_to_string(COUNT).is_ok_and(|count| count.trim() == "0") {
        return Ok(());
    }
    let all = socket.dump(Message::new(GET, 0).raw(&header()))?;
    let led_by =
        |connection: &&Received| udp_port(connection).is_some_and(|port| ports.contains(&port));
    for connection in all.iter().filter(led_by) {
        let (_, attributes) = connection.parts(HEADER);
        let Some(original) = find(&attributes, ORIGINAL) else { continue };
        let delete = Message::new(DELETE, 0)
            .raw(&header())
            .nest(ORIGINAL, |inner| inner.raw(original.value))
            .maybe(find(&attributes, IDENTITY), |message, id| message.bytes(IDENTITY, id.value));
        match socket.request(delete) {
            // It ended by itself meanwhile.
            Err(refusal) if refusal.errno == libc::ENOENT => {}
            other => other?,
        }
    }
    Ok(())
}

/// How many of them there are.
#[cfg(test)]
pub(in crate::network) fn count_udp(socket: &mut Socket, port: u16) -> io::Result<usize> {
    let all = socket.dump(Message::new(GET, 0).raw(&header()))?;
    Ok(all.iter().filter(|connection| udp_port(connection) == Some(port)).count())
}

/// The port to which its first packet was sent, if that was one of UDP.
fn udp_port(connection: &Received) -> Option<u16> {
    let (_, attributes) = connection.parts(HEADER);
    let original = find(&attributes, ORIGINAL)?.nested();
    let protocol = find(&original, PROTOCOL_PART)?.nested();
    let number = find(&protocol, PROTOCOL_NUMBER)?.value.first()?;
    let destination = find(&protocol, DESTINATION_PORT)?.value.try_into().ok()?;
    let is_udp = i32::from(*number) == libc::IPPROTO_UDP;
    is_udp.then(|| u16::from_be_bytes(destination))
}
