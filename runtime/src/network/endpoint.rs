//! A container on a network, as long as it runs: a file below the state directory, read by names' servers, by clean-up
//! and by who draws the picture.
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::mac::MacAddress;
use super::port::BoundPort;
use crate::containers::{ProcessName, short};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The container's ID and name.
    pub container: String,
    pub name: String,
    /// The network's ID and name.
    pub network: String,
    pub network_name: String,
    pub address: Ipv4Addr,
    pub prefix: u8,
    /// None on internal networks.
    pub gateway: Option<Ipv4Addr>,
    pub mac: MacAddress,
    /// The interface inside, and the host's end of the pair.
    pub interface: String,
    pub host_interface: String,
    /// Names by which others find it: the container's, its short ID, and aliases.
    pub names: Vec<String>,
    pub aliases: Vec<String>,
    /// Its senders are checked by the table too, because the container could get around the program: see [`super::sender`]. Those of
    /// versions before are checked by nothing else.
    #[serde(default = "by_rules")]
    pub by_rules: bool,
    /// Those that lead here.
    #[serde(default)]
    pub ports: Vec<BoundPort>,
    /// The shim that made it, and the boot: without them this is a leftover.
    pub shim: ProcessName,
    pub boot: String,
}

fn by_rules() -> bool {
    true
}

impl Endpoint {
    /// What others on its network may call a container: its name first.
    pub(super) fn names(name: &str, id: &str, aliases: &[String]) -> Vec<String> {
        let own = [name, short(id)].map(str::to_owned);
        own.into_iter().chain(aliases.iter().cloned()).collect()
    }

    pub(super) fn rename(&mut self, name: &str) {
        name.clone_into(&mut self.name);
        self.names = Endpoint::names(name, &self.container, &self.aliases);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_of_containers_of_versions_before_are_checked_by_rules() {
        let written = r#"{"container": "c", "name": "c", "network": "n", "network_name": "n", "address": "10.0.0.2",
            "prefix": 24, "gateway": null, "mac": "02:42:0a:00:00:02", "interface": "eth0", "host_interface": "rvx",
            "names": [], "aliases": [], "shim": {"pid": 1, "start": 1}, "boot": ""}"#;
        let read: Endpoint = serde_json::from_str(written).unwrap();
        assert!(read.by_rules);
        let again = serde_json::to_string(&Endpoint { by_rules: false, ..read }).unwrap();
        assert!(!serde_json::from_str::<Endpoint>(&again).unwrap().by_rules);
    }
}
