//! Defaults of attributes that were written in part.

use crate::yaml::{Node, Value};

/// Fills them in, in a canonical tree.
pub(super) fn set(root: &mut Node) {
    let services = root.as_map_mut().and_then(|map| map.get_mut("services"));
    let Some(services) = services.and_then(Node::as_map_mut) else { return };
    for (_, service) in services.iter_mut() {
        let Some(service) = service.as_map_mut() else { continue };
        for (key, node) in service.iter_mut() {
            match key {
                "build" => default(node, "context", || Value::String(".".to_owned())),
                "secrets" => each(node, secret),
                "ports" => each(node, port),
                "volumes" => each(node, mount),
                "gpus" => each(node, devices),
                "deploy" => {
                    let reserved = below(node, &["resources", "reservations", "devices"]);
                    if let Some(reserved) = reserved {
                        each(reserved, devices);
                    }
                }
                _ => {}
            }
        }
    }
}

fn below<'a>(node: &'a mut Node, keys: &[&str]) -> Option<&'a mut Node> {
    keys.iter().try_fold(node, |node, key| node.as_map_mut()?.get_mut(key))
}

fn each(node: &mut Node, set: fn(&mut Node)) {
    if let Value::List(list) = &mut node.value {
        list.iter_mut().for_each(set);
    }
}

fn default(node: &mut Node, key: &str, value: impl FnOnce() -> Value) {
    let span = node.span;
    if let Some(map) = node.as_map_mut()
        && map.get(key).is_none_or(Node::is_null)
    {
        map.set(key, Node::new(value(), span));
    }
}

fn secret(node: &mut Node) {
    let source = node.get("source").and_then(Node::as_str).unwrap_or_default().to_owned();
    default(node, "target", || Value::String(format!("/run/secrets/{source}")));
}

fn port(node: &mut Node) {
    default(node, "protocol", || Value::String("tcp".to_owned()));
    default(node, "mode", || Value::String("ingress".to_owned()));
}

fn mount(node: &mut Node) {
    if let Some(bind) = below(node, &["bind"]) {
        default(bind, "create_host_path", || Value::Bool(true));
    }
}

/// Without a number, all of them.
fn devices(node: &mut Node) {
    if node.get("device_ids").is_none() {
        default(node, "count", || Value::String("all".to_owned()));
    }
}
