//! Other firewalls: a chain of theirs at the same hook may drop what ours lets through.
//!
//! Where docker's chain DOCKER-USER is, which is made for rules of others, each bridge gets two rules there, marked by
//! a comment so that they are found again. Where a chain drops by policy and there is no such place, nothing of ours would work, and
//! that is said.
use std::io;

use super::super::error::{Act, NetworkError};
use super::super::netlink::Socket;
use super::super::netlink::message::{Message, Received, find};
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
    let chains = chains(&mut socket).act(STEP)?;
    let for_others = |chain: &&Chain| {
        chain.family == libc::AF_INET as u8 && chain.table == FILTER && chain.name == USER_CHAIN
    };
    let blocking = chains.iter().find(|chain| chain.drops_what_is_forwarded);
    match (chains.iter().find(for_others), blocking) {
        (Some(_), _) => {
            take_away(&mut socket, mark, bridge)?;
            let rules = [Meta::InName, Meta::OutName].map(|way| accept(mark, bridge, way));
            let messages = transaction(rules.into());
            socket.transact(messages).act(format!("let `{bridge}` through {USER_CHAIN}"))
        }
        (None, Some(chain)) => {
            Err(NetworkError::ForeignFirewall { chain: format!("{} {}", chain.table, chain.name) })
        }
        (None, None) => Ok(()),
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

/// At the beginning of the chain: what others wrote there may end with a drop.
fn accept(mark: &str, bridge: &str, way: Meta) -> Message {
    let mut name = [0; 16];
    name.iter_mut().zip(bridge.bytes()).for_each(|(to, from)| *to = from);
    let rule = Rule::new()
        .meta(way, REGISTER_1)
        .compare(REGISTER_1, &name)
        .count()
        .verdict(Verdict::Accept);
    message(NEW_RULE, libc::NLM_F_CREATE, libc::AF_INET as u8)
        .text(1, FILTER)
        .text(2, USER_CHAIN)
        .nest(4, |list| list.raw(&rule.into_body()))
        .bytes(7, &comment(mark, bridge))
}

fn take_away(socket: &mut Socket, mark: &str, bridge: &str) -> Result<(), NetworkError> {
    let step = format!("take the rules for `{bridge}` out of {USER_CHAIN}");
    let ask = message(GET_RULE, 0, libc::AF_INET as u8).text(1, FILTER).text(2, USER_CHAIN);
    let rules = match socket.dump(ask) {
        // There is no such chain.
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(()),
        other => other.act(step.clone())?,
    };
    let wanted = comment(mark, bridge);
    let handle = |rule: &Received| {
        let (_, attributes) = rule.parts(HEADER);
        let marked = find(&attributes, 7).is_some_and(|data| data.value == wanted);
        let in_chain = find(&attributes, 2).is_some_and(|chain| chain.text() == USER_CHAIN);
        let handle = find(&attributes, 3).map(|handle| handle.value.to_vec());
        handle.filter(|_| marked && in_chain)
    };
    let delete = |handle: Vec<u8>| {
        message(DELETE_RULE, 0, libc::AF_INET as u8)
            .text(1, FILTER)
            .text(2, USER_CHAIN)
            .bytes(3, &handle)
    };
    let messages: Vec<Message> = rules.iter().filter_map(handle).map(delete).collect();
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
