//! `rbuild port`, and how published ports are shown.

use std::net::IpAddr;

use anyhow::{Result, bail};
use cli::environment::Environment;
use cli::{Exit, output};
use runtime::containers::Container;
use runtime::network::{BoundPort, ContainerPort, parse_exposed};
use serde_json::{Map, Value, json};

use super::open;
use crate::args::PortArgs;

pub(crate) fn run(args: &PortArgs, environment: &Environment) -> Result<Exit> {
    let (_store, containers) = open(environment)?;
    let container = containers.find(&args.container)?;
    let ports = &container.state.ports;
    let Some(text) = &args.port else {
        for port in ports {
            for address in addresses(port) {
                output::line(&format!("{} -> {address}", port.container))?;
            }
        }
        return Ok(Exit::Success);
    };
    let wanted = match parse_exposed(text)?.as_slice() {
        [one] => *one,
        _ => bail!("`{text}` is a range; give one port"),
    };
    let found: Vec<&BoundPort> = ports.iter().filter(|port| port.container == wanted).collect();
    if found.is_empty() {
        bail!("no public port '{wanted}' published for {}", args.container);
    }
    for address in found.iter().flat_map(|port| addresses(port)) {
        output::line(&address)?;
    }
    Ok(Exit::Success)
}

/// Every address of the host is one of IPv4 and one of IPv6.
fn hosts(port: &BoundPort) -> Vec<String> {
    match port.host_ip {
        None => vec!["0.0.0.0".to_owned(), "[::]".to_owned()],
        Some(IpAddr::V4(address)) => vec![address.to_string()],
        Some(IpAddr::V6(address)) => vec![format!("[{address}]")],
    }
}

fn addresses(port: &BoundPort) -> Vec<String> {
    hosts(port).into_iter().map(|host| format!("{host}:{}", port.host_port)).collect()
}

/// For `rbuild ps`: `0.0.0.0:8080->80/tcp, [::]:8080->80/tcp, 443/tcp`.
pub(super) fn list(container: &Container) -> String {
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

/// For `rbuild inspect`.
pub(super) fn document(container: &Container) -> Value {
    let mut all = Map::new();
    if container.state.status.is_alive() {
        for port in &container.definition.network.exposed {
            all.insert(port.to_string(), Value::Null);
        }
    }
    for port in &container.state.ports {
        let bindings = all.entry(port.container.to_string()).or_insert(Value::Null);
        if bindings.is_null() {
            *bindings = json!([]);
        }
        if let Value::Array(list) = bindings {
            list.extend(hosts(port).into_iter().map(|host| {
                let host = host.trim_matches(['[', ']']);
                json!({ "HostIp": host, "HostPort": port.host_port.to_string() })
            }));
        }
    }
    Value::Object(all)
}
