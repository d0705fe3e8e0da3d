//! How published ports are shown.

use std::net::IpAddr;

use runtime::containers::Container;
use runtime::network::{BoundPort, ContainerPort};
use serde_json::{Value, json};

/// Every address of the host is one of IPv4 and one of IPv6.
pub fn hosts(port: &BoundPort) -> Vec<String> {
    match port.host_ip {
        None => vec!["0.0.0.0".to_owned(), "[::]".to_owned()],
        Some(IpAddr::V4(address)) => vec![address.to_string()],
        Some(IpAddr::V6(address)) => vec![format!("[{address}]")],
    }
}

/// With the port behind each.
pub fn addresses(port: &BoundPort) -> Vec<String> {
    hosts(port).into_iter().map(|host| format!("{host}:{}", port.host_port)).collect()
}

/// For `rbuild ps`: `0.0.0.0:8080->80/tcp, [::]:8080->80/tcp, 443/tcp`.
pub fn list(container: &Container) -> String {
    let ports = &container.state.ports;
    let mut words: Vec<String> = Vec::new();
    for port in ports {
        words.extend(addresses(port).iter().map(|host| format!("{host}->{}", port.container)));
    }
    if container.state.status.is_alive() {
        let exposed = container.definition.network.exposed.iter();
        let only = exposed.filter(|port| !is_published(ports, **port));
        words.extend(only.map(ToString::to_string));
    }
    words.join(", ")
}

fn is_published(ports: &[BoundPort], wanted: ContainerPort) -> bool {
    ports.iter().any(|port| port.container == wanted)
}

/// For `rcompose ps --format json`.
pub fn publishers(container: &Container) -> Value {
    let one = |port: &BoundPort, host: &str| {
        json!({
            "URL": host.trim_matches(['[', ']']),
            "TargetPort": port.container.port,
            "PublishedPort": port.host_port,
            "Protocol": port.container.protocol.name(),
        })
    };
    let ports = container.state.ports.iter();
    ports.flat_map(|port| hosts(port).into_iter().map(move |host| one(port, &host))).collect()
}
