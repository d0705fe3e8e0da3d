//! Senders are who they say: a program at the host's end of each pair looks at what the container sends before anyone else does,
//! and what a container is found by on its bridge is told to the bridge instead of learnt from what is sent.
//!
//! A program of the container's own two addresses compares a packet with numbers in it. A rule for all containers would look
//! three of them up, which is 4 % of what one processor sends to the host. Who administers its interfaces can send past the
//! program, so such a container's endpoint is checked by a rule too (decision 0028).
use std::io;
use std::net::Ipv4Addr;

use super::definition::NetworkDefinition;
use super::endpoint::Endpoint;
use super::error::{Act, NetworkError};
use super::mac::MacAddress;
use super::netlink::Socket;
use super::netlink::filter::{Instruction, add_filter, add_stage, list_filters};
use super::netlink::link::{Link, set_master, set_neighbour, set_port, unless};

/// A frame's own header, and what an IPv4 packet and an ARP packet have at least behind it.
const FRAME: u32 = 14;
const SHORTEST: u32 = FRAME + 20;
const SHORTEST_ARP: u32 = FRAME + 28;
/// Offsets within the frame.
const SENDER: u32 = 6;
const KIND: u32 = 12;
const IPV4_SENDER: u32 = FRAME + 12;
const ARP_SENDER: u32 = FRAME + 8;
const ARP_ADDRESS: u32 = FRAME + 14;

/// Makes the interface a port of the bridge, up. Who sends by it is checked before that.
pub(super) fn set_sender(
    socket: &mut Socket,
    index: u32,
    bridge: &Link,
    network: &NetworkDefinition,
    endpoint: &Endpoint,
) -> Result<(), NetworkError> {
    let step = || format!("set the bridge's port `{}`", endpoint.host_interface);
    let (hairpin, isolated) = (!endpoint.ports.is_empty(), !network.bridge.open);
    let port = vec![
        set_master(index, bridge.index),
        set_port(index, hairpin, isolated),
        set_neighbour(index, endpoint.mac),
    ];
    socket.transact(port).act(step())
}

/// Only what has the endpoint's own addresses comes through from now on. False if this kernel has no such programs: then rules have
/// to see to it.
pub(super) fn guard(socket: &mut Socket, index: u32, endpoint: &Endpoint) -> io::Result<bool> {
    let program = program(endpoint.mac, endpoint.address);
    let stage = unless(libc::EEXIST, socket.request(add_stage(index)));
    match stage.and_then(|()| socket.request(add_filter(index, &program))) {
        Ok(()) => Ok(true),
        Err(refusal) if matches!(refusal.errno, libc::ENOENT | libc::EOPNOTSUPP) => Ok(false),
        Err(refusal) => Err(refusal.into()),
    }
}

/// Whether the kernel has it as [`guard`] makes it.
pub(super) fn is_guarded(socket: &mut Socket, index: u32, endpoint: &Endpoint) -> io::Result<bool> {
    let program = program(endpoint.mac, endpoint.address);
    match list_filters(socket, index) {
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(false),
        filters => Ok(filters?.contains(&program)),
    }
}

/// IPv4 and ARP of one hardware address and one IP address are let through, nothing else is. Classic BPF, which ends as if the
/// packet were in order where it reads behind a packet's end: lengths come first.
fn program(mac: MacAddress, address: Ipv4Addr) -> Vec<Instruction> {
    use Instruction::{AtLeast, Drop, Equal, Half, Length, Pass, VlanTag, Word};
    let [a, b, c, d, e, f] = mac.0;
    let (front, back) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([0, 0, e, f]));
    let address = u32::from(address);
    let mut all = vec![
        Length,
        AtLeast(SHORTEST),
        VlanTag,
        Equal(0),
        Word(SENDER),
        Equal(front),
        Half(SENDER + 4),
        Equal(back),
        Half(KIND),
    ];
    let arp = [
        Equal(libc::ETH_P_ARP as u32),
        Length,
        AtLeast(SHORTEST_ARP),
        Word(ARP_SENDER),
        Equal(front),
        Half(ARP_SENDER + 4),
        Equal(back),
        Word(ARP_ADDRESS),
        Equal(address),
        Pass,
    ];
    let ip = [Word(IPV4_SENDER), Equal(address), Pass];
    all.push(Instruction::Unless { value: libc::ETH_P_IP as u32, skip: ip.len() as u8 });
    all.extend(ip);
    all.extend(arp);
    all.push(Drop);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::netlink::filter::tests::passes;

    const MAC: MacAddress = MacAddress([2, 0x42, 10, 0, 0, 2]);
    const OTHER: MacAddress = MacAddress([2, 0x42, 10, 0, 0, 3]);
    const ADDRESS: [u8; 4] = [10, 0, 0, 2];

    fn frame(from: MacAddress, kind: u16, rest: &[u8]) -> Vec<u8> {
        let mut frame = vec![0xff; 6];
        frame.extend(from.0);
        frame.extend(kind.to_be_bytes());
        frame.extend(rest);
        frame
    }

    fn ipv4(from: [u8; 4]) -> Vec<u8> {
        let mut packet = vec![0x45; 12];
        packet.extend(from);
        packet.extend([10, 0, 0, 9]);
        packet
    }

    fn arp(mac: MacAddress, from: [u8; 4]) -> Vec<u8> {
        let mut packet = vec![0, 1, 8, 0, 6, 4, 0, 1];
        packet.extend(mac.0);
        packet.extend(from);
        packet.extend([0; 10]);
        packet
    }

    #[test]
    fn who_sends_as_it_is_gets_through_and_nobody_else() {
        let program = program(MAC, ADDRESS.into());
        let other = [10, 0, 0, 3];
        for (what, frame, tagged, through) in [
            ("IPv4", frame(MAC, 0x800, &ipv4(ADDRESS)), false, true),
            ("IPv4 with a tag", frame(MAC, 0x800, &ipv4(ADDRESS)), true, false),
            ("IPv4 of another", frame(MAC, 0x800, &ipv4(other)), false, false),
            ("another's hardware address", frame(OTHER, 0x800, &ipv4(ADDRESS)), false, false),
            ("IPv4 cut short", frame(MAC, 0x800, &ipv4(ADDRESS)[..19]), false, false),
            ("ARP", frame(MAC, 0x806, &arp(MAC, ADDRESS)), false, true),
            ("ARP about another", frame(MAC, 0x806, &arp(MAC, other)), false, false),
            ("ARP that gives another's", frame(MAC, 0x806, &arp(OTHER, ADDRESS)), false, false),
            ("ARP by another", frame(OTHER, 0x806, &arp(MAC, ADDRESS)), false, false),
            ("ARP cut short", frame(MAC, 0x806, &arp(MAC, ADDRESS)[..27]), false, false),
            ("ARP of an address's length", frame(MAC, 0x806, &ipv4(ADDRESS)), false, false),
            ("IPv6", frame(MAC, 0x86dd, &[0x60; 40]), false, false),
            ("a tag within", frame(MAC, 0x8100, &[0; 40]), false, false),
            ("nothing", Vec::new(), false, false),
        ] {
            assert_eq!(passes(&program, &frame, tagged), through, "{what}");
        }
    }
}
