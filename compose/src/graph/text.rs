//! The picture as text, a tree of services.

use std::fmt::Write as _;

use super::{Graph, ResourceNode, ServiceNode};

/// Services that nothing depends on come first.
pub fn text(graph: &Graph) -> String {
    let mut out = format!("{}\n", graph.project);
    let mut services: Vec<&ServiceNode> = graph.services.iter().collect();
    services.sort_by_key(|service| service.column);
    let resources = graph.networks.len() + graph.volumes.len();
    for (at, service) in services.iter().enumerate() {
        let last = at + 1 == services.len() && resources == 0;
        put_service(&mut out, service, last);
    }
    let networks = graph.networks.iter().map(|network| ("network", network));
    let volumes = graph.volumes.iter().map(|volume| ("volume", volume));
    for (at, (kind, resource)) in networks.chain(volumes).enumerate() {
        let branch = if at + 1 == resources { "└─" } else { "├─" };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{branch} {kind} {}{}", resource.key, remarks(resource));
    }
    out
}

fn put_service(out: &mut String, service: &ServiceNode, last: bool) {
    let (branch, line) = if last { ("└─", " ") } else { ("├─", "│") };
    let replicas = match service.replicas {
        1 => String::new(),
        replicas => format!(" ×{replicas}"),
    };
    let _ = writeln!(out, "{branch} {}{replicas} ({})", service.name, service.image);
    for edge in &service.dependencies {
        let label = edge.label();
        let label = if label.is_empty() { label } else { format!(" ({label})") };
        let _ = writeln!(out, "{line}    after    {}{label}", edge.to);
    }
    for port in &service.ports {
        let _ = writeln!(out, "{line}    port     {port}");
    }
    match &service.network_mode {
        Some(mode) => {
            let _ = writeln!(out, "{line}    network  {mode}");
        }
        None if service.networks.is_empty() => {}
        None => {
            let _ = writeln!(out, "{line}    network  {}", service.networks.join(", "));
        }
    }
    for mount in &service.mounts {
        let _ = writeln!(out, "{line}    mount    {}", mount.label());
    }
}

fn remarks(resource: &ResourceNode) -> String {
    let mut remarks = Vec::new();
    if resource.name != resource.key {
        remarks.push(resource.name.as_str());
    }
    if resource.external {
        remarks.push("external");
    }
    if resource.internal {
        remarks.push("internal");
    }
    if remarks.is_empty() { String::new() } else { format!(" ({})", remarks.join(", ")) }
}
