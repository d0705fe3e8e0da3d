//! Rules of nf_tables: what each expression is called and takes, as the kernel reads it.
use std::net::Ipv4Addr;

use super::super::netlink::message::Message;
use super::set::SetName;

/// Registers of 16 bytes, and the sixteen of four bytes that they are made of.
pub(super) const REGISTER_1: u32 = 1;
pub(super) const REGISTER_2: u32 = 2;
/// The first word of register 1, which the kernel lists by that name.
pub(super) const WORD_0: u32 = REGISTER_1;
pub(super) const WORD_1: u32 = 9;
pub(super) const WORD_2: u32 = 10;
pub(super) const WORD_6: u32 = 14;

const VERDICT_REGISTER: u32 = 0;
const LIST_ELEMENT: u16 = 1;

/// What of a packet `meta` reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meta {
    Protocol = 1,
    InName = 6,
    OutName = 7,
    Transport = 16,
    InGroup = 21,
    OutGroup = 22,
}

/// Headers that `payload` reads from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    Link = 0,
    Network = 1,
    Transport = 2,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Drop = 0,
    Accept = 1,
    /// Back to the chain from which this one was entered.
    Return = -5,
}

/// What is known of the packet's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connection {
    State = 0,
    Status = 2,
}

/// Bits of [`Connection::State`] and [`Connection::Status`].
pub(super) const ESTABLISHED_OR_RELATED: u32 = 2 | 4;
pub(super) const DESTINATION_CHANGED: u32 = 1 << 5;

/// The expressions of one rule, in order, and what it does in words.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    list: Message,
    pub(super) words: &'static str,
}

impl Rule {
    pub(super) fn new() -> Rule {
        Rule { list: Message::new(0, 0), words: "" }
    }

    pub(super) fn says(self, words: &'static str) -> Rule {
        Rule { words, ..self }
    }

    /// The list of expressions.
    pub(super) fn into_body(self) -> Vec<u8> {
        self.body().to_vec()
    }

    pub(super) fn body(&self) -> &[u8] {
        self.list.body()
    }

    fn expression(self, name: &str, fill: impl FnOnce(Message) -> Message) -> Rule {
        let list = self.list.nest(LIST_ELEMENT, |list| list.text(1, name).nest(2, fill));
        Rule { list, ..self }
    }

    pub(super) fn meta(self, what: Meta, register: u32) -> Rule {
        self.expression("meta", |data| data.be32(1, register).be32(2, what as u32))
    }

    pub(super) fn payload(self, header: Header, offset: u32, length: u32, register: u32) -> Rule {
        self.expression("payload", |data| {
            data.be32(1, register).be32(2, header as u32).be32(3, offset).be32(4, length)
        })
    }

    pub(super) fn compare(self, register: u32, value: &[u8]) -> Rule {
        self.compared(register, 0, value)
    }

    pub(super) fn differs(self, register: u32, value: &[u8]) -> Rule {
        self.compared(register, 1, value)
    }

    fn compared(self, register: u32, how: u32, value: &[u8]) -> Rule {
        self.expression("cmp", |data| {
            data.be32(1, register).be32(2, how).nest(3, |inner| inner.bytes(1, value))
        })
    }

    /// Keeps the bits of `mask`.
    pub(super) fn mask(self, register: u32, mask: &[u8]) -> Rule {
        let zero = vec![0; mask.len()];
        self.expression("bitwise", |data| {
            data.be32(1, register)
                .be32(2, register)
                .be32(3, mask.len() as u32)
                .nest(4, |inner| inner.bytes(1, mask))
                .nest(5, |inner| inner.bytes(1, &zero))
        })
    }

    /// Goes on only if what the register holds is in the set.
    pub(super) fn member(self, register: u32, set: SetName) -> Rule {
        self.expression("lookup", |data| data.text(1, set.name()).be32(2, register))
    }

    pub(super) fn stranger(self, register: u32, set: SetName) -> Rule {
        const INVERTED: u32 = 1;
        self.expression("lookup", |data| {
            data.text(1, set.name()).be32(2, register).be32(5, INVERTED)
        })
    }

    /// Goes on with what the map has for it in `result`.
    pub(super) fn map(self, register: u32, map: SetName, result: u32) -> Rule {
        self.expression("lookup", |data| data.text(1, map.name()).be32(2, register).be32(3, result))
    }

    /// The packet comes in by a bridge of ours, or goes out by one.
    pub(super) fn by(self, what: Meta, set: SetName) -> Rule {
        self.meta(what, REGISTER_1).member(REGISTER_1, set)
    }

    pub(super) fn not_by(self, what: Meta, set: SetName) -> Rule {
        self.meta(what, REGISTER_1).stranger(REGISTER_1, set)
    }

    /// Not by an interface of this group.
    pub(super) fn not_of_group(self, what: Meta, group: u32) -> Rule {
        self.meta(what, REGISTER_1).differs(REGISTER_1, &group.to_ne_bytes())
    }

    /// It comes in and goes out by the same bridge of ours.
    pub(super) fn stays(self) -> Rule {
        self.meta(Meta::InName, REGISTER_1)
            .meta(Meta::OutName, REGISTER_2)
            .member(REGISTER_1, SetName::Pairs)
    }

    /// To an address of this machine.
    pub(super) fn for_this_machine(self) -> Rule {
        const RESULT_KIND: u32 = 3;
        const DESTINATION: u32 = 2;
        let local = u32::from(libc::RTN_LOCAL).to_ne_bytes();
        self.expression("fib", |data| {
            data.be32(1, REGISTER_1).be32(2, RESULT_KIND).be32(3, DESTINATION)
        })
        .compare(REGISTER_1, &local)
    }

    /// One of these bits is set.
    pub(super) fn connection(self, what: Connection, bits: u32) -> Rule {
        self.expression("ct", |data| data.be32(1, REGISTER_1).be32(2, what as u32))
            .mask(REGISTER_1, &bits.to_ne_bytes())
            .differs(REGISTER_1, &[0; 4])
    }

    pub(super) fn source(self, register: u32) -> Rule {
        self.payload(Header::Network, 12, 4, register)
    }

    pub(super) fn destination(self, register: u32) -> Rule {
        self.payload(Header::Network, 16, 4, register)
    }

    pub(super) fn destination_port(self, register: u32) -> Rule {
        self.payload(Header::Transport, 2, 2, register)
    }

    /// What the register holds is an address of 127.0.0.0/8.
    pub(super) fn loopback(self, register: u32) -> Rule {
        let (mask, network) = (Ipv4Addr::new(255, 0, 0, 0), Ipv4Addr::new(127, 0, 0, 0));
        self.mask(register, &mask.octets()).compare(register, &network.octets())
    }

    /// It did not come in by `lo`, so another machine or namespace sent it.
    pub(super) fn not_loopback_interface(self) -> Rule {
        let mut name = [0; 16];
        name[..2].copy_from_slice(b"lo");
        self.meta(Meta::InName, REGISTER_1).differs(REGISTER_1, &name)
    }

    pub(super) fn verdict(self, verdict: Verdict) -> Rule {
        self.expression("immediate", |data| {
            data.be32(1, VERDICT_REGISTER)
                .nest(2, |value| value.nest(2, |inner| inner.be32(1, verdict as i32 as u32)))
        })
    }

    /// For those who list the rules of other firewalls.
    pub(super) fn count(self) -> Rule {
        self.expression("counter", |data| data.be64(1, 0).be64(2, 0))
    }

    pub(super) fn masquerade(self) -> Rule {
        self.expression("masq", |data| data)
    }

    /// To the address in one register and the port in the other.
    pub(super) fn send_to(self, address: u32, port: u32) -> Rule {
        const DESTINATION: u32 = 1;
        self.expression("nat", |data| {
            data.be32(1, DESTINATION).be32(2, libc::AF_INET as u32).be32(3, address).be32(5, port)
        })
    }

    pub(super) fn load(self, register: u32, value: &[u8]) -> Rule {
        self.expression("immediate", |data| {
            data.be32(1, register).nest(2, |inner| inner.bytes(1, value))
        })
    }

    /// The first packet of a TCP connection in either direction.
    pub(super) fn begins_tcp(self) -> Rule {
        const SYN: u8 = 2;
        const SYN_OR_RST: u8 = 6;
        self.meta(Meta::Transport, REGISTER_1)
            .compare(REGISTER_1, &[libc::IPPROTO_TCP as u8])
            .payload(Header::Transport, 13, 1, REGISTER_1)
            .mask(REGISTER_1, &[SYN_OR_RST])
            .compare(REGISTER_1, &[SYN])
    }

    /// Segments no larger than the way allows, even where nobody is told of what is too large.
    pub(super) fn clamp_segments(self) -> Rule {
        const SEGMENT_SIZE: u8 = 2;
        const TCP_OPTION: u32 = 1;
        const ROUTE_SEGMENT_SIZE: u32 = 3;
        self.expression("rt", |data| data.be32(1, REGISTER_1).be32(2, ROUTE_SEGMENT_SIZE))
            .expression("byteorder", |data| {
                // To the network's order, two bytes of two.
                data.be32(1, REGISTER_1).be32(2, REGISTER_1).be32(3, 1).be32(4, 2).be32(5, 2)
            })
            .expression("exthdr", |data| {
                data.be32(7, REGISTER_1)
                    .byte(2, SEGMENT_SIZE)
                    .be32(3, 2)
                    .be32(4, 2)
                    .be32(6, TCP_OPTION)
            })
    }
}
