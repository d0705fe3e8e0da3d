//! Interfaces, their addresses, and routes.
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::message::{Message, Received, find};
use super::{Refusal, Socket};
use crate::network::mac::MacAddress;
use crate::network::subnet::Subnet;

/// The lengths of the families' own headers.
const LINK_HEADER: usize = 16;
const ADDRESS_HEADER: usize = 8;
const ROUTE_HEADER: usize = 12;
const NEIGHBOUR_HEADER: usize = 12;

const CREATE: i32 = libc::NLM_F_CREATE | libc::NLM_F_EXCL;
const METRIC_MTU: u16 = 2; // RTAX_MTU
const PEER: u16 = 1; // VETH_INFO_PEER
const BRIDGE_PORT_HAIRPIN: u16 = 4; // IFLA_BRPORT_MODE
const BRIDGE_PORT_LEARNING: u16 = 8; // IFLA_BRPORT_LEARNING
const BRIDGE_PORT_FLOOD: u16 = 9; // IFLA_BRPORT_UNICAST_FLOOD
const BRIDGE_PORT_ISOLATED: u16 = 33; // IFLA_BRPORT_ISOLATED
const NEIGHBOUR_HARDWARE: u16 = 2; // NDA_LLADDR
const UP: u32 = libc::IFF_UP as u32;

/// Of each end of a pair, which hands packets over under no queue's lock: left to itself the kernel makes one for each processor,
/// shows each in /sys, and chooses one for each packet.
const QUEUES: u32 = 1;

/// The group of interfaces ("rb") that bridges of internal networks are in: a rule compares it without looking a name up.
pub(in crate::network) const INTERNAL_GROUP: u32 = 0x7262;

/// An interface as the kernel describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::network) struct Link {
    pub(in crate::network) index: u32,
    pub(in crate::network) name: String,
    pub(in crate::network) up: bool,
    pub(in crate::network) mtu: u32,
    /// The index of the bridge that it is a port of.
    pub(in crate::network) master: Option<u32>,
    /// The index of the other end of a pair, in that end's namespace.
    pub(in crate::network) peer: Option<u32>,
    /// A text beside the name.
    pub(in crate::network) alias: String,
    pub(in crate::network) group: u32,
    pub(in crate::network) mac: Option<MacAddress>,
    /// Bytes received and sent.
    pub(in crate::network) received: u64,
    pub(in crate::network) sent: u64,
}

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::network) struct LinkAddress {
    pub(in crate::network) index: u32,
    pub(in crate::network) address: Ipv4Addr,
    pub(in crate::network) prefix: u8,
}

/// A route of the main table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::network) struct RouteEntry {
    /// None is the default route.
    pub(in crate::network) destination: Option<Subnet>,
    pub(in crate::network) gateway: Option<Ipv4Addr>,
    pub(in crate::network) index: Option<u32>,
    /// Where the route itself says how large packets may be.
    pub(in crate::network) mtu: Option<u32>,
}

/// A pair of interfaces to be made: one here, one in another namespace.
#[derive(Clone, Copy, Debug)]
pub(in crate::network) struct Pair<'a> {
    pub(in crate::network) here: &'a str,
    pub(in crate::network) there: &'a str,
    pub(in crate::network) namespace: BorrowedFd<'a>,
    pub(in crate::network) mac: MacAddress,
    pub(in crate::network) mtu: u32,
}

fn link_message(kind: u16, flags: i32, index: u32, up: bool) -> Message {
    let state = if up { UP } else { 0 };
    Message::new(kind, flags).raw(&link_header(libc::AF_UNSPEC, index, state))
}

fn link_header(family: i32, index: u32, state: u32) -> [u8; LINK_HEADER] {
    let mut header = [0; LINK_HEADER];
    header[0] = family as u8;
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&state.to_ne_bytes());
    header[12..16].copy_from_slice(&state.to_ne_bytes());
    header
}

pub(in crate::network) fn make_bridge(
    name: &str,
    mac: MacAddress,
    mtu: u32,
    group: u32,
) -> Message {
    link_message(libc::RTM_NEWLINK, CREATE, 0, true)
        .text(libc::IFLA_IFNAME, name)
        .bytes(libc::IFLA_ADDRESS, &mac.0)
        .u32(libc::IFLA_MTU, mtu)
        .u32(libc::IFLA_GROUP, group)
        .nest(libc::IFLA_LINKINFO, |info| info.text(libc::IFLA_INFO_KIND, "bridge"))
}

pub(in crate::network) fn make_pair(pair: &Pair<'_>) -> Message {
    let peer = |message: Message| {
        message.nest(PEER, |peer| {
            // Neither is up before it is known what may come by it.
            peer.raw(&link_header(libc::AF_UNSPEC, 0, 0))
                .text(libc::IFLA_IFNAME, pair.there)
                .bytes(libc::IFLA_ADDRESS, &pair.mac.0)
                .u32(libc::IFLA_MTU, pair.mtu)
                .u32(libc::IFLA_NUM_TX_QUEUES, QUEUES)
                .u32(libc::IFLA_NUM_RX_QUEUES, QUEUES)
                .u32(libc::IFLA_NET_NS_FD, pair.namespace.as_raw_fd() as u32)
        })
    };
    link_message(libc::RTM_NEWLINK, CREATE, 0, false)
        .text(libc::IFLA_IFNAME, pair.here)
        .u32(libc::IFLA_MTU, pair.mtu)
        .u32(libc::IFLA_NUM_TX_QUEUES, QUEUES)
        .u32(libc::IFLA_NUM_RX_QUEUES, QUEUES)
        .nest(libc::IFLA_LINKINFO, |info| {
            info.text(libc::IFLA_INFO_KIND, "veth").nest(libc::IFLA_INFO_DATA, peer)
        })
}

/// How a bridge treats a port: whether what comes from it may go back by it, and whether it reaches other isolated ones. Who is
/// behind it is told by [`set_neighbour`] and neither learnt from packets nor looked for with them.
pub(in crate::network) fn set_port(index: u32, hairpin: bool, isolated: bool) -> Message {
    Message::new(libc::RTM_SETLINK, 0).raw(&link_header(libc::AF_BRIDGE, index, 0)).nest(
        libc::IFLA_PROTINFO,
        |port| {
            port.byte(BRIDGE_PORT_HAIRPIN, hairpin.into())
                .byte(BRIDGE_PORT_LEARNING, 0)
                .byte(BRIDGE_PORT_FLOOD, 0)
                .byte(BRIDGE_PORT_ISOLATED, isolated.into())
        },
    )
}

/// Who is behind a bridge's port, for good: what comes by another port does not change that.
pub(in crate::network) fn set_neighbour(index: u32, mac: MacAddress) -> Message {
    const STATIC: u16 = 0x40; // NUD_NOARP
    const OF_THE_BRIDGE: u8 = 0x04; // NTF_MASTER
    const STICKY: u8 = 0x40; // NTF_STICKY, ignored before Linux 4.20
    let mut header = [0; NEIGHBOUR_HEADER];
    header[0] = libc::AF_BRIDGE as u8;
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..10].copy_from_slice(&STATIC.to_ne_bytes());
    header[10] = OF_THE_BRIDGE | STICKY;
    Message::new(libc::RTM_NEWNEIGH, libc::NLM_F_CREATE | libc::NLM_F_REPLACE)
        .raw(&header)
        .bytes(NEIGHBOUR_HARDWARE, &mac.0)
}

pub(in crate::network) fn set_up(index: u32) -> Message {
    link_message(libc::RTM_NEWLINK, 0, index, true)
}

pub(in crate::network) fn set_alias(index: u32, alias: &str) -> Message {
    link_message(libc::RTM_SETLINK, 0, index, true).text(libc::IFLA_IFALIAS, alias)
}

pub(in crate::network) fn set_group(index: u32, group: u32) -> Message {
    link_message(libc::RTM_SETLINK, 0, index, true).u32(libc::IFLA_GROUP, group)
}

pub(in crate::network) fn set_master(index: u32, bridge: u32) -> Message {
    link_message(libc::RTM_NEWLINK, 0, index, true).u32(libc::IFLA_MASTER, bridge)
}

pub(in crate::network) fn remove_link(index: u32) -> Message {
    link_message(libc::RTM_DELLINK, 0, index, false)
}

pub(in crate::network) fn add_address(index: u32, address: Ipv4Addr, subnet: Subnet) -> Message {
    let mut header = [0; ADDRESS_HEADER];
    header[0] = libc::AF_INET as u8;
    header[1] = subnet.prefix();
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    Message::new(libc::RTM_NEWADDR, CREATE)
        .raw(&header)
        .address(libc::IFA_LOCAL, address)
        .address(libc::IFA_ADDRESS, address)
        .address(libc::IFA_BROADCAST, subnet.broadcast())
}

pub(in crate::network) fn add_default_route(index: u32, gateway: Ipv4Addr) -> Message {
    default_route(libc::RTM_NEWROUTE, libc::NLM_F_CREATE | libc::NLM_F_REPLACE, index, gateway)
}

fn default_route(kind: u16, flags: i32, index: u32, gateway: Ipv4Addr) -> Message {
    let mut header = [0; ROUTE_HEADER];
    header[0] = libc::AF_INET as u8;
    header[4] = libc::RT_TABLE_MAIN;
    header[5] = libc::RTPROT_BOOT;
    header[6] = libc::RT_SCOPE_UNIVERSE;
    header[7] = libc::RTN_UNICAST;
    Message::new(kind, flags)
        .raw(&header)
        .address(libc::RTA_GATEWAY, gateway)
        .u32(libc::RTA_OIF, index)
}

/// The interface of this name in the socket's namespace.
pub(in crate::network) fn find_link(socket: &mut Socket, name: &str) -> io::Result<Option<Link>> {
    let message = link_message(libc::RTM_GETLINK, 0, 0, false).text(libc::IFLA_IFNAME, name);
    Ok(socket.get(message)?.map(|reply| read_link(&reply)))
}

pub(in crate::network) fn list_links(socket: &mut Socket) -> io::Result<Vec<Link>> {
    let replies = socket.dump(link_message(libc::RTM_GETLINK, 0, 0, false))?;
    Ok(replies.iter().map(read_link).collect())
}

fn read_link(reply: &Received) -> Link {
    let (header, attributes) = reply.parts(LINK_HEADER);
    let word = |at: usize| {
        let bytes = header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u32::from_ne_bytes)
    };
    let number = |kind| find(&attributes, kind).and_then(|attribute| attribute.u32());
    // Of the 64-bit statistics: packets received and sent, then bytes.
    let bytes = |position: usize| {
        let stats = find(&attributes, libc::IFLA_STATS64)?.value;
        let counter = stats.get(position * 8..position * 8 + 8)?;
        Some(u64::from_ne_bytes(counter.try_into().ok()?))
    };
    Link {
        index: word(4),
        name: find(&attributes, libc::IFLA_IFNAME).map_or(String::new(), |name| name.text()),
        up: word(8) & UP != 0,
        mtu: number(libc::IFLA_MTU).unwrap_or_default(),
        master: number(libc::IFLA_MASTER),
        peer: number(libc::IFLA_LINK),
        alias: find(&attributes, libc::IFLA_IFALIAS).map_or(String::new(), |alias| alias.text()),
        group: number(libc::IFLA_GROUP).unwrap_or_default(),
        mac: find(&attributes, libc::IFLA_ADDRESS)
            .and_then(|mac| mac.value.try_into().ok().map(MacAddress)),
        received: bytes(2).unwrap_or_default(),
        sent: bytes(3).unwrap_or_default(),
    }
}

pub(in crate::network) fn list_addresses(socket: &mut Socket) -> io::Result<Vec<LinkAddress>> {
    let mut header = [0; ADDRESS_HEADER];
    header[0] = libc::AF_INET as u8;
    let replies = socket.dump(Message::new(libc::RTM_GETADDR, 0).raw(&header))?;
    let read = |reply: &Received| {
        let (header, attributes) = reply.parts(ADDRESS_HEADER);
        let index = u32::from_ne_bytes(header.get(4..8)?.try_into().ok()?);
        let local = find(&attributes, libc::IFA_LOCAL).or(find(&attributes, libc::IFA_ADDRESS))?;
        Some(LinkAddress { index, address: local.address()?, prefix: *header.get(1)? })
    };
    Ok(replies.iter().filter_map(read).collect())
}

/// The IPv4 routes of the main table.
pub(in crate::network) fn list_routes(socket: &mut Socket) -> io::Result<Vec<RouteEntry>> {
    let mut header = [0; ROUTE_HEADER];
    header[0] = libc::AF_INET as u8;
    let replies = socket.dump(Message::new(libc::RTM_GETROUTE, 0).raw(&header))?;
    let read = |reply: &Received| {
        let (header, attributes) = reply.parts(ROUTE_HEADER);
        let (prefix, table, kind) = (*header.get(1)?, *header.get(4)?, *header.get(7)?);
        if table != libc::RT_TABLE_MAIN || kind != libc::RTN_UNICAST {
            return None;
        }
        let destination = match find(&attributes, libc::RTA_DST) {
            Some(destination) => Subnet::containing(destination.address()?, prefix),
            None => None,
        };
        Some(RouteEntry {
            destination,
            gateway: find(&attributes, libc::RTA_GATEWAY).and_then(|gateway| gateway.address()),
            index: find(&attributes, libc::RTA_OIF).and_then(|index| index.u32()),
            mtu: find(&attributes, libc::RTA_METRICS)
                .and_then(|metrics| find(&metrics.nested(), METRIC_MTU)?.u32()),
        })
    };
    Ok(replies.iter().filter_map(read).collect())
}

/// It was there already, or had gone already.
pub(in crate::network) fn unless(errno: i32, result: Result<(), Refusal>) -> Result<(), Refusal> {
    match result {
        Err(refusal) if refusal.errno == errno => Ok(()),
        other => other,
    }
}
