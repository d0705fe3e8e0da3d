//! Where a registry is.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use std::path::PathBuf;

use super::rules::Endpoint;
use super::settings::RegistrySettings;

/// The one registry whose name is not that of its server.
const HUB: &str = "docker.io";
const HUB_SERVER: &str = "registry-1.docker.io";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    /// As in names of images.
    pub(super) name: String,
    /// `host[:port]`
    pub(super) authority: String,
    /// Plain HTTP will do, and certificates are not looked at.
    pub(super) insecure: bool,
    pub(super) loopback: bool,
    /// Certificates to trust besides those of the system, and the one to show with its key.
    pub(super) authorities: Vec<PathBuf>,
    pub(super) shown: Option<(PathBuf, PathBuf)>,
}

impl Host {
    pub(super) fn of(endpoint: &Endpoint, settings: &RegistrySettings) -> Host {
        let Endpoint { registry, place, .. } = endpoint;
        let authority = if registry == HUB { HUB_SERVER } else { registry };
        Host {
            name: registry.to_owned(),
            authority: authority.to_owned(),
            insecure: settings.all_insecure
                || place.insecure
                || settings.insecure.iter().any(|host| host == registry),
            loopback: is_loopback(authority),
            authorities: place.authorities.clone(),
            shown: place.shown.clone(),
        }
    }

    /// Whether it may be spoken to without TLS.
    pub(super) fn may_be_plain(&self) -> bool {
        self.insecure || self.loopback
    }
}

pub(super) fn is_loopback(authority: &str) -> bool {
    let host = without_port(authority);
    host == "localhost" || address(host).is_some_and(|address| address.is_loopback())
}

/// Addresses of the link alone, where clouds have what only the machine itself may know.
pub(super) fn is_link_local(authority: &str) -> bool {
    let of_four = |address: Ipv4Addr| address.is_link_local() || address.is_unspecified();
    let of_six = |address: Ipv6Addr| address.segments()[0] & 0xffc0 == 0xfe80;
    match address(without_port(authority)) {
        Some(IpAddr::V4(address)) => of_four(address),
        Some(IpAddr::V6(address)) => of_six(address),
        None => false,
    }
}

fn address(host: &str) -> Option<IpAddr> {
    match host.parse().ok()? {
        IpAddr::V6(address) => {
            Some(address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4))
        }
        address => Some(address),
    }
}

fn without_port(authority: &str) -> &str {
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.split_once(':').map_or(authority, |(host, _)| host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_known_in_every_form() {
        for (authority, loopback, link) in [
            ("localhost:5000", true, false),
            ("127.0.0.1", true, false),
            ("127.9.9.9:1", true, false),
            ("[::1]:5000", true, false),
            ("[::ffff:127.0.0.1]:5000", true, false),
            ("169.254.169.254", false, true),
            ("[fe80::1]:80", false, true),
            ("[::ffff:169.254.1.1]", false, true),
            ("localhost.example", false, false),
            ("192.0.2.1:443", false, false),
        ] {
            assert_eq!(is_loopback(authority), loopback, "{authority}");
            assert_eq!(is_link_local(authority), link, "{authority}");
        }
    }

    #[test]
    fn only_the_hub_is_elsewhere() {
        let mut settings = RegistrySettings::default();
        settings.insecure.push("plain.example:80".to_owned());
        let of = |name: &str| Host::of(&settings.rules.registry(name).unwrap(), &settings);
        assert_eq!(of("docker.io").authority, HUB_SERVER);
        let host = of("plain.example:80");
        assert_eq!((host.authority.as_str(), host.may_be_plain()), ("plain.example:80", true));
        assert!(!of("plain.example").may_be_plain());
    }
}
