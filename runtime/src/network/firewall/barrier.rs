//! Chains of other firewalls that let nothing of ours through: by their policy, or because a rule that is about
//! everything drops or rejects, as firewalld's last one.
//!
//! A chain is none of them if a rule of its table speaks of our bridges: then somebody has thought of them.
use std::io;

use super::super::netlink::Socket;
use super::super::netlink::message::{Attribute, Received, find};
use super::old_iptables;
use super::table::{GET_CHAIN, GET_RULE, message};

pub(super) const HEADER: usize = 4;
const FORWARD: u32 = 2;
const DROP: u32 = 0;
const ACCEPT: u32 = 1;
const INET: u8 = 1;
/// Of `nft`: user data of a rule that is a comment.
pub(super) const COMMENT: u8 = 0;

/// What the names of all bridges begin with, whatever the engine, unless they were chosen.
const OURS: &[u8] = b"rb";
/// What our own tables' names begin with.
const OUR_TABLES: &str = "rbuild-";

/// A chain as the kernel lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) family: u8,
    pub(super) table: String,
    pub(super) name: String,
    /// Everything that is forwarded by IPv4 comes to it.
    is_passed: bool,
    drops_by_policy: bool,
}

/// What the first rule that is about every packet does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Dropped,
    Decided,
}

pub(super) fn chains(socket: &mut Socket) -> io::Result<Vec<Chain>> {
    let replies = socket.dump(message(GET_CHAIN, 0, 0))?;
    Ok(replies.iter().filter_map(read_chain).collect())
}

/// The names of those among these chains, and the old iptables' if it is one.
pub(super) fn dropping(socket: &mut Socket, chains: &[Chain]) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for chain in chains.iter().filter(|chain| chain.is_passed) {
        let rules = rules_of(socket, chain.family, &chain.table, None)?;
        if drops(chain, &rules) && !rules.iter().any(speaks_of_us) {
            names.push(format!("{} {}", chain.table, chain.name));
        }
    }
    if old_iptables::drops_what_is_forwarded(OURS) {
        names.push("iptables-legacy FORWARD".to_owned());
    }
    Ok(names)
}

/// The rules of a table, or of one chain of it.
pub(super) fn rules_of(
    socket: &mut Socket,
    family: u8,
    table: &str,
    chain: Option<&str>,
) -> io::Result<Vec<Received>> {
    let ask = message(GET_RULE, 0, family).text(1, table);
    let mut rules = socket.dump(match chain {
        Some(name) => ask.text(2, name),
        None => ask,
    })?;
    // Older kernels list those of all tables and chains.
    rules.retain(|rule| is_of(rule, table, chain));
    Ok(rules)
}

fn is_of(rule: &Received, table: &str, chain: Option<&str>) -> bool {
    let (_, attributes) = rule.parts(HEADER);
    let is = |kind, name| find(&attributes, kind).is_some_and(|found| found.text() == name);
    is(1, table) && chain.is_none_or(|name| is(2, name))
}

pub(super) fn comment_of(rule: &Received) -> Option<String> {
    let (_, attributes) = rule.parts(HEADER);
    match find(&attributes, 7)?.value {
        [COMMENT, _, text @ ..] => {
            Some(String::from_utf8_lossy(text).trim_end_matches('\0').to_owned())
        }
        _ => None,
    }
}

fn drops(chain: &Chain, rules: &[Received]) -> bool {
    let own = rules.iter().filter(|rule| is_of(rule, &chain.table, Some(&chain.name)));
    match own.filter_map(fate).next() {
        Some(fate) => fate == Fate::Dropped,
        None => chain.drops_by_policy,
    }
}

/// What a rule does with every packet; none if it compares anything or sends packets to another chain.
fn fate(rule: &Received) -> Option<Fate> {
    let (_, attributes) = rule.parts(HEADER);
    let list = find(&attributes, 4).map(|list| list.nested()).unwrap_or_default();
    for expression in list {
        let parts = expression.nested();
        let data = || find(&parts, 2).map(|data| data.nested()).unwrap_or_default();
        match find(&parts, 1)?.text().as_str() {
            "counter" | "log" | "last" => {}
            // Its comment, as iptables writes it.
            "match" if find(&data(), 1).is_some_and(|name| name.text() == "comment") => {}
            "reject" => return Some(Fate::Dropped),
            "target" if find(&data(), 1)?.text() == "REJECT" => return Some(Fate::Dropped),
            "immediate" => {
                let verdict = find(&find(&data(), 2)?.nested(), 2)?.nested();
                return match find(&verdict, 1)?.be32()? {
                    DROP => Some(Fate::Dropped),
                    ACCEPT => Some(Fate::Decided),
                    _ => None,
                };
            }
            _ => return None,
        }
    }
    None
}

/// It compares the name of an interface with one like ours, and is not a rule of ours itself.
fn speaks_of_us(rule: &Received) -> bool {
    if comment_of(rule).is_some_and(|text| text.starts_with(OUR_TABLES)) {
        return false;
    }
    let (_, attributes) = rule.parts(HEADER);
    let list = find(&attributes, 4).map(|list| list.nested()).unwrap_or_default();
    list.into_iter().any(compares_with_us)
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

fn read_chain(reply: &Received) -> Option<Chain> {
    let (header, attributes) = reply.parts(HEADER);
    let family = *header.first()?;
    let table = find(&attributes, 1)?.text();
    let hook = find(&attributes, 4).map(|hook| hook.nested());
    let number = hook.and_then(|hook| find(&hook, 1)?.be32());
    let of_ip = [INET, libc::AF_INET as u8].contains(&family);
    Some(Chain {
        family,
        name: find(&attributes, 3)?.text(),
        is_passed: of_ip && number == Some(FORWARD) && !table.starts_with(OUR_TABLES),
        drops_by_policy: find(&attributes, 5).and_then(|policy| policy.be32()) == Some(DROP),
        table,
    })
}
