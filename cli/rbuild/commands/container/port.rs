//! `rbuild port`, and published ports for `inspect`.

use anyhow::{Result, bail};
use cli::environment::Environment;
use cli::ports::{addresses, hosts};
use cli::{Exit, output};
use runtime::containers::Container;
use runtime::network::{BoundPort, parse_exposed};
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
