//! `extra_hosts`: addresses by name.

use std::collections::BTreeMap;

use super::attribute::{Attribute, Misfit, ValueError};
use crate::render::{Data, Form};
use crate::yaml::{Node, Value};

/// Addresses of each name, in the order written. `host-gateway` stands for the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts(pub BTreeMap<String, Vec<String>>);

impl Hosts {
    /// From entries `name=address` or `name:address`.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Hosts, ValueError> {
        let mut hosts = Hosts::default();
        for entry in entries {
            let missing = || ValueError::HostWithoutAddress { text: entry.to_owned() };
            let pair = entry.split_once('=').or_else(|| entry.split_once(':'));
            let (name, addresses) = pair.ok_or_else(missing)?;
            check_name(name)?;
            hosts.add(name, addresses.split(','));
        }
        Ok(hosts)
    }

    /// As entries `name=address`, sorted.
    pub fn entries(&self) -> Vec<String> {
        let mut entries: Vec<String> = self
            .0
            .iter()
            .flat_map(|(name, list)| list.iter().map(move |address| format!("{name}={address}")))
            .collect();
        entries.sort();
        entries
    }

    fn add<'a>(&mut self, name: &str, addresses: impl Iterator<Item = &'a str>) {
        let list = self.0.entry(name.to_owned()).or_default();
        list.extend(addresses.map(|address| bare(address).to_owned()));
    }
}

fn check_name(name: &str) -> Result<(), ValueError> {
    let good = !name.is_empty() && !name.contains(':');
    if good { Ok(()) } else { Err(ValueError::Host { text: name.to_owned() }) }
}

/// `[::1]` is `::1`.
fn bare(address: &str) -> &str {
    address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(address)
}

impl Attribute for Hosts {
    fn decode(node: &Node) -> Result<Hosts, Misfit> {
        let at = |error| Misfit::new(error, node);
        match &node.value {
            Value::Null => Ok(Hosts::default()),
            Value::List(list) => {
                let entries: Vec<&str> = list.iter().filter_map(Node::as_str).collect();
                Hosts::parse(entries).map_err(at)
            }
            Value::Map(map) => {
                let mut hosts = Hosts::default();
                for (name, node) in map.iter() {
                    check_name(name).map_err(at)?;
                    match &node.value {
                        Value::List(list) => hosts.add(name, list.iter().filter_map(Node::as_str)),
                        _ => hosts.add(name, node.scalar_text().unwrap_or_default().split(',')),
                    }
                }
                Ok(hosts)
            }
            _ => Err(Misfit::expected("a mapping, or a list of `name=address`", node)),
        }
    }

    fn encode(&self, _: Form) -> Data {
        Data::List(self.entries().into_iter().map(Data::Text).collect())
    }

    fn is_unset(&self, _: Form) -> bool {
        self.0.is_empty()
    }
}
