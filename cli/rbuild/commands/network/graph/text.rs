//! The picture as text: a tree from the host to the processes in each namespace.

use std::fmt::Write as _;

use runtime::network::{
    Picture, PicturedEndpoint, PicturedInterface, PicturedNetwork, PicturedSpace,
};

use super::{addresses, is_a_pair, manner, number, port, route, title, traffic};

pub(super) fn text(picture: &Picture) -> String {
    let host = &picture.host;
    let mut parts: Vec<Vec<String>> = Vec::new();
    for interface in &host.interfaces {
        let routes = host.routes.iter().filter(|route| route.device == interface.name);
        let routes = routes.map(|found| format!("   route {}", route(found)));
        parts.push(std::iter::once(outline(interface)).chain(routes).collect());
    }
    if !host.containers.is_empty() {
        parts.push(vec![format!("containers with its network: {}", host.containers.join(", "))]);
    }
    parts.extend(picture.networks.iter().map(|network| of_network(picture, network)));
    let mut out = format!("host {}\n", host.name);
    put_branches(&mut out, "", &parts);
    for space in &picture.spaces {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "\nnamespace {}: {}", number(space), title(space));
        put_branches(&mut out, "", &of_space(space));
    }
    out
}

/// The first line of each part at a branch, the others below it.
fn put_branches(out: &mut String, before: &str, parts: &[Vec<String>]) {
    for (at, lines) in parts.iter().enumerate() {
        let is_last = at + 1 == parts.len();
        for (number, line) in lines.iter().enumerate() {
            let branch = match (number, is_last) {
                (0, false) => "├─ ",
                (0, true) => "└─ ",
                (_, false) => "│  ",
                (_, true) => "   ",
            };
            let _ = writeln!(out, "{before}{branch}{line}");
        }
    }
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

fn of_network(picture: &Picture, network: &PicturedNetwork) -> Vec<String> {
    let mut lines =
        vec![format!("network {} ({}; {})", network.name, network.subnet, manner(network))];
    lines.push(match &network.bridge {
        Some(bridge) => format!("bridge {}", outline(bridge)),
        None => "nobody is on it: no bridge".to_owned(),
    });
    let mut pairs = Vec::new();
    for space in &picture.spaces {
        let here = space.endpoints.iter().filter(|end| end.network == network.name);
        pairs.extend(here.map(|endpoint| pair(space, endpoint)));
    }
    let mut below = String::new();
    put_branches(&mut below, "", &pairs);
    lines.extend(below.lines().map(str::to_owned));
    lines
}

fn pair(space: &PicturedSpace, endpoint: &PicturedEndpoint) -> Vec<String> {
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
    let mut lines = vec![format!("{near}{loose} {joint} {far} {}", title(space))];
    lines.extend(endpoint.ports.iter().map(|found| format!("   port {}", port(found))));
    lines
}

fn of_space(space: &PicturedSpace) -> Vec<Vec<String>> {
    let mut parts: Vec<Vec<String>> = Vec::new();
    for endpoint in &space.endpoints {
        let mac = endpoint.far.as_ref().and_then(|far| far.mac);
        let mac = mac.map_or(String::new(), |mac| format!(", {mac}"));
        let mut lines = vec![format!(
            "{} {}/{}{mac}, network {}",
            endpoint.far_name, endpoint.address, endpoint.prefix, endpoint.network
        )];
        if !endpoint.names.is_empty() {
            lines.push(format!("   names {}", endpoint.names.join(", ")));
        }
        parts.push(lines);
    }
    parts.extend(space.routes.iter().map(|found| vec![format!("route {}", route(found))]));
    let processes = space.processes.iter();
    parts.extend(processes.map(|it| vec![format!("process {} {}", it.pid, it.command)]));
    parts
}

#[cfg(test)]
mod tests {
    use super::super::sample;

    #[test]
    fn everything_of_a_picture_is_in_its_text() {
        sample::compare("picture.txt", &super::text(&sample::picture()));
    }
}
