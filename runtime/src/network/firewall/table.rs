//! The tables: their sets, chains and rules, which do not change, as one transaction of nf_tables.
use super::super::netlink::link::INTERNAL_GROUP;
use super::super::netlink::message::Message;
use super::rule::{
    Connection, DESTINATION_CHANGED, ESTABLISHED_OR_RELATED, Header, Meta, REGISTER_1, REGISTER_2,
    Rule, Verdict, WORD_0, WORD_1, WORD_2, WORD_6,
};
use super::set::{Element, Family, SetName, length_of, type_of};

const SUBSYSTEM: u16 = 10 << 8;
const NEW_TABLE: u16 = SUBSYSTEM;
pub(super) const GET_TABLE: u16 = SUBSYSTEM | 1;
const DELETE_TABLE: u16 = SUBSYSTEM | 2;
const NEW_CHAIN: u16 = SUBSYSTEM | 3;
pub(super) const GET_CHAIN: u16 = SUBSYSTEM | 4;
pub(super) const NEW_RULE: u16 = SUBSYSTEM | 6;
pub(super) const GET_RULE: u16 = SUBSYSTEM | 7;
pub(super) const DELETE_RULE: u16 = SUBSYSTEM | 8;
const NEW_SET: u16 = SUBSYSTEM | 9;
const NEW_ELEMENT: u16 = SUBSYSTEM | 12;
pub(super) const GET_ELEMENT: u16 = SUBSYSTEM | 13;
const DELETE_ELEMENT: u16 = SUBSYSTEM | 14;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;

/// As many elements as fit into one attribute, of 64 KiB.
const ELEMENTS: usize = 500;

/// Where a chain stands in a packet's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    Prerouting = 0,
    Forward = 2,
    Output = 3,
    Postrouting = 4,
}

/// A chain at a hook, and its rules.
pub(super) struct Chain {
    pub(super) name: &'static str,
    /// When it is asked.
    pub(super) words: &'static str,
    pub(super) kind: &'static str,
    pub(super) hook: Hook,
    pub(super) priority: i32,
    pub(super) rules: Vec<Rule>,
}

pub(super) fn message(kind: u16, flags: i32, family: u8) -> Message {
    Message::new(kind, flags).raw(&[family, 0, 0, 0])
}

/// Whatever is between becomes true as a whole or not at all.
pub(super) fn transaction(messages: Vec<Message>) -> Vec<Message> {
    let border = |kind| Message::new(kind, 0).unanswered().raw(&[0, 0, 0, 10]);
    let last = messages.len().saturating_sub(1);
    let each = messages.into_iter().enumerate();
    // One answer says it all; what is refused is told anyway.
    let each = each.map(|(at, message)| if at == last { message } else { message.unanswered() });
    let mut all = vec![border(BATCH_BEGIN)];
    all.extend(each);
    all.push(border(BATCH_END));
    all
}

/// The table of this family, empty of elements, instead of the one that may be there.
pub(super) fn make(family: Family, table: &str) -> Vec<Message> {
    let new = || new_table(family, table);
    let mut all = vec![new(), delete(family, table), new()];
    let sets = SetName::ALL.into_iter().filter(|set| set.form().family == family);
    all.extend(sets.enumerate().map(|(number, set)| make_set(table, set, number as u32 + 1)));
    for chain in chains(family) {
        all.extend(make_chain(family as u8, table, &chain));
    }
    all
}

pub(super) fn chains(family: Family) -> Vec<Chain> {
    match family {
        Family::Ip => ip_chains(),
        Family::Bridge => bridge_chains(),
    }
}

pub(super) fn new_table(family: Family, table: &str) -> Message {
    message(NEW_TABLE, libc::NLM_F_CREATE, family as u8).text(1, table)
}

pub(super) fn delete(family: Family, table: &str) -> Message {
    message(DELETE_TABLE, 0, family as u8).text(1, table)
}

fn make_set(table: &str, set: SetName, number: u32) -> Message {
    const MAP: u32 = 8;
    let form = set.form();
    let flags = if form.value.is_empty() { 0 } else { MAP };
    let values = (!form.value.is_empty()).then_some(form.value);
    message(NEW_SET, libc::NLM_F_CREATE, form.family as u8)
        .text(1, table)
        .text(2, set.name())
        .be32(3, flags)
        .be32(4, type_of(form.key))
        .be32(5, length_of(form.key))
        .maybe(values, |message, types| message.be32(6, type_of(types)).be32(7, length_of(types)))
        .be32(10, number)
        .bytes(13, &SetName::user_data(form.key))
}

pub(super) fn make_chain(family: u8, table: &str, chain: &Chain) -> Vec<Message> {
    const ACCEPT: u32 = 1;
    let new = message(NEW_CHAIN, libc::NLM_F_CREATE, family)
        .text(1, table)
        .text(3, chain.name)
        .nest(4, |hook| hook.be32(1, chain.hook as u32).be32(2, chain.priority as u32))
        .be32(5, ACCEPT)
        .text(7, chain.kind);
    let rules = chain.rules.iter().map(|rule| {
        message(NEW_RULE, libc::NLM_F_CREATE | libc::NLM_F_APPEND, family)
            .text(1, table)
            .text(2, chain.name)
            .nest(4, |list| list.raw(&rule.clone().into_body()))
    });
    std::iter::once(new).chain(rules).collect()
}

/// Puts elements into their sets, or takes them out.
pub(super) fn change(table: &str, elements: &[Element], adds: bool) -> Vec<Message> {
    let (kind, flags) = if adds { (NEW_ELEMENT, libc::NLM_F_CREATE) } else { (DELETE_ELEMENT, 0) };
    let mut all = Vec::new();
    for set in SetName::ALL {
        let of_set: Vec<&Element> = elements.iter().filter(|element| element.set == set).collect();
        for part in of_set.chunks(ELEMENTS) {
            let family = set.form().family as u8;
            let head = message(kind, flags, family).text(1, table).text(2, set.name());
            all.push(head.nest(3, |list| part.iter().fold(list, |list, one| element(list, one))));
        }
    }
    all
}

fn element(list: Message, element: &Element) -> Message {
    list.nest(1, |item| {
        item.nest(1, |key| key.bytes(1, &element.key))
            .maybe(element.value.as_ref(), |item, value| item.nest(2, |data| data.bytes(1, value)))
    })
}

fn ip_chains() -> Vec<Chain> {
    use Verdict::{Accept, Drop};
    let rule = Rule::new;
    // Comparing is cheaper than looking a name up, and most packets end there.
    let loopback = |take: fn(Rule, u32) -> Rule, words| {
        let loopback = take(rule(), WORD_0).loopback(WORD_0);
        loopback.by(Meta::InName, SetName::Bridges).verdict(Drop).says(words)
    };
    vec![
        Chain {
            // The host's own addresses never come from a bridge, although its setting route_localnet lets answers through.
            name: "martians",
            words: "whatever comes in, before anything else",
            kind: "filter",
            hook: Hook::Prerouting,
            priority: -300,
            rules: vec![
                loopback(Rule::source, "from a bridge, with a sender in 127.0.0.0/8: dropped"),
                loopback(Rule::destination, "from a bridge, to 127.0.0.0/8: dropped"),
                // The address of a published port is changed before the kernel sees that it came from outside to the loopback.
                rule()
                    .destination(WORD_0)
                    .loopback(WORD_0)
                    .not_loopback_interface()
                    .meta(Meta::Transport, WORD_0)
                    .destination(WORD_1)
                    .destination_port(WORD_2)
                    .map(WORD_0, SetName::Ports, REGISTER_1)
                    .verdict(Drop)
                    .says("to a port that is published in 127.0.0.0/8, from another machine: dropped"),
            ],
        },
        Chain {
            name: "published",
            words: "what begins a connection and comes in",
            kind: "nat",
            hook: Hook::Prerouting,
            priority: -100,
            rules: published(),
        },
        Chain {
            name: "published-here",
            words: "what begins a connection on this machine",
            kind: "nat",
            hook: Hook::Output,
            priority: -100,
            rules: published(),
        },
        Chain {
            name: "outgoing",
            words: "what begins a connection and goes out",
            kind: "nat",
            hook: Hook::Postrouting,
            priority: 100,
            rules: vec![
                rule()
                    .by(Meta::OutName, SetName::Bridges)
                    .source(WORD_0)
                    .loopback(WORD_0)
                    .masquerade()
                    .says("from 127.0.0.0/8 to a bridge: gets the gateway's address"),
                rule()
                    .source(WORD_0)
                    .destination(WORD_1)
                    .member(WORD_0, SetName::Hairpins)
                    .masquerade()
                    .says("from a container to itself by a published port: gets the gateway's address"),
                rule()
                    .stays()
                    .connection(Connection::Status, DESTINATION_CHANGED)
                    .masquerade()
                    .says("within a network by a published port: gets the gateway's address"),
                rule().stays().verdict(Accept).says("within a network otherwise: stays as it is"),
                rule()
                    .by(Meta::InName, SetName::Masqueraded)
                    .masquerade()
                    .says("from a network that hides behind this machine: gets its address"),
            ],
        },
        Chain {
            name: "forwarded",
            words: "what passes through this machine",
            kind: "filter",
            hook: Hook::Forward,
            priority: 0,
            rules: forwarded(),
        },
    ]
}

/// To the container, where the port of this machine is a published one.
fn published() -> Vec<Rule> {
    let begin = || Rule::new().for_this_machine().meta(Meta::Transport, WORD_0);
    vec![
        begin()
            .destination(WORD_1)
            .destination_port(WORD_2)
            .map(WORD_0, SetName::Ports, REGISTER_1)
            .send_to(WORD_0, WORD_1)
            .says("to a port that is published on this address: to its container"),
        begin()
            .destination_port(WORD_1)
            .map(WORD_0, SetName::AnyPorts, REGISTER_1)
            .send_to(WORD_0, WORD_1)
            .says("to a port that is published on every address of this machine: to its container"),
    ]
}

fn forwarded() -> Vec<Rule> {
    use Verdict::{Accept, Drop};
    let from = |set| Rule::new().by(Meta::InName, set);
    let to = |set| Rule::new().by(Meta::OutName, set);
    vec![
        Rule::new()
            .begins_tcp()
            .by(Meta::InName, SetName::Bridges)
            .clamp_segments()
            .says("TCP that begins at a bridge: segments no larger than the way allows"),
        Rule::new()
            .begins_tcp()
            .by(Meta::OutName, SetName::Bridges)
            .clamp_segments()
            .says("TCP that begins towards a bridge: segments no larger than the way allows"),
        // What the rules below say too, for nearly every packet and with no name to look up instead of up to nine.
        Rule::new()
            .connection(Connection::State, ESTABLISHED_OR_RELATED)
            .not_of_group(Meta::InGroup, INTERNAL_GROUP)
            .not_of_group(Meta::OutGroup, INTERNAL_GROUP)
            .verdict(Accept)
            .says("what goes on or answers, not by an internal network: let through"),
        Rule::new()
            .not_by(Meta::InName, SetName::Closed)
            .stays()
            .verdict(Accept)
            .says("within a network whose containers reach each other: let through"),
        from(SetName::Internal).verdict(Drop).says("from an internal network: dropped"),
        to(SetName::Internal).verdict(Drop).says("to an internal network: dropped"),
        to(SetName::Bridges)
            .connection(Connection::Status, DESTINATION_CHANGED)
            .verdict(Accept)
            .says("to a bridge, by a published port: let through"),
        to(SetName::Bridges).verdict(Drop).says("to a bridge otherwise: dropped"),
        from(SetName::Bridges).verdict(Accept).says("from a bridge to anywhere else: let through"),
    ]
}

/// Senders are who they say: packets and ARP by interface, hardware address and IP address; nothing else is sent.
fn bridge_chains() -> Vec<Chain> {
    // Only who is guarded is among the senders, so one name is looked up for nearly every packet.
    let of = |protocol: i32| {
        Rule::new()
            .meta(Meta::Protocol, REGISTER_1)
            .compare(REGISTER_1, &(protocol as u16).to_be_bytes())
            .meta(Meta::InName, REGISTER_1)
    };
    let known = |rule: Rule| rule.member(REGISTER_1, SetName::Senders).verdict(Verdict::Accept);
    vec![Chain {
        name: "senders",
        words: "whatever comes to a bridge by one of its ports, before anything else",
        kind: "filter",
        hook: Hook::Prerouting,
        priority: -300,
        rules: vec![
            known(of(libc::ETH_P_IP).payload(Header::Link, 6, 6, REGISTER_2).payload(
                Header::Network,
                12,
                4,
                WORD_6,
            ))
            .says("IPv4 from the container's own addresses: let through"),
            known(of(libc::ETH_P_ARP).payload(Header::Network, 8, 6, REGISTER_2).payload(
                Header::Network,
                14,
                4,
                WORD_6,
            ))
            .says("ARP about the container's own addresses: let through"),
            Rule::new()
                .by(Meta::InName, SetName::Guarded)
                .verdict(Verdict::Drop)
                .says("anything else from a container: dropped"),
        ],
    }]
}
