//! The attributes of one service.

use super::{Canonical, FormError, forms, mount, port, wrap};
use crate::path::TreePath;
use crate::yaml::{Node, Value};

pub(super) fn expand(name: &str, service: &mut Node, lenient: bool, found: &mut Canonical) {
    let mut path = TreePath::root();
    path.push("services");
    path.push(name);
    let Some(map) = service.as_map_mut() else { return };
    for (key, node) in map.iter_mut() {
        let path = path.join(key);
        match key {
            "build" => build(node),
            "depends_on" => forms::dependencies(node),
            "env_file" => forms::env_files(node),
            "label_file" | "dns" => forms::one_to_list(node),
            "extends" => wrap(node, "service"),
            "gpus" => forms::gpus(node),
            "networks" | "models" => forms::names(node),
            "volumes" => each(node, &path, found, |node, path| mount::expand(node, path, lenient)),
            "develop" => develop(node, &path, found),
            "devices" => each(node, &path, found, forms::device),
            "secrets" | "configs" => each_source(node),
            "ports" => ports(node, &path, lenient, found),
            _ => {}
        }
    }
}

fn each(
    node: &mut Node,
    path: &TreePath,
    found: &mut Canonical,
    expand: impl Fn(&mut Node, String) -> Result<(), FormError>,
) {
    let Value::List(list) = &mut node.value else { return };
    for (at, node) in list.iter_mut().enumerate() {
        let span = node.span;
        if let Err(error) = expand(node, path.at(at).to_string()) {
            found.errors.push((error, span));
        }
    }
}

fn each_source(node: &mut Node) {
    if let Value::List(list) = &mut node.value {
        list.iter_mut().for_each(|node| wrap(node, "source"));
    }
}

fn develop(node: &mut Node, path: &TreePath, found: &mut Canonical) {
    if let Some(watch) = node.as_map_mut().and_then(|map| map.get_mut("watch")) {
        forms::watches(watch, path, found);
    }
}

fn build(node: &mut Node) {
    wrap(node, "context");
    let Some(map) = node.as_map_mut() else { return };
    for (key, node) in map.iter_mut() {
        match key {
            "secrets" => each_source(node),
            "additional_contexts" => forms::pairs(node),
            "ssh" => forms::ssh(node),
            _ => {}
        }
    }
}

/// One entry may publish many ports.
fn ports(node: &mut Node, path: &TreePath, lenient: bool, found: &mut Canonical) {
    let Value::List(list) = &node.value else { return };
    let mut expanded = Vec::with_capacity(list.len());
    for (at, node) in list.iter().enumerate() {
        if found.is_full() {
            return;
        }
        let Some(text) = node.scalar_text() else {
            expanded.push(node.clone());
            continue;
        };
        match port::parse_port(&text) {
            Ok(ports) if !found.add(6 * ports.len(), path, node.span) => return,
            Ok(ports) => expanded.extend(ports.iter().map(|it| port::node(it, node.span))),
            // As it was written, all of it: a variable may stand for a range.
            Err(_) if lenient => return,
            Err(error) => {
                let path = path.at(at).to_string();
                found.errors.push((FormError::Port { path, error }, node.span));
            }
        }
    }
    node.value = Value::List(expanded);
}
