//! Other firewalls: a chain of theirs at the same hook may drop what ours lets through.
//!
//! Where docker's chain DOCKER-USER is, which is made for rules of others, each bridge gets some rules there, marked by
//! a comment so that they are found again: what comes from it and goes to it is let through, but for what goes to bridges
//! of docker's, about which docker's own rules decide. Where a chain drops everything else and there is no such place,
//! nothing of ours would work, and that is said: `barrier.rs` finds them.
use std::io;

use super::super::error::{Act, NetworkError};
use super::super::netlink::Socket;
use super::super::netlink::message::{Message, Received, find};
use super::super::routes;
use super::Firewall;
use super::barrier::{COMMENT, HEADER, chains, comment_of, dropping, rules_of};
use super::rule::{Meta, REGISTER_1, Rule, Verdict};
use super::table::{DELETE_RULE, NEW_RULE, message, transaction};

const USER_CHAIN: &str = "DOCKER-USER";
const FILTER: &str = "filter";
const STEP: &str = "look at other firewalls";

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

/// Makes sure that other firewalls let through what comes from and goes to this bridge; unless `may_ask`, without a word
/// of ours among theirs.
pub(in crate::network) fn admit(
    firewall: &mut Firewall,
    bridge: &str,
    may_ask: bool,
) -> Result<(), NetworkError> {
    let Firewall { socket, table: mark } = firewall;
    let others = look(socket, mark).act(STEP)?;
    if others.has_place && may_ask {
        take_away(socket, mark, bridge)?;
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
    let dropping = dropping(socket, &chains)?;
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

fn user_rules(socket: &mut Socket) -> io::Result<Vec<Received>> {
    match rules_of(socket, libc::AF_INET as u8, FILTER, Some(USER_CHAIN)) {
        // There is no such chain.
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(Vec::new()),
        other => other,
    }
}

/// Takes back the rules for this bridge.
pub(in crate::network) fn dismiss(
    firewall: &mut Firewall,
    bridge: &str,
) -> Result<(), NetworkError> {
    take_away(&mut firewall.socket, &firewall.table, bridge)
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
