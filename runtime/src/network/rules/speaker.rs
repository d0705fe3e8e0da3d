//! What elements of sets and maps say, with the names that people know.
use super::super::definition::NetworkDefinition;
use super::super::endpoint::Endpoint;
use super::super::firewall::{Element, SetName};

/// Knows whose interfaces and addresses these are.
#[derive(Debug)]
pub(super) struct Speaker<'a> {
    bridges: &'a [(String, NetworkDefinition)],
    in_use: &'a [(NetworkDefinition, Vec<Endpoint>)],
}

impl<'a> Speaker<'a> {
    pub(super) fn of(
        bridges: &'a [(String, NetworkDefinition)],
        in_use: &'a [(NetworkDefinition, Vec<Endpoint>)],
    ) -> Speaker<'a> {
        Speaker { bridges, in_use }
    }

    /// ``network `net` (10.0.0.0/24) on `rb…` ``
    pub(super) fn bridge(&self, name: &str) -> String {
        match self.bridges.iter().find(|(known, _)| known == name) {
            Some((_, network)) => {
                format!("network `{}` ({}) on `{name}`", network.name, network.subnet)
            }
            None => format!("`{name}`, a bridge of no network"),
        }
    }

    pub(super) fn port(&self, name: &str) -> String {
        let mut endpoints = self.endpoints();
        match endpoints.find(|endpoint| endpoint.host_interface == name) {
            Some(endpoint) => format!("container `{}` by `{name}`", endpoint.name),
            None => format!("`{name}`, which belongs to no container,"),
        }
    }

    fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.in_use.iter().flat_map(|(_, endpoints)| endpoints)
    }

    pub(super) fn element(&self, element: &Element) -> String {
        let (key, value) = element.parts();
        let first = key.first().map(String::as_str).unwrap_or_default();
        match element.set {
            SetName::Bridges => format!("{} is a bridge of ours", self.bridge(first)),
            SetName::Pairs => format!("{} leads to itself", self.bridge(first)),
            SetName::Internal => format!("{} is internal", self.bridge(first)),
            SetName::Closed => {
                format!("{} keeps its containers apart", self.bridge(first))
            }
            SetName::Masqueraded => {
                format!("{} hides behind this machine's address", self.bridge(first))
            }
            SetName::Ports | SetName::AnyPorts => {
                format!("the port {} leads to {}", key.join(" "), value.join(" port "))
            }
            SetName::Hairpins => format!("{first} reaches its own published ports"),
            SetName::Guarded => format!("{} is looked at as a sender", self.port(first)),
            SetName::Senders => format!(
                "{} may send as {}",
                self.port(first),
                key.get(1..).unwrap_or_default().join(" and ")
            ),
        }
    }
}
