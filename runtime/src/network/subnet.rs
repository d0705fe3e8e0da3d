//! IPv4 subnets: `172.18.0.0/16`.
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An address range given by a prefix; host bits are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subnet {
    network: Ipv4Addr,
    prefix: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an IPv4 subnet such as 172.28.0.0/16")]
pub struct SubnetError {
    pub text: String,
}

impl Subnet {
    /// The subnet of this length that `address` is in.
    pub fn containing(address: Ipv4Addr, prefix: u8) -> Option<Subnet> {
        (prefix <= 32).then(|| {
            let network = Ipv4Addr::from_bits(address.to_bits() & mask(prefix));
            Subnet { network, prefix }
        })
    }

    pub fn network(self) -> Ipv4Addr {
        self.network
    }

    pub fn prefix(self) -> u8 {
        self.prefix
    }

    pub fn broadcast(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.network.to_bits() | !mask(self.prefix))
    }

    pub fn contains(self, address: Ipv4Addr) -> bool {
        address.to_bits() & mask(self.prefix) == self.network.to_bits()
    }

    /// All of `other` is in it.
    pub fn includes(self, other: Subnet) -> bool {
        self.prefix <= other.prefix && self.contains(other.network)
    }

    pub fn overlaps(self, other: Subnet) -> bool {
        self.includes(other) || other.includes(self)
    }

    /// The addresses that hosts may have, in order.
    pub fn hosts(self) -> impl Iterator<Item = Ipv4Addr> {
        let (first, last) = (self.network.to_bits(), self.broadcast().to_bits());
        // With 31 and 32 bits there is neither a network's address nor a broadcast's.
        let edge = u32::from(self.prefix < 31);
        (first + edge..=last - edge).map(Ipv4Addr::from_bits)
    }

    /// Its parts with this longer prefix, in order.
    pub fn parts(self, prefix: u8) -> impl Iterator<Item = Subnet> {
        let count = 1_u32 << u32::from(prefix.saturating_sub(self.prefix)).min(31);
        let size = 1_u64 << (32 - u32::from(prefix.min(32)));
        let first = u64::from(self.network.to_bits());
        (0..count).filter_map(move |number| {
            let start = u32::try_from(first + u64::from(number) * size).ok()?;
            Subnet::containing(Ipv4Addr::from_bits(start), prefix)
        })
    }
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

impl FromStr for Subnet {
    type Err = SubnetError;

    /// Host bits may be set; they are dropped, as docker does.
    fn from_str(text: &str) -> Result<Subnet, SubnetError> {
        let read = || {
            let (address, prefix) = text.split_once('/')?;
            Subnet::containing(address.parse().ok()?, prefix.parse().ok()?)
        };
        read().ok_or_else(|| SubnetError { text: text.to_owned() })
    }
}

impl TryFrom<String> for Subnet {
    type Error = SubnetError;

    fn try_from(text: String) -> Result<Subnet, SubnetError> {
        text.parse()
    }
}

impl From<Subnet> for String {
    fn from(subnet: Subnet) -> String {
        subnet.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().unwrap()
    }

    #[test]
    fn subnets_are_ranges_of_addresses() {
        let net = subnet("172.18.5.9/16");
        assert_eq!(net.to_string(), "172.18.0.0/16");
        assert_eq!(net.broadcast(), Ipv4Addr::new(172, 18, 255, 255));
        assert!(net.contains([172, 18, 200, 1].into()) && !net.contains([172, 19, 0, 1].into()));
        let hosts = |text| subnet(text).hosts().map(|host| host.to_string()).collect::<Vec<_>>();
        assert_eq!(hosts("10.0.0.0/30"), ["10.0.0.1", "10.0.0.2"]);
        assert_eq!(hosts("10.0.0.0/31"), ["10.0.0.0", "10.0.0.1"]);
        assert_eq!(hosts("10.0.0.7/32"), ["10.0.0.7"]);
        assert_eq!(subnet("0.0.0.0/0").hosts().next(), Some([0, 0, 0, 1].into()));
    }

    #[test]
    fn overlap_is_one_within_the_other() {
        for (a, b, expected) in [
            ("10.0.0.0/8", "10.9.0.0/16", true),
            ("10.9.0.0/16", "10.0.0.0/8", true),
            ("10.0.0.0/16", "10.1.0.0/16", false),
            ("0.0.0.0/0", "10.1.0.0/16", true),
            ("10.1.2.3/32", "10.1.2.3/32", true),
        ] {
            assert_eq!(subnet(a).overlaps(subnet(b)), expected, "{a} {b}");
        }
    }

    #[test]
    fn parts_cover_a_pool() {
        let parts: Vec<_> =
            subnet("172.20.0.0/14").parts(16).map(|part| part.to_string()).collect();
        assert_eq!(parts, ["172.20.0.0/16", "172.21.0.0/16", "172.22.0.0/16", "172.23.0.0/16"]);
        assert_eq!(subnet("192.168.0.0/16").parts(20).count(), 16);
        assert_eq!(subnet("172.17.0.0/16").parts(16).count(), 1);
        assert_eq!(subnet("255.255.0.0/16").parts(24).count(), 256);
    }

    #[test]
    fn what_is_no_subnet_is_refused() {
        for wrong in ["", "10.0.0.0", "10.0.0.0/33", "10.0.0/8", "fd00::/64", "a/8", "10.0.0.0/-1"]
        {
            assert!(wrong.parse::<Subnet>().is_err(), "{wrong}");
        }
    }
}
