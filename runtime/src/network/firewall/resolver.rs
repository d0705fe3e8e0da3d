//! The way to the name server within a container: 127.0.0.11 port 53 is a high port of the same address, so that
//! the container's own servers may have port 53.
use std::net::Ipv4Addr;

use super::super::error::{Act, NetworkError};
use super::super::netlink::Socket;
use super::rule::{Meta, REGISTER_1, Rule, WORD_0, WORD_1};
use super::set::Family;
use super::table::{Chain, Hook, delete, make_chain, new_table, transaction};

const TABLE: &str = "rbuild-names";
const PORT: u16 = 53;

/// Where the server is.
pub(in crate::network) const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);

/// `socket` is one of the container's namespace; `udp` and `tcp` are the ports where the server listens.
pub(in crate::network) fn lead(
    socket: &mut Socket,
    udp: u16,
    tcp: u16,
) -> Result<(), NetworkError> {
    let to = |transport: i32, port: u16| {
        Rule::new()
            .meta(Meta::Transport, REGISTER_1)
            .compare(REGISTER_1, &[transport as u8])
            .destination(REGISTER_1)
            .compare(REGISTER_1, &ADDRESS.octets())
            .destination_port(REGISTER_1)
            .compare(REGISTER_1, &PORT.to_be_bytes())
            .load(WORD_0, &ADDRESS.octets())
            .load(WORD_1, &port.to_be_bytes())
            .send_to(WORD_0, WORD_1)
    };
    let chain = Chain {
        name: "names",
        words: "what begins a connection in the container",
        kind: "nat",
        hook: Hook::Output,
        priority: -100,
        rules: vec![to(libc::IPPROTO_UDP, udp), to(libc::IPPROTO_TCP, tcp)],
    };
    let new = || new_table(Family::Ip, TABLE);
    let mut messages = vec![new(), delete(Family::Ip, TABLE), new()];
    messages.extend(make_chain(Family::Ip as u8, TABLE, &chain));
    socket.transact(transaction(messages)).act("lead the container to its name server")
}
