//! The tables as the kernel has them, read back and compared with what they should be.
//!
//! The kernel lists rules with more than was said when they were made (what was left out has a usual value), so a rule is
//! ours if everything that we said of it is there.
use std::collections::BTreeSet;

use super::super::error::{Act, NetworkError};
use super::super::netlink::message::{Attribute, Received, attributes, find};
use super::Firewall;
use super::rule::Rule;
use super::set::{Element, Family, SetName};
use super::table::{Chain, GET_CHAIN, GET_ELEMENT, GET_RULE, chains, message};

const HEADER: usize = 4;
const STEP: &str = "read the firewall's table";

/// What the kernel has of one table.
#[derive(Clone, Debug)]
pub(in crate::network) struct Held {
    pub(in crate::network) elements: BTreeSet<Element>,
    pub(in crate::network) chains: Vec<HeldChain>,
    pub(in crate::network) missing_sets: Vec<&'static str>,
    /// Chains in our table that are not ours.
    pub(in crate::network) strange_chains: Vec<String>,
}

/// A chain of ours, and how it is.
#[derive(Clone, Debug)]
pub(in crate::network) struct HeldChain {
    pub(in crate::network) name: &'static str,
    pub(in crate::network) words: &'static str,
    pub(in crate::network) state: ChainState,
    pub(in crate::network) rules: Vec<HeldRule>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::network) enum ChainState {
    AsMade,
    /// At another hook, or with another priority or policy.
    Changed,
    Missing,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::network) enum HeldRule {
    Ours(&'static str),
    Missing(&'static str),
    /// With the names of its expressions.
    Strange(String),
}

impl Firewall {
    /// None if there is no such table.
    pub(in crate::network) fn read(
        &mut self,
        family: Family,
    ) -> Result<Option<Held>, NetworkError> {
        if !self.has(family)? {
            return Ok(None);
        }
        let (mut elements, mut missing_sets) = (BTreeSet::new(), Vec::new());
        for set in SetName::ALL.into_iter().filter(|set| set.form().family == family) {
            match self.elements(set)? {
                Some(found) => elements.extend(found),
                None => missing_sets.push(set.name()),
            }
        }
        let (found, rules) = (self.list(GET_CHAIN, family)?, self.list(GET_RULE, family)?);
        let wanted = chains(family);
        let name = |chain: &Received| text_of(chain, 3);
        let strange = found.iter().map(name).filter(|name| wanted.iter().all(|c| c.name != name));
        Ok(Some(Held {
            elements,
            missing_sets,
            strange_chains: strange.collect(),
            chains: wanted.iter().map(|chain| held_chain(chain, &found, &rules)).collect(),
        }))
    }

    /// Chains or rules of our table.
    fn list(&mut self, kind: u16, family: Family) -> Result<Vec<Received>, NetworkError> {
        let ask = message(kind, 0, family as u8).text(1, &self.table);
        let mut all = self.socket.dump(ask).act(STEP)?;
        // Older kernels list those of all tables.
        all.retain(|one| text_of(one, 1) == self.table);
        Ok(all)
    }

    /// None if there is no such set.
    fn elements(&mut self, set: SetName) -> Result<Option<Vec<Element>>, NetworkError> {
        let family = set.form().family as u8;
        let ask = message(GET_ELEMENT, 0, family).text(1, &self.table).text(2, set.name());
        let replies = match self.socket.dump(ask) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(None),
            other => other.act(STEP)?,
        };
        let mut all = Vec::new();
        for reply in &replies {
            let (_, attributes) = reply.parts(HEADER);
            let list = find(&attributes, 3).map(|list| list.nested()).unwrap_or_default();
            all.extend(list.into_iter().filter_map(|item| element(set, item)));
        }
        Ok(Some(all))
    }
}

fn element(set: SetName, item: Attribute<'_>) -> Option<Element> {
    let parts = item.nested();
    let bytes = |kind| Some(find(&find(&parts, kind)?.nested(), 1)?.value.to_vec());
    Some(Element { set, key: bytes(1)?, value: bytes(2) })
}

fn text_of(reply: &Received, kind: u16) -> String {
    let (_, attributes) = reply.parts(HEADER);
    find(&attributes, kind).map_or(String::new(), |attribute| attribute.text())
}

fn held_chain(wanted: &Chain, found: &[Received], rules: &[Received]) -> HeldChain {
    let state = match found.iter().find(|chain| text_of(chain, 3) == wanted.name) {
        None => ChainState::Missing,
        Some(chain) if is_as_made(wanted, chain) => ChainState::AsMade,
        Some(_) => ChainState::Changed,
    };
    let own = rules.iter().filter(|rule| text_of(rule, 2) == wanted.name);
    let lists: Vec<Vec<u8>> = own.map(expressions).collect();
    HeldChain {
        name: wanted.name,
        words: wanted.words,
        state,
        rules: matched(&wanted.rules, &lists),
    }
}

fn is_as_made(wanted: &Chain, found: &Received) -> bool {
    const ACCEPT: u32 = 1;
    let (_, attributes) = found.parts(HEADER);
    let hook = find(&attributes, 4).map(|hook| hook.nested()).unwrap_or_default();
    let number = |kind| find(&hook, kind).and_then(|value| value.be32());
    number(1) == Some(wanted.hook as u32)
        && number(2) == Some(wanted.priority as u32)
        && find(&attributes, 5).and_then(|policy| policy.be32()) == Some(ACCEPT)
        && text_of(found, 7) == wanted.kind
}

fn expressions(rule: &Received) -> Vec<u8> {
    let (_, attributes) = rule.parts(HEADER);
    find(&attributes, 4).map(|list| list.value.to_vec()).unwrap_or_default()
}

/// The rules in the order in which the kernel has them, with those that should be among them.
fn matched(wanted: &[Rule], found: &[Vec<u8>]) -> Vec<HeldRule> {
    let mut all = Vec::new();
    let mut next = 0;
    for list in found {
        match wanted[next..].iter().position(|rule| is_rule(rule, list)) {
            Some(skipped) => {
                let missing = &wanted[next..next + skipped];
                all.extend(missing.iter().map(|rule| HeldRule::Missing(rule.words)));
                all.push(HeldRule::Ours(wanted[next + skipped].words));
                next += skipped + 1;
            }
            None => all.push(HeldRule::Strange(names(list))),
        }
    }
    all.extend(wanted[next..].iter().map(|rule| HeldRule::Missing(rule.words)));
    all
}

fn is_rule(wanted: &Rule, found: &[u8]) -> bool {
    let (wanted, found) = (attributes(wanted.body()), attributes(found));
    wanted.len() == found.len() && wanted.iter().zip(&found).all(|(a, b)| holds(*b, *a))
}

/// Everything in `wanted` is in `found`.
fn holds(found: Attribute<'_>, wanted: Attribute<'_>) -> bool {
    if !wanted.is_nested {
        return found.value == wanted.value;
    }
    let inner = found.nested();
    wanted.nested().into_iter().all(|part| match find(&inner, part.kind) {
        Some(found) => holds(found, part),
        // An expression without settings.
        None => part.is_nested && part.value.is_empty(),
    })
}

fn names(list: &[u8]) -> String {
    let name = |one: Attribute<'_>| find(&one.nested(), 1).map(|name| name.text());
    attributes(list).into_iter().filter_map(name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::super::netlink::message::Message;
    use super::super::rule::{Meta, REGISTER_1, Verdict};
    use super::*;

    /// As the kernel would list it: an attribute more, and no flag that says what is nested.
    fn listed(rule: &Rule) -> Vec<u8> {
        let mut list = Message::new(0, 0);
        for expression in attributes(rule.body()) {
            let parts = expression.nested();
            let data = find(&parts, 2).unwrap();
            let name = find(&parts, 1).unwrap().text();
            let more = Message::new(0, 0).raw(data.value).be32(99, 0);
            let body = Message::new(0, 0).text(1, &name).bytes(2, more.body());
            list = list.bytes(1, body.body());
        }
        list.body().to_vec()
    }

    #[test]
    fn rules_are_found_in_what_the_kernel_lists() {
        let rule = |verdict, words| {
            let begin = Rule::new().meta(Meta::InName, REGISTER_1);
            begin.member(REGISTER_1, SetName::Bridges).verdict(verdict).says(words)
        };
        let (a, b) = (rule(Verdict::Drop, "a"), rule(Verdict::Accept, "b"));
        let c = Rule::new().masquerade().says("c");
        let wanted = [a.clone(), b.clone(), c.clone()];
        let show = |found: &[&Rule]| {
            let lists: Vec<_> = found.iter().map(|rule| listed(rule)).collect();
            let words = |rule: &HeldRule| match rule {
                HeldRule::Ours(words) => (*words).to_owned(),
                HeldRule::Missing(words) => format!("-{words}"),
                HeldRule::Strange(names) => format!("+{names}"),
            };
            matched(&wanted, &lists).iter().map(words).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(show(&[&a, &b, &c]), "a b c");
        assert_eq!(show(&[&a, &c]), "a -b c");
        assert_eq!(show(&[]), "-a -b -c");
        let strange = Rule::new().meta(Meta::OutName, REGISTER_1);
        assert_eq!(show(&[&strange, &a, &b, &c]), "+meta a b c");
        // In another order they mean something else.
        assert_eq!(show(&[&b, &a, &c]), "-a b +meta, lookup, immediate c");
    }
}
