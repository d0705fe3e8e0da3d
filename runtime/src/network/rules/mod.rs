//! The firewall in words: what the kernel has, and where that is not what it should be.
mod speaker;

use std::collections::BTreeSet;
use std::fs;

use super::bridge::{group_of, is_apart_as_it_should, set_kernel_values};
use super::definition::NetworkDefinition;
use super::directory::{Networks, Result};
use super::endpoint::Endpoint;
use super::error::{Act, NetworkError};
use super::firewall::foreign::{self, Others};
use super::firewall::kernel::{ChainState, Held, HeldChain, HeldRule};
use super::firewall::{self, Element, Family, SetName};
use super::netlink::Socket;
use super::netlink::link::{Link, list_links};
use super::sender::is_guarded;
use speaker::Speaker;

/// What is to be read, in parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    pub parts: Vec<RulesPart>,
    /// What is not as it should be; `network reload` mends it.
    pub differences: Vec<String>,
    /// Chains of other firewalls that drop what is forwarded, each with what helps: it is theirs to change.
    pub foreign: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulesPart {
    pub title: String,
    pub lines: Vec<String>,
}

const FAMILIES: [(Family, &str); 2] = [(Family::Ip, "ip"), (Family::Bridge, "bridge")];

/// Everything the description is made of, of one moment.
struct Look {
    table: String,
    in_use: Vec<(NetworkDefinition, Vec<Endpoint>)>,
    /// Bridges that may be there, with their networks.
    bridges: Vec<(String, NetworkDefinition)>,
    links: Vec<Link>,
    /// By family.
    held: [Option<Held>; 2],
    /// Interfaces by which nobody sends as another, as their programs say.
    guarded: BTreeSet<String>,
    others: Others,
}

impl Networks {
    /// Reads the kernel's state back.
    pub fn rules(&self) -> Result<Rules> {
        let look = self.look()?;
        let speaker = Speaker::of(&look.bridges, &look.in_use);
        let mut rules =
            Rules { parts: parts(&look, &speaker), foreign: look.foreign(), ..Rules::default() };
        look.differ(&speaker, &mut rules.differences);
        look.differ_links(self, &mut rules.differences);
        Ok(rules)
    }

    fn look(&self) -> Result<Look> {
        // Nobody comes or goes meanwhile.
        let _guard = self.lock()?;
        let mut in_use = self.in_use()?;
        for (_, endpoints) in &mut in_use {
            endpoints.retain(|endpoint| self.is_living(endpoint));
        }
        let kept = |network: &NetworkDefinition| self.keeper(&network.id).is_some();
        in_use.retain(|(network, endpoints)| !endpoints.is_empty() || kept(network));
        for network in self.list()?.into_iter().filter(kept) {
            // Nobody is on it any more, but its bridge stays for a moment.
            if !in_use.iter().any(|(known, _)| known.id == network.id) {
                in_use.push((network, Vec::new()));
            }
        }
        let table = self.names.table();
        let held = self.firewall(|firewall| {
            Ok([firewall.read(Family::Ip)?, firewall.read(Family::Bridge)?])
        })?;
        let mut socket = Socket::route().act("reach the kernel's interfaces")?;
        let links = list_links(&mut socket).act("list interfaces")?;
        let all = self.list()?.into_iter();
        Ok(Look {
            bridges: all.map(|network| (self.bridge_name(&network), network)).collect(),
            guarded: guarded(&mut socket, &in_use, &links)?,
            in_use,
            links,
            held,
            others: foreign::others(&table)?,
            table,
        })
    }
}

fn parts(look: &Look, speaker: &Speaker) -> Vec<RulesPart> {
    let mut parts = vec![bridges(look, speaker), ports(look), senders(look)];
    for ((_, family), held) in FAMILIES.iter().zip(&look.held) {
        let title = format!("rules of the table `{} {}`", family, look.table);
        let lines = held.iter().flat_map(|held| &held.chains).flat_map(chain_lines).collect();
        parts.push(RulesPart { title, lines });
    }
    parts.push(others(look));
    parts.push(settings(look));
    parts.retain(|part| !part.lines.is_empty());
    parts
}

fn part(title: &str, lines: Vec<String>) -> RulesPart {
    RulesPart { title: title.to_owned(), lines }
}

/// Elements of one set, as the kernel has them.
fn elements(look: &Look, set: SetName) -> impl Iterator<Item = &Element> {
    let all = look.held.iter().flatten().flat_map(|held| &held.elements);
    all.filter(move |element| element.set == set)
}

fn bridges(look: &Look, speaker: &Speaker) -> RulesPart {
    let has = |set, bridge: &str| {
        let wanted = Element::bridge(set, bridge);
        elements(look, set).any(|element| *element == wanted)
    };
    let line = |element: &Element| {
        let bridge = element.parts().0.concat();
        let inside = match has(SetName::Closed, &bridge) {
            true => "its containers do not reach each other",
            false => "its containers reach each other",
        };
        let way = if has(SetName::Internal, &bridge) {
            "nothing goes in or out"
        } else if has(SetName::Masqueraded, &bridge) {
            "what goes out has this machine's address"
        } else {
            "what goes out keeps its address"
        };
        format!("{}: {inside}; {way}", speaker.bridge(&bridge))
    };
    part("networks", elements(look, SetName::Bridges).map(line).collect())
}

fn ports(look: &Look) -> RulesPart {
    let container = |address: &str| {
        let mut endpoints = look.in_use.iter().flat_map(|(_, endpoints)| endpoints);
        let found = endpoints.find(|endpoint| endpoint.address.to_string() == address);
        found.map_or("nobody".to_owned(), |endpoint| format!("container `{}`", endpoint.name))
    };
    let line = |element: &Element| {
        let (key, value) = element.parts();
        let (address, port) = match key.as_slice() {
            [_, address, port] => (address.as_str(), port),
            [_, port] => ("every address", port),
            _ => return None,
        };
        let [to, to_port] = value.as_slice() else { return None };
        let protocol = key.first()?;
        Some(format!("{protocol} {port} of {address}: to {to} port {to_port}, {}", container(to)))
    };
    let all = elements(look, SetName::Ports).chain(elements(look, SetName::AnyPorts));
    part("published ports", all.filter_map(line).collect())
}

fn senders(look: &Look) -> RulesPart {
    let line = |endpoint: &Endpoint| {
        let Endpoint { name, host_interface, mac, address, .. } = endpoint;
        let how = if endpoint.by_rules { ", by rules too" } else { "" };
        format!("container `{name}` by `{host_interface}` sends as {mac} and {address} only{how}")
    };
    let endpoints = look.in_use.iter().flat_map(|(_, endpoints)| endpoints);
    let is_checked = |one: &&Endpoint| one.by_rules || look.guarded.contains(&one.host_interface);
    part("senders", endpoints.filter(is_checked).map(line).collect())
}

/// The interfaces with the program that lets nobody send as another.
fn guarded(
    socket: &mut Socket,
    in_use: &[(NetworkDefinition, Vec<Endpoint>)],
    links: &[Link],
) -> Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for endpoint in in_use.iter().flat_map(|(_, endpoints)| endpoints) {
        let name = &endpoint.host_interface;
        let Some(link) = links.iter().find(|link| link.name == *name) else { continue };
        if is_guarded(socket, link.index, endpoint).act("read who may send")? {
            all.insert(name.clone());
        }
    }
    Ok(all)
}

fn chain_lines(chain: &HeldChain) -> Vec<String> {
    let rule = |rule: &HeldRule| match rule {
        HeldRule::Ours(words) => Some(format!("  {words}")),
        HeldRule::Strange(names) => Some(format!("  a rule that is none of ours ({names})")),
        HeldRule::Missing(_) => None,
    };
    match chain.state {
        ChainState::Missing => Vec::new(),
        _ => std::iter::once(format!("{} ({})", chain.words, chain.name))
            .chain(chain.rules.iter().filter_map(rule))
            .collect(),
    }
}

fn others(look: &Look) -> RulesPart {
    let mut lines: Vec<String> = Vec::new();
    for chain in &look.others.dropping {
        lines.push(format!("`{chain}` drops by policy what is forwarded"));
    }
    if look.others.has_place {
        let bridges: BTreeSet<&String> = look.others.admitted.iter().collect();
        let names: Vec<String> = bridges.into_iter().map(|bridge| format!("`{bridge}`")).collect();
        lines.push(match names.as_slice() {
            [] => "DOCKER-USER is there and has no rules of ours".to_owned(),
            names => format!("DOCKER-USER lets through what is from and to {}", names.join(", ")),
        });
    }
    part("other firewalls", lines)
}

/// Settings of the kernel that all this needs, with the value they should have.
fn wanted_settings(look: &Look) -> Vec<(String, &'static str)> {
    let mut all: Vec<(String, &'static str)> = Vec::new();
    for (network, _) in &look.in_use {
        let bridge = look.bridges.iter().find(|(_, known)| known.id == network.id);
        for setting in bridge.iter().flat_map(|(bridge, _)| set_kernel_values(bridge)) {
            if !all.contains(&setting) {
                all.push(setting);
            }
        }
    }
    all
}

fn value_of(setting: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/sys/{setting}")).ok()?;
    Some(text.trim().to_owned())
}

fn settings(look: &Look) -> RulesPart {
    let line = |(setting, _): (String, &str)| {
        value_of(&setting).map(|value| format!("{} = {value}", setting.replace('/', ".")))
    };
    part("settings", wanted_settings(look).into_iter().filter_map(line).collect())
}

impl Look {
    /// The firewall's part of what is not as it should be.
    fn differ(&self, speaker: &Speaker, out: &mut Vec<String>) {
        let mut wanted: BTreeSet<Element> = BTreeSet::new();
        for (network, endpoints) in &self.in_use {
            let bridge = self.bridges.iter().find(|(_, known)| known.id == network.id);
            wanted.extend(
                bridge.iter().flat_map(|(bridge, _)| firewall::of_network(network, bridge)),
            );
            wanted.extend(endpoints.iter().flat_map(firewall::of_endpoint));
        }
        for ((family, name), held) in FAMILIES.into_iter().zip(&self.held) {
            let of_family = |element: &&Element| element.set.family() == family;
            match held {
                None if self.in_use.is_empty() => {}
                // It is there for those who could get around their programs.
                None if family == Family::Bridge && !wanted.iter().any(|one| of_family(&one)) => {}
                None => out.push(format!("the table `{name} {}` is missing", self.table)),
                Some(_) if self.in_use.is_empty() => {
                    out.push(format!("the table `{name} {}` is there for nobody", self.table));
                }
                Some(held) => {
                    let wanted: BTreeSet<Element> =
                        wanted.iter().filter(of_family).cloned().collect();
                    differ_table(name, held, &wanted, speaker, out);
                }
            }
        }
        for (setting, wanted) in wanted_settings(self) {
            let found = value_of(&setting);
            if found.as_deref().is_some_and(|found| found != wanted) {
                let name = setting.replace('/', ".");
                out.push(format!("{name} is {}, not {wanted}", found.unwrap_or_default()));
            }
        }
    }

    /// Nothing of theirs is changed but DOCKER-USER, which is made for that.
    fn foreign(&self) -> Vec<(String, String)> {
        let has_rules_there =
            |network: &NetworkDefinition| self.others.has_place && network.bridge.asks_others;
        if self.in_use.iter().all(|(network, _)| has_rules_there(network)) {
            return Vec::new();
        }
        let told = |chain: &String| {
            let error = NetworkError::ForeignFirewall { chain: chain.clone() };
            let what = format!("`{chain}` of another firewall drops what is forwarded");
            (what, error.hint().unwrap_or_default())
        };
        self.others.dropping.iter().map(told).collect()
    }

    /// Bridges and pairs, and the rules in DOCKER-USER.
    fn differ_links(&self, networks: &Networks, out: &mut Vec<String>) {
        let link = |name: &str| self.links.iter().find(|link| link.name == name);
        for (network, endpoints) in &self.in_use {
            let name = networks.bridge_name(network);
            let Some(bridge) = link(&name) else {
                out.push(format!("the bridge `{name}` of network `{}` is missing", network.name));
                continue;
            };
            if !bridge.up {
                out.push(format!("the bridge `{name}` of network `{}` is down", network.name));
            }
            if !is_apart_as_it_should(network, bridge) {
                out.push(format!(
                    "the bridge `{name}` of network `{}` is in the group {}, not {}",
                    network.name,
                    bridge.group,
                    group_of(network)
                ));
            }
            let rules = self.others.admitted.iter().filter(|admitted| **admitted == name).count();
            if self.others.has_place && network.bridge.asks_others && rules < foreign::RULES {
                out.push(format!(
                    "DOCKER-USER has {rules} of our rules for `{name}`, not {}",
                    foreign::RULES
                ));
            }
            for endpoint in endpoints {
                let (port, container) = (&endpoint.host_interface, &endpoint.name);
                match link(port) {
                    None => out.push(format!("`{port}` of container `{container}` is missing")),
                    Some(found) if found.master != Some(bridge.index) => out.push(format!(
                        "`{port}` of container `{container}` is no port of `{name}`"
                    )),
                    Some(found) if !found.up => {
                        out.push(format!("`{port}` of container `{container}` is down"));
                    }
                    Some(_) if !self.guarded.contains(port) && !endpoint.by_rules => {
                        out.push(format!("container `{container}` may send as another by `{port}`"))
                    }
                    Some(_) => {}
                }
            }
        }
        let used = |name: &str| self.in_use.iter().any(|(n, _)| networks.bridge_name(n) == name);
        let prefix = networks.names.bridge_prefix();
        let unused = |link: &&Link| link.name.starts_with(&prefix) && !used(&link.name);
        for link in self.links.iter().filter(unused) {
            out.push(format!("the bridge `{}` is there for nobody", link.name));
        }
        for bridge in self.others.admitted.iter().filter(|bridge| !used(bridge)) {
            out.push(format!("DOCKER-USER has a rule for `{bridge}`, which nobody needs"));
        }
    }
}

fn differ_table(
    family: &str,
    held: &Held,
    wanted: &BTreeSet<Element>,
    speaker: &Speaker,
    out: &mut Vec<String>,
) {
    for set in &held.missing_sets {
        out.push(format!("the set `{set}` of the table `{family}` is missing"));
    }
    for element in wanted.difference(&held.elements) {
        out.push(format!("missing: {}", speaker.element(element)));
    }
    for element in held.elements.difference(wanted) {
        out.push(format!("nobody needs: {}", speaker.element(element)));
    }
    for name in &held.strange_chains {
        out.push(format!("the chain `{name}` of the table `{family}` is none of ours"));
    }
    for chain in &held.chains {
        let name = chain.name;
        match chain.state {
            ChainState::AsMade => {}
            ChainState::Changed => out.push(format!("the chain `{name}` is not as it was made")),
            ChainState::Missing => {
                out.push(format!("the chain `{name}` is missing"));
                continue;
            }
        }
        for rule in &chain.rules {
            match rule {
                HeldRule::Ours(_) => {}
                HeldRule::Missing(words) => {
                    out.push(format!("the chain `{name}` lacks the rule: {words}"));
                }
                HeldRule::Strange(names) => {
                    out.push(format!(
                        "the chain `{name}` has a rule that is none of ours ({names})"
                    ));
                }
            }
        }
    }
}
