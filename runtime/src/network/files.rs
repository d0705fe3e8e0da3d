//! /etc/hosts and /etc/resolv.conf of a container on networks, as docker writes them.
use std::fs;
use std::net::{IpAddr, Ipv4Addr};

use super::definition::DEFAULT_NETWORK;
use super::endpoint::Endpoint;
use super::firewall::resolver::ADDRESS;
use super::settings::{HostAddress, NetworkSettings};

const HOSTS: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n\
                     fe00::0\tip6-localnet\nff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\n\
                     ff02::2\tip6-allrouters\n";

/// Where systemd-resolved tells which servers it asks itself.
const UPSTREAM: &str = "/run/systemd/resolve/resolv.conf";

/// Its own addresses.
const STUBS: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53)), IpAddr::V4(Ipv4Addr::new(127, 0, 0, 54))];

/// The lines of a resolv.conf.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Resolver {
    pub(super) servers: Vec<IpAddr>,
    pub(super) search: Vec<String>,
    pub(super) options: Vec<String>,
}

/// The loopback names, what was added, and the container's own names at each of its addresses.
pub(super) fn hosts(settings: &NetworkSettings, endpoints: &[Endpoint]) -> Vec<u8> {
    let mut text = HOSTS.to_owned();
    let gateway = gateway(endpoints);
    for (name, address) in &settings.extra_hosts {
        let address = match address {
            HostAddress::Address(address) => Some(*address),
            HostAddress::Gateway => gateway.map(IpAddr::V4),
        };
        if let Some(address) = address {
            text.push_str(&format!("{address}\t{name}\n"));
        }
    }
    for endpoint in endpoints {
        text.push_str(&format!("{}\t{}\n", endpoint.address, settings.host_names.join(" ")));
    }
    text.into_bytes()
}

/// /etc/hosts of a container that runs, after it came to a network or went from one: what it or its user wrote there
/// stays. `before` and `after` are what [`hosts`] said and says.
pub(crate) fn merged_hosts(current: &[u8], before: &[u8], after: &[u8]) -> Vec<u8> {
    let lines = |text| String::from_utf8_lossy(text).lines().map(str::to_owned).collect::<Vec<_>>();
    let (before, after) = (lines(before), lines(after));
    let mut all = lines(current);
    for gone in before.iter().filter(|line| !after.contains(line)) {
        all.retain(|line| line != gone);
    }
    for new in after.into_iter().filter(|line| !before.contains(line)) {
        if !all.contains(&new) {
            all.push(new);
        }
    }
    let text: String = all.iter().map(|line| format!("{line}\n")).collect();
    text.into_bytes()
}

/// The host as the container reaches it.
fn gateway(endpoints: &[Endpoint]) -> Option<Ipv4Addr> {
    endpoints.iter().find_map(|endpoint| endpoint.gateway)
}

/// Whether the container asks the shim for names: on networks other than the default one it does; on that one only
/// if the host's own servers cannot be reached from there.
pub(super) fn asks_the_shim(
    settings: &NetworkSettings,
    endpoints: &[Endpoint],
    host: &Resolver,
) -> bool {
    let named = endpoints.iter().any(|endpoint| endpoint.network_name != DEFAULT_NETWORK);
    let unreachable = settings.dns.servers.is_empty()
        && host.servers.iter().all(|server| server.is_loopback())
        && !endpoints.is_empty();
    named || unreachable
}

/// What the container's resolv.conf says. `asks_shim` is of [`asks_the_shim`].
pub(super) fn resolv_conf(settings: &NetworkSettings, host: &Resolver, asks_shim: bool) -> Vec<u8> {
    let given = &settings.dns;
    let servers: Vec<IpAddr> = match (asks_shim, given.servers.as_slice()) {
        (true, _) => vec![IpAddr::V4(ADDRESS)],
        (false, []) => {
            host.servers.iter().copied().filter(|server| !server.is_loopback()).collect()
        }
        (false, given) => given.to_vec(),
    };
    let search = match given.search.as_slice() {
        [] => host.search.clone(),
        // Docker's word for none.
        [none] if none == "." => Vec::new(),
        domains => domains.to_vec(),
    };
    let mut options =
        if given.options.is_empty() { host.options.clone() } else { given.options.clone() };
    if asks_shim && !options.iter().any(|option| option.starts_with("ndots:")) {
        options.push("ndots:0".to_owned());
    }
    let mut text: String = servers.iter().map(|server| format!("nameserver {server}\n")).collect();
    for (word, values) in [("search", search), ("options", options)] {
        if !values.is_empty() {
            text.push_str(&format!("{word} {}\n", values.join(" ")));
        }
    }
    text.into_bytes()
}

impl Resolver {
    /// The host's. Where systemd-resolved answers at a loopback address, the servers that it asks.
    pub(super) fn of_host() -> Resolver {
        let read = |path: &str| {
            let text = fs::read(path).unwrap_or_default();
            Resolver::parse(&String::from_utf8_lossy(&text))
        };
        read("/etc/resolv.conf").or_what_is_behind(|| read(UPSTREAM))
    }

    fn or_what_is_behind(self, upstream: impl FnOnce() -> Resolver) -> Resolver {
        if self.servers.is_empty() || !self.servers.iter().all(|server| STUBS.contains(server)) {
            return self;
        }
        match upstream().servers {
            servers if servers.is_empty() => self,
            servers => Resolver { servers, ..self },
        }
    }

    fn parse(text: &str) -> Resolver {
        let mut resolver = Resolver::default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                // An address may name an interface of the host's, which means nothing elsewhere.
                Some("nameserver") => {
                    resolver
                        .servers
                        .extend(words.next().and_then(|word| word.parse::<IpAddr>().ok()));
                }
                Some("search" | "domain") => resolver.search = words.map(str::to_owned).collect(),
                Some("options") => resolver.options.extend(words.map(str::to_owned)),
                _ => {}
            }
        }
        resolver
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::DnsSettings;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn resolv_conf_names_the_shim_or_what_can_be_reached() {
        let host = Resolver::parse(
            "# made by hand\nnameserver 127.0.0.53\nnameserver 10.0.0.1\nnameserver fe80::1%eth0\nsearch a b\noptions edns0\n",
        );
        assert_eq!(host.servers.len(), 2);
        let settings = NetworkSettings::default();
        let shown = |settings: &NetworkSettings, shim| text(resolv_conf(settings, &host, shim));
        assert_eq!(
            shown(&settings, true),
            "nameserver 127.0.0.11\nsearch a b\noptions edns0 ndots:0\n"
        );
        assert_eq!(shown(&settings, false), "nameserver 10.0.0.1\nsearch a b\noptions edns0\n");
        let dns = DnsSettings {
            servers: vec!["9.9.9.9".parse().unwrap()],
            search: vec![".".to_owned()],
            options: vec!["ndots:2".to_owned()],
        };
        let settings = NetworkSettings { dns, ..settings };
        assert_eq!(shown(&settings, true), "nameserver 127.0.0.11\noptions ndots:2\n");
        assert_eq!(shown(&settings, false), "nameserver 9.9.9.9\noptions ndots:2\n");
    }

    #[test]
    fn behind_the_stub_of_systemd_are_the_servers_it_asks() {
        let of = |own: &str, upstream: &str| {
            let found = Resolver::parse(own).or_what_is_behind(|| Resolver::parse(upstream));
            text(resolv_conf(&NetworkSettings::default(), &found, false))
        };
        let stub = "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch home\n";
        let upstream = "nameserver 192.0.2.1\nnameserver 192.0.2.2\nsearch elsewhere\n";
        let rest = "search home\noptions edns0 trust-ad\n";
        assert_eq!(
            of(stub, upstream),
            format!("nameserver 192.0.2.1\nnameserver 192.0.2.2\n{rest}")
        );
        // Nothing is behind it: what is left cannot be reached from a container.
        assert_eq!(of(stub, ""), rest);
        assert_eq!(of("nameserver 127.0.0.54\n", upstream).lines().count(), 2);
        // Another server beside it, or one of the machine's own.
        for own in ["nameserver 127.0.0.53\nnameserver 192.0.2.9\n", "nameserver 127.0.0.1\n", ""] {
            assert!(!of(own, upstream).contains("192.0.2.1"), "{own}");
        }
    }

    #[test]
    fn what_others_wrote_into_hosts_stays() {
        let merged = |current: &str, before: &str, after: &str| {
            text(merged_hosts(current.as_bytes(), before.as_bytes(), after.as_bytes()))
        };
        let (one, both) = ("a\n10.0.0.2\tbox\n", "a\n10.0.0.2\tbox\n10.1.0.2\tbox\n");
        assert_eq!(merged(one, one, both), both);
        assert_eq!(merged(both, both, one), one);
        assert_eq!(
            merged("a\n10.0.0.2\tbox\nmine", one, both),
            "a\n10.0.0.2\tbox\nmine\n10.1.0.2\tbox\n"
        );
        assert_eq!(merged("", one, both), "10.1.0.2\tbox\n");
        assert_eq!(merged(both, one, both), both);
    }

    #[test]
    fn added_hosts_come_before_the_containers_own() {
        let settings = NetworkSettings {
            host_names: vec!["box.example".to_owned(), "box".to_owned()],
            extra_hosts: vec![
                ("db".to_owned(), HostAddress::Address([10, 0, 0, 1].into())),
                ("machine".to_owned(), HostAddress::Gateway),
            ],
            ..NetworkSettings::default()
        };
        let shown = text(hosts(&settings, &[]));
        assert!(shown.starts_with("127.0.0.1\tlocalhost\n"));
        // Without a gateway there is no way to the host.
        assert!(shown.ends_with("ip6-allrouters\n10.0.0.1\tdb\n"), "{shown}");
    }
}
