//! Published ports, as `-p` writes them.
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    #[default]
    Tcp,
    Udp,
}

/// A port that a container listens on: `80/tcp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ContainerPort {
    pub port: u16,
    pub protocol: Protocol,
}

/// From the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRange {
    pub first: u16,
    pub last: u16,
}

/// A port of the container that can be reached by a port of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedPort {
    /// The address of the host; none is every address.
    pub host_ip: Option<IpAddr>,
    /// The first one that is free of these; none is a free one of the kernel's choice at each start.
    pub host_ports: Option<PortRange>,
    pub container: ContainerPort,
}

/// A published port as it is while the container runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundPort {
    pub host_ip: Option<IpAddr>,
    pub host_port: u16,
    pub container: ContainerPort,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    #[error("`{text}`: `{part}` is not a port or a range of ports (1 to 65535, `8000-8010`)")]
    Range { text: String, part: String },
    #[error("`{text}`: `{part}` is not an IP address of this machine")]
    Address { text: String, part: String },
    #[error("`{text}`: the protocol `{part}` is not supported; known are tcp and udp")]
    Protocol { text: String, part: String },
    #[error("`{text}`: {host} ports of the host cannot lead to {container} ports of the container")]
    Counts { text: String, host: usize, container: usize },
}

impl Protocol {
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        }
    }

    /// Its number in IP headers.
    pub(crate) fn number(self) -> u8 {
        match self {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for ContainerPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.port, self.protocol)
    }
}

impl PortRange {
    pub fn count(self) -> usize {
        usize::from(self.last - self.first) + 1
    }

    pub fn ports(self) -> impl Iterator<Item = u16> {
        self.first..=self.last
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => write!(f, "{}", self.first),
            false => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

/// `80`, `80/udp`, `8000-8010`: what EXPOSE and `--expose` say.
pub fn parse_exposed(text: &str) -> Result<Vec<ContainerPort>, PortError> {
    let (ports, protocol) = with_protocol(text, text)?;
    let ports = range(text, ports)?.ports();
    Ok(ports.map(|port| ContainerPort { port, protocol }).collect())
}

/// `[[IP:][HOST]:]CONTAINER[/PROTOCOL]`; ranges become one published port for each port of the container.
pub fn parse_published(text: &str) -> Result<Vec<PublishedPort>, PortError> {
    let (rest, protocol) = with_protocol(text, text)?;
    let (rest, container) = match rest.rsplit_once(':') {
        Some((rest, container)) => (Some(rest), container),
        None => (None, rest),
    };
    let container = range(text, container)?;
    let (host_ip, host) = match rest {
        None => (None, None),
        Some(rest) => host_side(text, rest)?,
    };
    let pairs = pair(text, host, container)?;
    let all = container.ports().zip(pairs);
    let published = all.map(|(port, host_ports)| PublishedPort {
        host_ip,
        host_ports,
        container: ContainerPort { port, protocol },
    });
    Ok(published.collect())
}

/// `IP:PORTS`, `IP:`, `PORTS`; an IPv6 address is in brackets.
fn host_side(text: &str, rest: &str) -> Result<(Option<IpAddr>, Option<PortRange>), PortError> {
    let (address, ports) = match rest.rsplit_once(':') {
        Some((address, ports)) if !rest.ends_with(']') => (Some(address), ports),
        _ if rest.contains(['.', ']']) => (Some(rest), ""),
        _ => (None, rest),
    };
    let wrong = |part: &str| PortError::Address { text: text.to_owned(), part: part.to_owned() };
    let address = match address {
        None | Some("") => None,
        Some(part) => {
            let bare = part.strip_prefix('[').and_then(|part| part.strip_suffix(']'));
            let address: IpAddr = bare.unwrap_or(part).parse().map_err(|_| wrong(part))?;
            (!address.is_unspecified() || address.is_ipv6()).then_some(address)
        }
    };
    let ports = if ports.is_empty() { None } else { Some(range(text, ports)?) };
    Ok((address, ports))
}

/// The ports of the host that each port of the container may get.
fn pair(
    text: &str,
    host: Option<PortRange>,
    container: PortRange,
) -> Result<Vec<Option<PortRange>>, PortError> {
    let count = container.count();
    match host {
        None => Ok(vec![None; count]),
        Some(host) if count == 1 => Ok(vec![Some(host)]),
        Some(host) if host.count() == count => {
            Ok(host.ports().map(|port| Some(PortRange { first: port, last: port })).collect())
        }
        Some(host) => {
            Err(PortError::Counts { text: text.to_owned(), host: host.count(), container: count })
        }
    }
}

fn with_protocol<'a>(text: &str, rest: &'a str) -> Result<(&'a str, Protocol), PortError> {
    let Some((rest, name)) = rest.split_once('/') else { return Ok((rest, Protocol::Tcp)) };
    match name.to_ascii_lowercase().as_str() {
        "tcp" => Ok((rest, Protocol::Tcp)),
        "udp" => Ok((rest, Protocol::Udp)),
        _ => Err(PortError::Protocol { text: text.to_owned(), part: name.to_owned() }),
    }
}

fn range(text: &str, part: &str) -> Result<PortRange, PortError> {
    let wrong = || PortError::Range { text: text.to_owned(), part: part.to_owned() };
    let number = |word: &str| match word.parse::<u16>() {
        Ok(port) if port > 0 && word.bytes().all(|byte| byte.is_ascii_digit()) => Ok(port),
        _ => Err(wrong()),
    };
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    let range = PortRange { first: number(first)?, last: number(last)? };
    if range.first > range.last { Err(wrong()) } else { Ok(range) }
}

impl FromStr for Protocol {
    type Err = PortError;

    fn from_str(text: &str) -> Result<Protocol, PortError> {
        with_protocol(text, &format!("/{text}")).map(|(_, protocol)| protocol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let all = parse_published(text).unwrap().into_iter().map(|port| {
            let ip = port.host_ip.map_or("*".to_owned(), |ip| ip.to_string());
            let host = port.host_ports.map_or("?".to_owned(), |range| range.to_string());
            format!("{ip} {host} -> {}", port.container)
        });
        all.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn published_ports_are_read_as_docker_reads_them() {
        for (text, expected) in [
            ("80", "* ? -> 80/tcp"),
            ("8080:80", "* 8080 -> 80/tcp"),
            ("8080:80/udp", "* 8080 -> 80/udp"),
            ("8080:80/TCP", "* 8080 -> 80/tcp"),
            ("127.0.0.1:8080:80", "127.0.0.1 8080 -> 80/tcp"),
            ("127.0.0.1::80", "127.0.0.1 ? -> 80/tcp"),
            ("0.0.0.0:8080:80", "* 8080 -> 80/tcp"),
            (":80", "* ? -> 80/tcp"),
            ("[::1]:8080:80", "::1 8080 -> 80/tcp"),
            ("[::1]::80", "::1 ? -> 80/tcp"),
            ("::1:8080:80", "::1 8080 -> 80/tcp"),
            ("8000-8002:80", "* 8000-8002 -> 80/tcp"),
            ("8000-8001:80-81", "* 8000 -> 80/tcp, * 8001 -> 81/tcp"),
            ("80-81/udp", "* ? -> 80/udp, * ? -> 81/udp"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_port_is_refused() {
        for wrong in [
            "",
            "a",
            "0",
            "65536",
            "80:0",
            "1-2:1-3",
            "2-1:80",
            "80/sctp",
            "300.0.0.1:1:2",
            "+8",
            "localhost:80:80",
            "8000-8003:80-81",
            "-80",
            "80/",
            "1:2:3:4",
        ] {
            assert!(parse_published(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse_exposed("53/udp").unwrap()[0].to_string(), "53/udp");
        assert_eq!(parse_exposed("80-82").unwrap().len(), 3);
        assert!(parse_exposed("127.0.0.1:80").is_err());
    }
}
