//! `rbuild network inspect --graph`: the live picture, as text, for Graphviz and as SVG.

mod dot;
mod layout;
#[cfg(test)]
mod sample;
mod svg;
mod text;

use anyhow::Result;
use cli::environment::Environment;
use cli::{Exit, output};
use runtime::network::{
    BoundPort, PicturedEndpoint, PicturedInterface, PicturedNetwork, PicturedRoute, PicturedSpace,
};

use super::super::container;
use super::open;
use crate::args::GraphForm;

pub(super) fn run(form: GraphForm, names: &[String], environment: &Environment) -> Result<Exit> {
    let (store, _) = container::open(environment)?;
    let picture = open(&store)?.picture(names)?;
    output::write(&match form {
        GraphForm::Text => text::text(&picture),
        GraphForm::Dot => dot::dot(&picture),
        GraphForm::Svg => svg::svg(&picture),
    })?;
    Ok(Exit::Success)
}

/// `↓ 12.3kB ↑ 4kB`: what the interface has received and sent.
fn traffic(interface: &PicturedInterface) -> String {
    format!("↓ {} ↑ {}", output::size(interface.received), output::size(interface.sent))
}

fn addresses(interface: &PicturedInterface) -> String {
    let all = interface.addresses.iter().map(|(address, prefix)| format!("{address}/{prefix}"));
    all.collect::<Vec<_>>().join(", ")
}

/// What containers of the network may do.
fn manner(network: &PicturedNetwork) -> String {
    let way = match (network.internal, network.masquerade) {
        (true, _) => "internal: no way in or out",
        (false, true) => "out by NAT",
        (false, false) => "out without NAT",
    };
    let apart = if network.open { "" } else { ", containers kept apart" };
    format!("{way}{apart}")
}

fn route(route: &PicturedRoute) -> String {
    let mut text =
        route.destination.map_or("default".to_owned(), |destination| destination.to_string());
    if let Some(gateway) = route.gateway {
        text.push_str(&format!(" via {gateway}"));
    }
    format!("{text} dev {}", route.device)
}

/// `0.0.0.0:8080 → 80/tcp`
fn port(port: &BoundPort) -> String {
    let host = match port.host_ip {
        None => "*".to_owned(),
        Some(address) if address.is_ipv6() => format!("[{address}]"),
        Some(address) => address.to_string(),
    };
    format!("{host}:{} → {}", port.host_port, port.container)
}

fn title(space: &PicturedSpace) -> String {
    match space.containers.split_first() {
        Some((first, [])) => first.clone(),
        Some((first, others)) => format!("{first} + {}", others.join(" + ")),
        None => String::new(),
    }
}

fn number(space: &PicturedSpace) -> String {
    space.number.map_or("not entered".to_owned(), |number| format!("net:[{number}]"))
}

/// Both ends of a pair name each other.
fn is_a_pair(endpoint: &PicturedEndpoint) -> bool {
    match (&endpoint.near, &endpoint.far) {
        (Some(near), Some(far)) => near.peer == Some(far.index) && far.peer == Some(near.index),
        _ => false,
    }
}
