//! The picture as text: a tree from the host to the processes in each namespace.

use std::fmt::Write as _;

use runtime::network::{Picture, PicturedEndpoint, PicturedInterface, PicturedNetwork, PicturedSpace};

use super::{addresses, is_a_pair, manner, number, port, route, title, traffic};

pub(super) fn text(picture: &Picture) -> String {
    let host = &picture.host;
    let mut out = format!("host {}\n", host.name);
    // Writing to a string cannot fail.
    for interface in &host.interfaces {
        let _ = writeln!(out, "├─ {}", outline(interface));
        for found in host.routes.iter().filter(|route| route.device == interface.name) {
            let _ = writeln!(out, "│     route {}", route(found));
        }
    }
    if !host.containers.is_empty() {
        let _ = writeln!(out, "├─ containers with its network: {}", host.containers.join(", "));
    }
    for network in &picture.networks {
        put_network(&mut out, picture, network);
    }
    for space in &picture.spaces {
        put_space(&mut out, space);
    }
    out
}

/// Its name, index, state, addresses and counters.
fn outline(interface: &PicturedInterface) -> String {
    let state = if interface.up { "" } else { ", down" };
    let mut text = format!("{} #{}{state}, mtu {}", interface.name, interface.index, interface.mtu);
    if !interface.addresses.is_empty() {
        let _ = write!(text, ", {}", addresses(interface));
    }
    let _ = write!(text, ", {}", traffic(interface));
    text
}

fn put_network(out: &mut String, picture: &Picture, network: &PicturedNetwork) {
    let _ = writeln!(out, "├─ network {} ({}; {})", network.name, network.subnet, manner(network));
    match &network.bridge {
        Some(bridge) => {
            let _ = writeln!(out, "│  bridge {}", outline(bridge));
        }
        None => {
            let _ = writeln!(out, "│  nobody is on it: no bridge");
        }
    }
    for space in &picture.spaces {
        for endpoint in space.endpoints.iter().filter(|end| end.network == network.name) {
            put_pair(out, space, endpoint);
        }
    }
}

fn put_pair(out: &mut String, space: &PicturedSpace, endpoint: &PicturedEndpoint) {
    let near = match &endpoint.near {
        Some(near) => format!("{} #{} ({})", near.name, near.index, traffic(near)),
        None => format!("{} (missing)", endpoint.near_name),
    };
    let far = match &endpoint.far {
        Some(far) => format!("{} #{} ({})", far.name, far.index, traffic(far)),
        None => endpoint.far_name.clone(),
    };
    let joint = if is_a_pair(endpoint) { "══" } else { "╌╌" };
    let loose = if endpoint.is_connected { "" } else { " (no port of the bridge)" };
    let _ = writeln!(out, "│  ├─ {near}{loose} {joint} {far} {}", title(space));
    for found in &endpoint.ports {
        let _ = writeln!(out, "│  │     port {}", port(found));
    }
}

fn put_space(out: &mut String, space: &PicturedSpace) {
    let _ = writeln!(out, "└─ namespace {}: {}", number(space), title(space));
    for endpoint in &space.endpoints {
        let mac = endpoint.far.as_ref().and_then(|far| far.mac);
        let mac = mac.map_or(String::new(), |mac| format!(", {mac}"));
        let _ = writeln!(
            out,
            "      {} {}/{}{mac}, network {}",
            endpoint.far_name, endpoint.address, endpoint.prefix, endpoint.network
        );
        if !endpoint.names.is_empty() {
            let _ = writeln!(out, "        names {}", endpoint.names.join(", "));
        }
    }
    for found in &space.routes {
        let _ = writeln!(out, "      route {}", route(found));
    }
    for process in &space.processes {
        let _ = writeln!(out, "      process {} {}", process.pid, process.command);
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;

    #[test]
    fn everything_of_a_picture_is_in_its_text() {
        sample::compare("picture.txt", &super::text(&sample::picture()));
    }
}
