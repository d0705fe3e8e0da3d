//! Sets and maps of nf_tables, and their elements: what changes when networks and containers come and go.
use std::net::Ipv4Addr;

use super::super::mac::MacAddress;
use super::super::port::Protocol;

/// Names of interfaces are compared with all their 16 bytes.
const NAME: usize = 16;

/// Numbers by which `nft` knows what to show; the kernel does not look at them.
const TYPE_ADDRESS: u32 = 7;
const TYPE_HARDWARE: u32 = 9;
const TYPE_PROTOCOL: u32 = 12;
const TYPE_PORT: u32 = 13;
const TYPE_NAME: u32 = 41;
const TYPE_BITS: u32 = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::network) enum SetName {
    /// All bridges.
    Bridges,
    /// Each bridge with itself.
    Pairs,
    /// Bridges of networks without a way out.
    Internal,
    /// Bridges whose containers do not reach each other.
    Closed,
    /// Bridges behind the host's address.
    Masqueraded,
    /// Protocol, address and port of the host, to address and port of the container.
    Ports,
    /// Protocol and port, of every address of the host.
    AnyPorts,
    /// Each container that publishes ports, with itself.
    Hairpins,
    /// In the family `bridge`: ports of bridges whose senders are checked.
    Guarded,
    /// The senders that may be: interface, hardware address, IP address.
    Senders,
}

/// The tables, by family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::network) enum Family {
    Ip = 2,
    Bridge = 7,
}

/// One element: to which set it belongs, its key, and what a map has for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::network) struct Element {
    pub(in crate::network) set: SetName,
    pub(in crate::network) key: Vec<u8>,
    pub(in crate::network) value: Option<Vec<u8>>,
}

/// What a set holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) family: Family,
    pub(super) key: &'static [u32],
    pub(super) value: &'static [u32],
}

impl SetName {
    pub(super) const ALL: [SetName; 10] = [
        SetName::Bridges,
        SetName::Pairs,
        SetName::Internal,
        SetName::Closed,
        SetName::Masqueraded,
        SetName::Ports,
        SetName::AnyPorts,
        SetName::Hairpins,
        SetName::Guarded,
        SetName::Senders,
    ];

    pub(in crate::network) fn name(self) -> &'static str {
        match self {
            SetName::Bridges => "bridges",
            SetName::Pairs => "pairs",
            SetName::Internal => "internal",
            SetName::Closed => "closed",
            SetName::Masqueraded => "masqueraded",
            SetName::Ports => "ports",
            SetName::AnyPorts => "any-ports",
            SetName::Hairpins => "hairpins",
            SetName::Guarded => "guarded",
            SetName::Senders => "senders",
        }
    }

    pub(in crate::network) fn family(self) -> Family {
        self.form().family
    }

    /// For `nft`, which would show names of interfaces as numbers else: the order of a key's bytes.
    pub(super) fn user_data(key: &[u32]) -> [u8; 6] {
        const KEY_BYTE_ORDER: u8 = 0;
        let order: u32 = if key == [TYPE_NAME] { 1 } else { 2 };
        let [a, b, c, d] = order.to_ne_bytes();
        [KEY_BYTE_ORDER, 4, a, b, c, d]
    }

    pub(super) fn form(self) -> Form {
        let (family, key, value): (_, &[u32], &[u32]) = match self {
            SetName::Pairs => (Family::Ip, &[TYPE_NAME, TYPE_NAME], &[]),
            SetName::Ports => {
                (Family::Ip, &[TYPE_PROTOCOL, TYPE_ADDRESS, TYPE_PORT], &[TYPE_ADDRESS, TYPE_PORT])
            }
            SetName::AnyPorts => {
                (Family::Ip, &[TYPE_PROTOCOL, TYPE_PORT], &[TYPE_ADDRESS, TYPE_PORT])
            }
            SetName::Hairpins => (Family::Ip, &[TYPE_ADDRESS, TYPE_ADDRESS], &[]),
            SetName::Guarded => (Family::Bridge, &[TYPE_NAME], &[]),
            SetName::Senders => (Family::Bridge, &[TYPE_NAME, TYPE_HARDWARE, TYPE_ADDRESS], &[]),
            _ => (Family::Ip, &[TYPE_NAME], &[]),
        };
        Form { family, key, value }
    }
}

/// One type of several, as `nft` writes it.
pub(super) fn type_of(types: &[u32]) -> u32 {
    types.iter().fold(0, |all, one| (all << TYPE_BITS) | one)
}

/// Bytes of a key or value; each part is padded to four.
pub(super) fn length_of(types: &[u32]) -> u32 {
    let length = |one: &u32| match *one {
        TYPE_NAME => NAME as u32,
        TYPE_HARDWARE => 8,
        _ => 4,
    };
    types.iter().map(length).sum()
}

/// Parts of a key, each padded to four bytes.
#[derive(Clone, Debug, Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn name(mut self, name: &str) -> Bytes {
        let mut padded = [0; NAME];
        for (to, from) in padded.iter_mut().zip(name.bytes()) {
            *to = from;
        }
        self.0.extend(padded);
        self
    }

    fn padded(mut self, bytes: &[u8]) -> Bytes {
        self.0.extend(bytes);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    fn address(self, address: Ipv4Addr) -> Bytes {
        self.padded(&address.octets())
    }

    fn port(self, port: u16) -> Bytes {
        self.padded(&port.to_be_bytes())
    }
}

impl Element {
    fn of(set: SetName, key: Bytes) -> Element {
        Element { set, key: key.0, value: None }
    }

    pub(in crate::network) fn bridge(set: SetName, name: &str) -> Element {
        Element::of(set, Bytes::default().name(name))
    }

    pub(super) fn pair(name: &str) -> Element {
        Element::of(SetName::Pairs, Bytes::default().name(name).name(name))
    }

    pub(super) fn hairpin(address: Ipv4Addr) -> Element {
        Element::of(SetName::Hairpins, Bytes::default().address(address).address(address))
    }

    /// A published port: `host` none is every address.
    pub(super) fn port(
        protocol: Protocol,
        host: Option<Ipv4Addr>,
        host_port: u16,
        to: (Ipv4Addr, u16),
    ) -> Element {
        let key = Bytes::default().padded(&[protocol.number()]);
        let (set, key) = match host {
            Some(address) => (SetName::Ports, key.address(address)),
            None => (SetName::AnyPorts, key),
        };
        let value = Bytes::default().address(to.0).port(to.1);
        Element { set, key: key.port(host_port).0, value: Some(value.0) }
    }

    /// What the key consists of, and what a map has for it: names, addresses, numbers.
    pub(in crate::network) fn parts(&self) -> (Vec<String>, Vec<String>) {
        let Form { key, value, .. } = self.set.form();
        let of_value = self.value.as_deref().unwrap_or_default();
        (read(key, &self.key), read(value, of_value))
    }

    pub(super) fn sender(interface: &str, mac: MacAddress, address: Ipv4Addr) -> Element {
        let key = Bytes::default().name(interface).padded(&mac.0).address(address);
        Element::of(SetName::Senders, key)
    }
}

fn read(types: &[u32], mut bytes: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    for one in types {
        let length = (length_of(&[*one]) as usize).min(bytes.len());
        let (part, rest) = bytes.split_at(length);
        all.push(part_words(*one, part));
        bytes = rest;
    }
    all
}

fn part_words(kind: u32, part: &[u8]) -> String {
    match (kind, part) {
        (TYPE_NAME, name) => {
            let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
            String::from_utf8_lossy(&name[..end]).into_owned()
        }
        (TYPE_ADDRESS, [a, b, c, d]) => Ipv4Addr::new(*a, *b, *c, *d).to_string(),
        (TYPE_HARDWARE, [a, b, c, d, e, f, ..]) => MacAddress([*a, *b, *c, *d, *e, *f]).to_string(),
        (TYPE_PORT, [a, b, ..]) => u16::from_be_bytes([*a, *b]).to_string(),
        (TYPE_PROTOCOL, [number, ..]) => {
            let mut known = [Protocol::Tcp, Protocol::Udp].into_iter();
            let known = known.find(|protocol| protocol.number() == *number);
            known.map_or_else(|| format!("protocol {number}"), |known| known.name().to_owned())
        }
        _ => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn elements_are_as_long_as_their_sets_say() {
        let address = Ipv4Addr::new(172, 17, 0, 2);
        let all = [
            Element::bridge(SetName::Bridges, "rbx"),
            Element::pair("rbx"),
            Element::hairpin(address),
            Element::port(Protocol::Tcp, None, 8080, (address, 80)),
            Element::port(Protocol::Udp, Some(Ipv4Addr::LOCALHOST), 53, (address, 53)),
            Element::sender("rvx", MacAddress::of(address), address),
        ];
        for element in &all {
            let form = element.set.form();
            assert_eq!(element.key.len(), length_of(form.key) as usize, "{element:?}");
            let value = element.value.as_ref().map_or(0, Vec::len);
            assert_eq!(value, length_of(form.value) as usize, "{element:?}");
        }
        let parts = |element: &Element| {
            let (key, value) = element.parts();
            format!("{} = {}", key.join(" "), value.join(" "))
        };
        assert_eq!(parts(&all[4]), "udp 127.0.0.1 53 = 172.17.0.2 53");
        assert_eq!(parts(&all[5]), "rvx 02:42:ac:11:00:02 172.17.0.2 = ");
        assert_eq!(hex(&all[3].key), "060000001f900000");
        assert_eq!(hex(all[3].value.as_ref().unwrap()), "ac11000200500000");
        assert_eq!(hex(&all[4].key), "110000007f00000100350000");
        assert_eq!(type_of(&[TYPE_PROTOCOL, TYPE_PORT]), 12 << 6 | 13);
    }
}
