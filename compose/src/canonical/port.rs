//! `[ADDRESS:][HOST[-END]:]CONTAINER[-END][/PROTOCOL]`

use std::net::IpAddr;

use thiserror::Error;

use crate::model::Port;
use crate::source::Span;
use crate::yaml::{Map, Node, Value};

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PortError {
    #[error("no port specified: {text}<empty>")]
    NoPort { text: String },
    #[error("invalid IP address: {text}")]
    Address { text: String },
    #[error("invalid containerPort: {text}")]
    Container { text: String },
    #[error("invalid hostPort: {text}")]
    Host { text: String },
    #[error("invalid proto: {text}")]
    Protocol { text: String },
    #[error("invalid ranges specified for container and host Ports: {container} and {host}")]
    Ranges { container: String, host: String },
}

impl PortError {
    pub(super) fn hint(&self) -> String {
        match self {
            PortError::Protocol { .. } => "known protocols are tcp, udp and sctp".to_owned(),
            PortError::Ranges { .. } => {
                "both ranges must have the same length, or the container's one port".to_owned()
            }
            _ => "expected a port like `8080:80`, `127.0.0.1:8080:80` or `8000-8010:80-90/udp`"
                .to_owned(),
        }
    }
}

/// The ports of one entry, sorted as text.
pub fn parse_port(text: &str) -> Result<Vec<Port>, PortError> {
    let (address, host, container) = split(text);
    let (container, protocol) = container.split_once('/').unwrap_or((container, "tcp"));
    let protocol = if protocol.is_empty() { "tcp" } else { protocol };
    let address = check_address(&address)?;
    if container.is_empty() {
        return Err(PortError::NoPort { text: text.to_owned() });
    }
    let (start, end) =
        range(container).ok_or_else(|| PortError::Container { text: container.to_owned() })?;
    let hosts = match host {
        "" => None,
        host => Some(range(host).ok_or_else(|| PortError::Host { text: host.to_owned() })?),
    };
    if let Some((first, last)) = hosts
        && last - first != end - start
        && start != end
    {
        let (container, host) = (container.to_owned(), host.to_owned());
        return Err(PortError::Ranges { container, host });
    }
    let protocol = protocol.to_lowercase();
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(PortError::Protocol { text: protocol });
    }
    let mut ports: Vec<Port> = (start..=end)
        .map(|target| Port {
            mode: "ingress".to_owned(),
            host_ip: address.clone(),
            target,
            published: published(hosts, target - start, start == end),
            protocol: protocol.clone(),
            ..Port::default()
        })
        .collect();
    ports.sort_by_cached_key(|port| format!("{}/{}", port.target, port.protocol));
    Ok(ports)
}

fn published(hosts: Option<(u32, u32)>, offset: u32, single: bool) -> String {
    match hosts {
        None => String::new(),
        Some((first, last)) if single && first != last => format!("{first}-{last}"),
        Some((first, _)) => (first + offset).to_string(),
    }
}

/// Address, host ports and container ports. An IPv6 address may have colons of its own.
fn split(text: &str) -> (String, &str, &str) {
    let parts: Vec<&str> = text.split(':').collect();
    match parts[..] {
        [container] => (String::new(), "", container),
        [host, container] => (String::new(), host, container),
        [address, host, container] => (address.to_owned(), host, container),
        [ref address @ .., host, container] => (address.join(":"), host, container),
        [] => (String::new(), "", ""),
    }
}

fn check_address(text: &str) -> Result<String, PortError> {
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').unwrap_or(""),
        None => text,
    };
    // A zone is for the kernel to judge.
    let without_zone = bare.split('%').next().unwrap_or_default();
    if text.is_empty() || without_zone.parse::<IpAddr>().is_ok() {
        return Ok(bare.to_owned());
    }
    Err(PortError::Address { text: text.to_owned() })
}

fn range(text: &str) -> Option<(u32, u32)> {
    let number = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        if digits { text.parse::<u16>().ok().map(u32::from) } else { None }
    };
    match text.split_once('-') {
        None => number(text).map(|port| (port, port)),
        Some((start, end)) => {
            let (start, end) = (number(start)?, number(end)?);
            if end < start { None } else { Some((start, end)) }
        }
    }
}

/// The long form.
pub(super) fn node(port: &Port, span: Span) -> Node {
    let mut map = Map::default();
    let mut put = |key: &str, value: Value| map.insert(key, span, Node::new(value, span));
    put("mode", Value::String(port.mode.clone()));
    if !port.host_ip.is_empty() {
        put("host_ip", Value::String(port.host_ip.clone()));
    }
    put("target", Value::Int(i64::from(port.target)));
    if !port.published.is_empty() {
        put("published", Value::String(port.published.clone()));
    }
    put("protocol", Value::String(port.protocol.clone()));
    Node::new(Value::Map(map), span)
}
