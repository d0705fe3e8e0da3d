//! Other firewalls: a chain of theirs at the same hook may drop what ours lets through.
//!
//! Where docker's chain DOCKER-USER is, which is made for rules of others, each bridge gets some rules there, marked by
//! a comment so that they are found again: what comes from it and goes to it is let through, but for what goes to bridges
//! of docker's, about which docker's own rules decide. Where a chain drops by policy and there is no such place, nothing of ours would work, and
//! that is said, unless a rule beside that chain speaks of our bridges: then somebody has thought of them.
use std::io;

use super::super::error::{Act, NetworkError};
use super::super::netlink::Socket;
use super::super::netlink::message::{Attribute, Message, Received, find};
use super::super::routes;
use super::old_iptables;
use super::rule::{Meta, REGISTER_1, Rule, Verdict};
use super::table::{DELETE_RULE, GET_CHAIN, GET_RULE, NEW_RULE, message, transaction};

const HEADER: usize = 4;
const FORWARD: u32 = 2;
const DROP: u32 = 0;
const USER_CHAIN: &str = "DOCKER-USER";
const FILTER: &str = "filter";
const STEP: &str = "look at other firewalls";
/// Of `nft`: user data of a rule that is a comment.
const COMMENT: u8 = 0;

/// What the names of all bridges begin with, whatever the engine, unless they were chosen.
const OURS: &[u8] = b"rb";

/// What other firewalls have to do with us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::network) struct Others {
    /// DOCKER-USER is there.
    pub(in crate::network) has_place: bool,
    /// Chains that drop what is forwarded, and say nothing of our bridges.
    pub(in crate::network) dropping: Vec<String>,
    /// The bridges of our rules there, once for each rule.
    pub(in crate::network) admitted: Vec<String>,
}

/// A chain as the kernel lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Chain {
    family: u8,
    table: String,
    name: String,
    drops_what_is_forwarded: bool,
}

/// Makes sure that other firewalls let through what comes from and goes to this bridge.
pub(in crate::network) fn admit(mark: &str, bridge: &str) -> Result<(), NetworkError> {
    let mut socket = Socket::netfilter().act(STEP)?;
    let others = look(&mut socket, mark).act(STEP)?;
    if others.has_place {
        take_away(&mut socket, mark, bridge)?;
        let mut rules = rules_for(bridge);
        // Each one is put before those that are there.
        rules.reverse();
        let messages = transaction(rules.iter().map(|rule| made(mark, bridge, rule)).collect());
        return socket.transact(messages).act(format!("let `{bridge}` through {USER_CHAIN}"));
    }
    match others.dropping.into_iter().next() {
        Some(chain) => Err(NetworkError::ForeignFirewall { chain }),
        None => Ok(()),
    }
}

/// `mark` is the table's name.
pub(in crate::network) fn others(mark: &str) -> Result<Others, NetworkError> {
    look(&mut Socket::netfilter().act(STEP)?, mark).act(STEP)
}

fn look(socket: &mut Socket, mark: &str) -> io::Result<Others> {
    let chains = chains(socket)?;
    let has_place = chains.iter().any(|chain| {
        chain.family == libc::AF_INET as u8 && chain.table == FILTER && chain.name == USER_CHAIN
    });
    let mut dropping = Vec::new();
    for chain in chains.iter().filter(|chain| chain.drops_what_is_forwarded) {
        if !speaks_of_us(socket, chain)? {
            dropping.push(format!("{} {}", chain.table, chain.name));
        }
    }
    if old_iptables::drops_what_is_forwarded(OURS) {
        dropping.push("iptables-legacy FORWARD".to_owned());
    }
    let mut admitted = Vec::new();
    if has_place {
        let begin = format!("{mark} ");
        let rules = user_rules(socket)?;
        let comments = rules.iter().filter_map(comment_of);
        admitted =
            comments.filter_map(|text| Some(text.strip_prefix(&begin)?.to_owned())).collect();
    }
    Ok(Others { has_place, dropping, admitted })
}

/// Whether any rule of the chain's table compares the name of an interface with one like ours.
fn speaks_of_us(socket: &mut Socket, chain: &Chain) -> io::Result<bool> {
    let rules = socket.dump(message(GET_RULE, 0, chain.family).text(1, &chain.table))?;
    let of_table = |rule: &&Received| {
        let (_, attributes) = rule.parts(HEADER);
        find(&attributes, 1).is_some_and(|table| table.text() == chain.table)
    };
    Ok(rules.iter().filter(of_table).any(|rule| {
        let (_, attributes) = rule.parts(HEADER);
        let list = find(&attributes, 4).map(|list| list.nested()).unwrap_or_default();
        list.into_iter().any(compares_with_us)
    }))
}

fn compares_with_us(expression: Attribute<'_>) -> bool {
    let parts = expression.nested();
    let read = || {
        let data = find(&parts, 2)?.nested();
        match find(&parts, 1)?.text().as_str() {
            "cmp" => Some(find(&find(&data, 3)?.nested(), 1)?.value.starts_with(OURS)),
            _ => None,
        }
    };
    read().unwrap_or(false)
}

fn user_rules(socket: &mut Socket) -> io::Result<Vec<Received>> {
    let ask = message(GET_RULE, 0, libc::AF_INET as u8).text(1, FILTER).text(2, USER_CHAIN);
    let mut rules = match socket.dump(ask) {
        // There is no such chain.
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(Vec::new()),
        other => other?,
    };
    // Older kernels list those of all chains.
    rules.retain(|rule| {
        let (_, attributes) = rule.parts(HEADER);
        let is = |kind, name| find(&attributes, kind).is_some_and(|found| found.text() == name);
        is(1, FILTER) && is(2, USER_CHAIN)
    });
    Ok(rules)
}

fn comment_of(rule: &Received) -> Option<String> {
    let (_, attributes) = rule.parts(HEADER);
    match find(&attributes, 7)?.value {
        [COMMENT, _, text @ ..] => {
            Some(String::from_utf8_lossy(text).trim_end_matches('\0').to_owned())
        }
        _ => None,
    }
}

/// Takes back the rules for this bridge.
pub(in crate::network) fn dismiss(mark: &str, bridge: &str) -> Result<(), NetworkError> {
    let mut socket = Socket::netfilter().act(STEP)?;
    take_away(&mut socket, mark, bridge)
}

fn comment(mark: &str, bridge: &str) -> Vec<u8> {
    let text = format!("{mark} {bridge}\0");
    let mut data = vec![COMMENT, text.len() as u8];
    data.extend(text.into_bytes());
    data
}

/// As many rules as each bridge has at least.
pub(in crate::network) const RULES: usize = 4;
/// What the names of docker's bridges begin with, unless they were chosen.
const DOCKERS: [&[u8]; 2] = [b"docker", b"br-"];

/// In the words of iptables, which has to understand them.
fn rules_for(bridge: &str) -> Vec<Rule> {
    let mut name = [0; 16];
    name.iter_mut().zip(bridge.bytes()).for_each(|(to, from)| *to = from);
    let from = || Rule::new().meta(Meta::InName, REGISTER_1).compare(REGISTER_1, &name);
    let out =
        |rule: Rule, text: &[u8]| rule.meta(Meta::OutName, REGISTER_1).compare(REGISTER_1, text);
    let mut all = Vec::new();
    // The way out may be a bridge that is called like one of docker's.
    if let Some(way_out) = routes::way_out()
        && DOCKERS.iter().any(|prefix| way_out.as_bytes().starts_with(prefix))
    {
        let mut exact = [0; 16];
        exact.iter_mut().zip(way_out.bytes()).for_each(|(to, from)| *to = from);
        all.push(out(from(), &exact).count().verdict(Verdict::Accept));
    }
    all.extend(DOCKERS.map(|prefix| out(from(), prefix).count().verdict(Verdict::Return)));
    all.push(from().count().verdict(Verdict::Accept));
    all.push(out(Rule::new(), &name).count().verdict(Verdict::Accept));
    all
}

/// At the beginning of the chain: what others wrote there may end with a drop.
fn made(mark: &str, bridge: &str, rule: &Rule) -> Message {
    message(NEW_RULE, libc::NLM_F_CREATE, libc::AF_INET as u8)
        .text(1, FILTER)
        .text(2, USER_CHAIN)
        .nest(4, |list| list.raw(rule.body()))
        .bytes(7, &comment(mark, bridge))
}

fn take_away(socket: &mut Socket, mark: &str, bridge: &str) -> Result<(), NetworkError> {
    let step = format!("take the rules for `{bridge}` out of {USER_CHAIN}");
    let rules = user_rules(socket).act(step.clone())?;
    let wanted = format!("{mark} {bridge}");
    let ours = rules.iter().filter(|rule| comment_of(rule).is_some_and(|text| text == wanted));
    let handle = |rule: &Received| {
        let (_, attributes) = rule.parts(HEADER);
        find(&attributes, 3).map(|handle| handle.value.to_vec())
    };
    let delete = |handle: Vec<u8>| {
        message(DELETE_RULE, 0, libc::AF_INET as u8)
            .text(1, FILTER)
            .text(2, USER_CHAIN)
            .bytes(3, &handle)
    };
    let messages: Vec<Message> = ours.filter_map(handle).map(delete).collect();
    if messages.is_empty() {
        return Ok(());
    }
    socket.transact(transaction(messages)).act(step)
}

fn chains(socket: &mut Socket) -> io::Result<Vec<Chain>> {
    let replies = socket.dump(message(GET_CHAIN, 0, 0))?;
    Ok(replies.iter().filter_map(read).collect())
}

fn read(reply: &Received) -> Option<Chain> {
    let (header, attributes) = reply.parts(HEADER);
    let family = *header.first()?;
    let hook = find(&attributes, 4).map(|hook| hook.nested());
    let number = hook.and_then(|hook| find(&hook, 1)?.be32());
    let policy = find(&attributes, 5).and_then(|policy| policy.be32());
    let of_ip = [1, libc::AF_INET as u8].contains(&family);
    Some(Chain {
        family,
        table: find(&attributes, 1)?.text(),
        name: find(&attributes, 3)?.text(),
        drops_what_is_forwarded: of_ip && number == Some(FORWARD) && policy == Some(DROP),
    })
}
