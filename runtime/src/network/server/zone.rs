//! Which names the containers of some networks have, read anew when somebody came or went.
use std::collections::HashMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::super::directory::Networks;
use super::super::endpoint::Endpoint;
use super::super::subnet::Subnet;

/// A change so soon after another one may have the same time.
const GRAIN: Duration = Duration::from_millis(50);

/// A network whose names are known here.
#[derive(Clone, Debug)]
pub(in crate::network) struct Known {
    pub(in crate::network) id: String,
    pub(in crate::network) subnet: Subnet,
}

#[derive(Debug)]
pub(super) struct Zone {
    /// Where it is read; nowhere if there are no names.
    networks: Option<Networks>,
    known: Vec<Known>,
    /// When each directory of endpoints had changed; none is to be looked at again.
    times: Vec<Option<SystemTime>>,
    names: Names,
    /// Replicas take turns.
    turn: usize,
}

/// What names and addresses stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    addresses: HashMap<String, Vec<Ipv4Addr>>,
    names: HashMap<Ipv4Addr, String>,
}

impl Names {
    pub(super) fn of<'a>(endpoints: impl IntoIterator<Item = &'a Endpoint>) -> Names {
        let mut all = Names::default();
        for endpoint in endpoints {
            for name in &endpoint.names {
                let name = name.to_ascii_lowercase();
                let full = format!("{name}.{}", endpoint.network_name.to_ascii_lowercase());
                for name in [name, full] {
                    let addresses = all.addresses.entry(name).or_default();
                    if !addresses.contains(&endpoint.address) {
                        addresses.push(endpoint.address);
                    }
                }
            }
            let full = format!("{}.{}", endpoint.name, endpoint.network_name);
            all.names.insert(endpoint.address, full);
        }
        all
    }
}

impl Zone {
    pub(super) fn new(networks: Networks, known: Vec<Known>) -> Zone {
        let times = vec![None; known.len()];
        Zone { networks: Some(networks), known, times, names: Names::default(), turn: 0 }
    }

    pub(super) fn of_nobody() -> Zone {
        let (known, times) = (Vec::new(), Vec::new());
        Zone { networks: None, known, times, names: Names::default(), turn: 0 }
    }

    /// The addresses of a name, another one first each time; none if nobody has it.
    pub(super) fn addresses(&mut self, name: &str) -> Option<Vec<Ipv4Addr>> {
        self.refresh();
        let mut found = self.names.addresses.get(name)?.clone();
        self.turn = self.turn.wrapping_add(1);
        let first = self.turn % found.len().max(1);
        found.rotate_left(first);
        Some(found)
    }

    /// Whether there are addresses, without anybody's turn.
    pub(super) fn knows(&mut self, name: &str) -> bool {
        self.refresh();
        self.names.addresses.contains_key(name)
    }

    pub(super) fn name(&mut self, address: Ipv4Addr) -> Option<String> {
        self.refresh();
        self.names.names.get(&address).cloned()
    }

    /// The address is one of these networks: nobody else knows its name.
    pub(super) fn has(&self, address: Ipv4Addr) -> bool {
        self.known.iter().any(|network| network.subnet.contains(address))
    }

    fn refresh(&mut self) {
        let Some(networks) = &self.networks else { return };
        let changed: Vec<Option<SystemTime>> = self
            .known
            .iter()
            .map(|network| changed(networks.endpoints_directory(&network.id)))
            .collect();
        if changed == self.times && self.times.iter().all(Option::is_some) {
            return;
        }
        let mut endpoints = Vec::new();
        for network in &self.known {
            // One that cannot be read now is read at the next question.
            endpoints.extend(networks.endpoints(&network.id).unwrap_or_default());
        }
        endpoints.retain(|endpoint| networks.is_living(endpoint));
        self.names = Names::of(&endpoints);
        let now = SystemTime::now();
        let settled = |time: Option<SystemTime>| {
            time.filter(|time| now.duration_since(*time).is_ok_and(|age| age > GRAIN))
        };
        self.times = changed.into_iter().map(settled).collect();
    }
}

fn changed(directory: PathBuf) -> Option<SystemTime> {
    fs::metadata(directory).ok()?.modified().ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::containers::ProcessName;
    use crate::network::MacAddress;

    fn endpoint(name: &str, aliases: &[&str], last: u8) -> Endpoint {
        let address = Ipv4Addr::new(10, 0, 0, last);
        let mut names = vec![name.to_owned(), format!("{last:012}")];
        names.extend(aliases.iter().map(ToString::to_string));
        Endpoint {
            container: format!("{last:064}"),
            name: name.to_owned(),
            network: "n".repeat(64),
            network_name: "Net".to_owned(),
            address,
            prefix: 24,
            gateway: None,
            mac: MacAddress::of(address),
            interface: "eth0".to_owned(),
            host_interface: "rvx".to_owned(),
            names,
            aliases: Vec::new(),
            by_rules: false,
            ports: Vec::new(),
            shim: ProcessName { pid: 1, start: 1 },
            boot: String::new(),
        }
    }

    /// Of a network on which so many containers are, `c1` and on, all of them `web`.
    pub(in crate::network::server) fn zone(count: u8) -> (tempfile::TempDir, Zone) {
        let store = tempfile::tempdir().unwrap();
        let networks = Networks::open(store.path(), &store.path().join("state")).unwrap();
        for number in 1..=count {
            let shim = ProcessName::of_self().unwrap();
            let living = endpoint(&format!("c{number}"), &["web"], number + 1);
            let boot = networks.boot.clone();
            networks.write_endpoint(&Endpoint { shim, boot, ..living }).unwrap();
        }
        let known = Known { id: "n".repeat(64), subnet: "10.0.0.0/24".parse().unwrap() };
        (store, Zone::new(networks, vec![known]))
    }

    #[test]
    fn names_aliases_and_ids_stand_for_addresses() {
        let all = [endpoint("Web-1", &["web"], 2), endpoint("web-2", &["web"], 3)];
        let names = Names::of(&all);
        let of = |name: &str| names.addresses.get(name).map_or(0, Vec::len);
        for (name, count) in [
            ("web-1", 1),
            ("web-1.net", 1),
            ("web", 2),
            ("web.net", 2),
            ("000000000003", 1),
            ("web.other", 0),
            ("", 0),
        ] {
            assert_eq!(of(name), count, "{name}");
        }
        assert_eq!(names.names[&Ipv4Addr::new(10, 0, 0, 3)], "web-2.Net");
    }
}
