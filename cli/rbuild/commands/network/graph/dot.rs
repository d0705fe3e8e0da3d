//! The picture in Graphviz's language.

use std::fmt::Write as _;

use runtime::network::{Picture, PicturedEndpoint, PicturedNetwork, PicturedSpace};

use super::{addresses, manner, number, port, route, title, traffic};

pub(super) fn dot(picture: &Picture) -> String {
    let mut out = String::from(
        "graph networks {\n  rankdir=LR;\n  node [fontname=\"sans-serif\", fontsize=11, shape=box, style=rounded];\n  \
         edge [fontname=\"sans-serif\", fontsize=9];\n",
    );
    put_host(&mut out, picture);
    for (at, space) in picture.spaces.iter().enumerate() {
        put_space(&mut out, at, space);
    }
    for (at, space) in picture.spaces.iter().enumerate() {
        for endpoint in &space.endpoints {
            put_pair(&mut out, at, endpoint);
        }
    }
    out.push_str("}\n");
    out
}

fn put_host(out: &mut String, picture: &Picture) {
    let host = &picture.host;
    // Writing to a string cannot fail.
    let _ = writeln!(out, "  subgraph cluster_host {{");
    let _ = writeln!(out, "    label={};", quoted(&format!("host {}", host.name)));
    for interface in &host.interfaces {
        let id = quoted(&format!("host {}", interface.name));
        let mut label = format!("{} #{}", interface.name, interface.index);
        let routes = host.routes.iter().filter(|found| found.device == interface.name).map(route);
        for line in [addresses(interface), traffic(interface)].into_iter().chain(routes) {
            let _ = write!(label, "\n{line}");
        }
        let _ = writeln!(out, "    {id} [label={}];", quoted(&label));
    }
    for network in &picture.networks {
        put_bridge(out, network);
    }
    for endpoint in picture.spaces.iter().flat_map(|space| &space.endpoints) {
        let label = match &endpoint.near {
            Some(near) => format!("{} #{}\n{}", near.name, near.index, traffic(near)),
            None => format!("{}\nmissing", endpoint.near_name),
        };
        let id = quoted(&format!("near {}", endpoint.near_name));
        let _ = writeln!(out, "    {id} [label={}, shape=component];", quoted(&label));
    }
    out.push_str("  }\n");
    let ways = host.routes.iter().filter(|route| route.destination.is_none());
    let ways: Vec<String> = ways.map(|way| quoted(&format!("host {}", way.device))).collect();
    for network in picture.networks.iter().filter(|it| !it.internal && it.bridge.is_some()) {
        let bridge = quoted(&format!("bridge {}", network.name));
        let label = if network.masquerade { "NAT" } else { "routed" };
        for way in &ways {
            let _ = writeln!(out, "  {way} -- {bridge} [label={label}, style=dashed];");
        }
    }
}

fn put_bridge(out: &mut String, network: &PicturedNetwork) {
    let mut label = format!("{}\n{}\n{}", network.name, network.subnet, manner(network));
    match &network.bridge {
        Some(bridge) => {
            let _ = write!(
                label,
                "\n{} #{}\n{}\n{}",
                bridge.name,
                bridge.index,
                addresses(bridge),
                traffic(bridge)
            );
        }
        None => label.push_str("\nnobody is on it"),
    }
    let id = quoted(&format!("bridge {}", network.name));
    let style = if network.internal { "\"rounded,dashed\"" } else { "rounded" };
    let _ = writeln!(out, "    {id} [label={}, penwidth=2, style={style}];", quoted(&label));
}

fn put_space(out: &mut String, at: usize, space: &PicturedSpace) {
    let _ = writeln!(out, "  subgraph cluster_space{at} {{");
    let label = format!("{}\n{}", title(space), number(space));
    let _ = writeln!(out, "    label={};", quoted(&label));
    for endpoint in &space.endpoints {
        let index = endpoint.far.as_ref().map_or(String::new(), |far| format!(" #{}", far.index));
        let mut label =
            format!("{}{index}\n{}/{}", endpoint.far_name, endpoint.address, endpoint.prefix);
        if let Some(far) = &endpoint.far {
            let mac = far.mac.map_or(String::new(), |mac| format!("\n{mac}"));
            let _ = write!(label, "{mac}\n{}", traffic(far));
        }
        if !endpoint.names.is_empty() {
            let _ = write!(label, "\n{}", endpoint.names.join(", "));
        }
        let id = quoted(&format!("far {at} {}", endpoint.far_name));
        let _ = writeln!(out, "    {id} [label={}, shape=component];", quoted(&label));
    }
    let routes = space.routes.iter().map(route);
    let processes =
        space.processes.iter().map(|process| format!("{} {}", process.pid, process.command));
    let lines: Vec<String> = routes.chain(processes).collect();
    let id = quoted(&format!("space {at}"));
    let _ = writeln!(out, "    {id} [label={}, shape=plaintext];", quoted(&lines.join("\n")));
    out.push_str("  }\n");
}

fn put_pair(out: &mut String, at: usize, endpoint: &PicturedEndpoint) {
    let near = quoted(&format!("near {}", endpoint.near_name));
    let far = quoted(&format!("far {at} {}", endpoint.far_name));
    let bridge = quoted(&format!("bridge {}", endpoint.network));
    let style = if endpoint.is_connected { "solid" } else { "dotted" };
    let _ = writeln!(out, "  {bridge} -- {near} [style={style}];");
    let _ = writeln!(out, "  {near} -- {far} [penwidth=2];");
    for found in &endpoint.ports {
        let id = quoted(&format!("port {}", port(found)));
        let _ = writeln!(out, "  {id} [label={}, shape=plaintext];", quoted(&port(found)));
        let _ = writeln!(out, "  {id} -- {bridge} [style=dashed];");
    }
}

/// A string of the language; `\n` stays a line break.
fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests {
    use super::super::sample;

    #[test]
    fn everything_of_a_picture_is_in_its_graph() {
        sample::compare("picture.dot", &super::dot(&sample::picture()));
    }
}
