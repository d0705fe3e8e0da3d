//! The picture in Graphviz's language.

use std::fmt::Write as _;

use super::{Graph, ServiceNode};

pub fn dot(graph: &Graph) -> String {
    let mut out = format!("digraph {} {{\n", quoted(&graph.project));
    out.push_str("  rankdir=LR;\n  node [fontname=\"sans-serif\", fontsize=11];\n");
    out.push_str("  edge [fontname=\"sans-serif\", fontsize=9];\n");
    // Writing to a string cannot fail.
    for network in &graph.networks {
        let style = if network.internal { "dashed" } else { "solid" };
        let id = quoted(&format!("network {}", network.key));
        let _ =
            writeln!(out, "  {id} [label={}, shape=ellipse, style={style}];", quoted(&network.key));
    }
    for volume in &graph.volumes {
        let id = quoted(&format!("volume {}", volume.key));
        let _ = writeln!(out, "  {id} [label={}, shape=cylinder];", quoted(&volume.key));
    }
    for service in &graph.services {
        put_service(&mut out, service);
    }
    out.push_str("}\n");
    out
}

fn put_service(out: &mut String, service: &ServiceNode) {
    let id = quoted(&service.name);
    let mut label = format!("{}\n{}", service.name, service.image);
    if service.replicas != 1 {
        let _ = write!(label, "\n{} replicas", service.replicas);
    }
    if let Some(mode) = &service.network_mode {
        let _ = write!(label, "\nnetwork {mode}");
    }
    let _ = writeln!(out, "  {id} [label={}, shape=box, style=rounded];", quoted(&label));
    for edge in &service.dependencies {
        let style = if edge.required { "solid" } else { "dashed" };
        let label = quoted(&edge.label());
        let _ = writeln!(out, "  {id} -> {} [label={label}, style={style}];", quoted(&edge.to));
    }
    for network in &service.networks {
        let network = quoted(&format!("network {network}"));
        let _ = writeln!(out, "  {id} -> {network} [dir=none, color=steelblue];");
    }
    for mount in
        service.mounts.iter().filter(|mount| mount.kind == "volume" && !mount.source.is_empty())
    {
        let volume = quoted(&format!("volume {}", mount.source));
        let target =
            if mount.read_only { format!("{} (ro)", mount.target) } else { mount.target.clone() };
        let _ = writeln!(
            out,
            "  {id} -> {volume} [label={}, dir=none, color=sienna];",
            quoted(&target)
        );
    }
    for port in &service.ports {
        let (host, target) = port.split_once(" → ").unwrap_or((port, ""));
        let host_id = quoted(&format!("port {host}"));
        let _ = writeln!(out, "  {host_id} [label={}, shape=plaintext];", quoted(host));
        let _ = writeln!(out, "  {host_id} -> {id} [label={}];", quoted(target));
    }
}

/// A string of the language; `\n` stays a line break.
fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{text}\"")
}
