//! What a network is: written once, when it is made.
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::error::NetworkError;
use super::subnet::Subnet;

/// Of the form below; a definition of a higher one is refused.
pub(super) const SCHEMA: u32 = 1;

/// The network that containers are on unless they say otherwise.
pub const DEFAULT_NETWORK: &str = "bridge";

/// The network of programs that are no containers: the steps of builds. They do not reach each other.
pub const STEPS_NETWORK: &str = "rbuild-build";

/// Made when they are needed, and nobody's to be made or removed.
pub fn is_predefined(name: &str) -> bool {
    name == DEFAULT_NETWORK || name == STEPS_NETWORK
}

/// Everything about a network that does not change while it exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkDefinition {
    pub schema: u32,
    /// 64 hexadecimal digits.
    pub id: String,
    pub name: String,
    /// RFC 3339, with nanoseconds.
    pub created: String,
    pub subnet: Subnet,
    pub gateway: Ipv4Addr,
    /// Addresses are given out of this part of the subnet.
    pub ip_range: Option<Subnet>,
    /// Addresses that are never given out, by name.
    pub reserved: BTreeMap<String, Ipv4Addr>,
    /// The subnet was not asked for: another one does as well while nobody is on the network.
    pub subnet_is_ours: bool,
    pub internal: bool,
    pub labels: BTreeMap<String, String>,
    /// As they were given, for those who ask.
    pub options: BTreeMap<String, String>,
    pub bridge: BridgeOptions,
}

/// What the options of a network say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BridgeOptions {
    /// The interface's name instead of one that is made of the engine's and the network's.
    pub name: Option<String>,
    /// Instead of that of the default route.
    pub mtu: Option<u32>,
    /// What goes out has the host's address.
    pub masquerade: bool,
    /// Containers on the network reach each other.
    pub open: bool,
    /// The host's address of ports that are published without one.
    pub host_address: Option<Ipv4Addr>,
    /// Where other firewalls have a place for rules of others, ours may be put there.
    pub asks_others: bool,
}

impl Default for BridgeOptions {
    fn default() -> BridgeOptions {
        BridgeOptions {
            name: None,
            mtu: None,
            masquerade: true,
            open: true,
            host_address: None,
            asks_others: true,
        }
    }
}

/// A network to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkRequest {
    pub name: String,
    /// None is a free one of docker's pools.
    pub subnet: Option<Subnet>,
    /// None is the first address of the subnet.
    pub gateway: Option<Ipv4Addr>,
    pub ip_range: Option<Subnet>,
    pub reserved: BTreeMap<String, Ipv4Addr>,
    pub internal: bool,
    pub labels: BTreeMap<String, String>,
    pub options: BTreeMap<String, String>,
}

const PREFIX: &str = "com.docker.network.bridge.";

impl BridgeOptions {
    /// Docker's names of them, and shorter ones.
    pub fn parse(options: &BTreeMap<String, String>) -> Result<BridgeOptions, NetworkError> {
        let mut parsed = BridgeOptions::default();
        for (name, value) in options {
            let wrong = |expected| NetworkError::OptionValue {
                name: name.clone(),
                value: value.clone(),
                expected,
            };
            let short = name.strip_prefix(PREFIX).unwrap_or(name);
            match short {
                "com.docker.network.driver.mtu" | "mtu" => {
                    let mtu = value.parse().ok().filter(|mtu| (68..=65535).contains(mtu));
                    parsed.mtu = Some(mtu.ok_or_else(|| wrong("a number from 68 to 65535"))?);
                }
                "name" => {
                    let fits = is_interface_name(value);
                    parsed.name =
                        Some(fits.then(|| value.clone()).ok_or_else(|| {
                            wrong("the name of an interface, at most 15 characters")
                        })?);
                }
                "enable_icc" | "icc" => {
                    parsed.open = truth(value).ok_or_else(|| wrong("true or false"))?;
                }
                "isolation" => {
                    parsed.open = !truth(value).ok_or_else(|| wrong("true or false"))?;
                }
                "enable_ip_masquerade" | "masquerade" => {
                    parsed.masquerade = truth(value).ok_or_else(|| wrong("true or false"))?;
                }
                "host_firewall" => {
                    parsed.asks_others = truth(value).ok_or_else(|| wrong("true or false"))?;
                }
                "host_binding_ipv4" => {
                    let address = value.parse().map_err(|_| wrong("an IPv4 address"))?;
                    parsed.host_address = Some(address);
                }
                _ => return Err(NetworkError::Option { name: name.clone() }),
            }
        }
        Ok(parsed)
    }
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "1" | "t" | "T" | "TRUE" | "True" => Some(true),
        "false" | "0" | "f" | "F" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// The kernel's rule.
pub(super) fn is_interface_name(text: &str) -> bool {
    let odd = |byte: u8| byte == b'/' || byte == b':' || byte.is_ascii_whitespace() || byte == 0;
    (1..=15).contains(&text.len()) && text != "." && text != ".." && !text.bytes().any(odd)
}

impl NetworkRequest {
    /// The gateway and whatever else the request says of a subnet fits this one.
    pub(super) fn check_addresses(&self, subnet: Subnet) -> Result<Ipv4Addr, NetworkError> {
        let outside =
            |what: &'static str, address: String| NetworkError::Outside { what, address, subnet };
        let usable = |address: Ipv4Addr| {
            let edge = subnet.prefix() < 31
                && (address == subnet.network() || address == subnet.broadcast());
            subnet.contains(address) && !edge
        };
        if let Some(range) = self.ip_range.filter(|range| !subnet.includes(*range)) {
            return Err(outside("address range", range.to_string()));
        }
        if let Some(address) = self.reserved.values().find(|address| !subnet.contains(**address)) {
            return Err(outside("reserved address", address.to_string()));
        }
        let small = || NetworkError::Small { subnet };
        let gateway = match self.gateway {
            Some(gateway) if usable(gateway) => gateway,
            Some(gateway) => return Err(outside("gateway", gateway.to_string())),
            None => subnet.hosts().next().ok_or_else(small)?,
        };
        // The gateway and one container.
        if subnet.prefix() > 30 {
            return Err(small());
        }
        Ok(gateway)
    }
}

/// Docker's rule for names of networks.
pub(super) fn check_name(name: &str) -> Result<(), NetworkError> {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if matches!(name, "host" | "none" | "default" | "container") {
        return Err(NetworkError::Predefined { name: name.to_owned() });
    }
    if first && rest && name.len() <= 200 {
        return Ok(());
    }
    Err(NetworkError::BadName { name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn options_are_dockers_or_short() {
        let given = options(&[
            ("com.docker.network.driver.mtu", "1400"),
            ("com.docker.network.bridge.name", "mybridge0"),
            ("com.docker.network.bridge.enable_icc", "false"),
            ("masquerade", "false"),
            ("com.docker.network.bridge.host_binding_ipv4", "127.0.0.1"),
            ("host_firewall", "false"),
        ]);
        let expected = BridgeOptions {
            name: Some("mybridge0".to_owned()),
            mtu: Some(1400),
            masquerade: false,
            open: false,
            host_address: Some(Ipv4Addr::LOCALHOST),
            asks_others: false,
        };
        assert_eq!(BridgeOptions::parse(&given).unwrap(), expected);
        for wrong in [
            ("mtu", "0"),
            ("mtu", "x"),
            ("com.docker.network.bridge.name", "much-too-long-name"),
            ("com.docker.network.bridge.name", "a/b"),
            ("icc", "maybe"),
            ("com.docker.network.bridge.trusted_host_interfaces", "eth0"),
            ("parent", "eth0"),
        ] {
            assert!(BridgeOptions::parse(&options(&[wrong])).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn addresses_of_a_request_lie_in_its_subnet() {
        let subnet: Subnet = "10.1.0.0/24".parse().unwrap();
        let request = |gateway: Option<&str>, range: Option<&str>| NetworkRequest {
            gateway: gateway.map(|text| text.parse().unwrap()),
            ip_range: range.map(|text| text.parse().unwrap()),
            ..NetworkRequest::default()
        };
        let gateway =
            |request: NetworkRequest| request.check_addresses(subnet).unwrap().to_string();
        assert_eq!(gateway(request(None, None)), "10.1.0.1");
        assert_eq!(gateway(request(Some("10.1.0.254"), Some("10.1.0.128/25"))), "10.1.0.254");
        for wrong in [
            request(Some("10.2.0.1"), None),
            request(Some("10.1.0.0"), None),
            request(Some("10.1.0.255"), None),
            request(None, Some("10.1.0.0/23")),
        ] {
            assert!(wrong.check_addresses(subnet).is_err(), "{wrong:?}");
        }
        let small = "10.1.0.0/31".parse().unwrap();
        assert!(request(None, None).check_addresses(small).is_err());
    }

    #[test]
    fn predefined_names_are_not_free() {
        for wrong in ["host", "none", "default", "container", "", "-a", "a b", "a/b", "ä"] {
            assert!(check_name(wrong).is_err(), "{wrong}");
        }
        for right in ["a", "my_net.1-x", "bridge"] {
            assert!(check_name(right).is_ok(), "{right}");
        }
    }
}
