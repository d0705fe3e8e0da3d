//! What nobody writes: the default network, names of resources, dependencies that other attributes imply.

use super::file::Environment;
use crate::paths::clean;
use crate::source::Span;
use crate::yaml::{Map, Node, Value};

/// Completes a canonical tree that has its name.
pub fn normalize(root: &mut Node, environment: &Environment) {
    let Some(root) = root.as_map_mut() else { return };
    networks(root);
    if let Some(services) = root.get_mut("services").and_then(Node::as_map_mut) {
        for (_, node) in services.iter_mut() {
            let span = node.span;
            if let Some(map) = node.as_map_mut() {
                service(map, span, environment);
            }
        }
    }
    names(root);
}

/// Services without networks are on `default`, which exists when someone is.
fn networks(root: &mut Map) {
    let mut used = None;
    if let Some(services) = root.get_mut("services").and_then(Node::as_map_mut) {
        for (_, node) in services.iter_mut() {
            let span = node.span;
            let Some(service) = node.as_map_mut() else { continue };
            if service.contains("provider") || service.contains("network_mode") {
                continue;
            }
            match service.get("networks").and_then(Node::as_map) {
                Some(networks) if !networks.is_empty() => {
                    if networks.contains("default") {
                        used = used.or(Some(span));
                    }
                }
                _ => {
                    let mut default = Map::default();
                    default.insert("default", span, Node::new(Value::Null, span));
                    service.set("networks", Node::new(Value::Map(default), span));
                    used = used.or(Some(span));
                }
            }
        }
    }
    let Some(span) = used else { return };
    if root.get("networks").and_then(Node::as_map).is_none() {
        root.set("networks", Node::map(span));
    }
    if let Some(networks) = root.get_mut("networks").and_then(Node::as_map_mut)
        && !networks.contains("default")
    {
        networks.set("default", Node::new(Value::Null, span));
    }
}

fn service(service: &mut Map, span: Span, environment: &Environment) {
    if service.get("pull_policy").and_then(Node::as_str) == Some("if_not_present") {
        service.set("pull_policy", Node::string("missing", span));
    }
    if let Some(build) = service.get_mut("build").and_then(Node::as_map_mut) {
        complete_build(build, span, environment);
    }
    if let Some(variables) = service.get_mut("environment") {
        resolve(variables, environment, true);
    }
    if let Some(Value::List(mounts)) = service.get_mut("volumes").map(|node| &mut node.value) {
        mounts.iter_mut().for_each(clean_target);
    }
    let implied = implied_dependencies(service);
    if implied.is_empty() {
        return;
    }
    if service.get("depends_on").and_then(Node::as_map).is_none() {
        service.set("depends_on", Node::map(span));
    }
    let Some(dependencies) = service.get_mut("depends_on").and_then(Node::as_map_mut) else {
        return;
    };
    for (name, restart, span) in implied {
        if !dependencies.contains(&name) {
            dependencies.insert(name, span, dependency(restart, span));
        }
    }
}

fn complete_build(build: &mut Map, span: Span, environment: &Environment) {
    if build.get("context").is_none_or(Node::is_null) {
        build.set("context", Node::string(".", span));
    }
    let unset = |key: &str| build.get(key).is_none_or(Node::is_null);
    if unset("dockerfile") && unset("dockerfile_inline") {
        build.set("dockerfile", Node::string("Dockerfile", span));
    }
    if let Some(args) = build.get_mut("args") {
        resolve(args, environment, false);
    }
}

fn clean_target(mount: &mut Node) {
    let target = mount.as_map_mut().and_then(|map| map.get_mut("target"));
    if let Some(Value::String(target)) = target.map(|node| &mut node.value) {
        *target = clean(target);
    }
}

/// Name, whether it is restarted with, place.
fn implied_dependencies(service: &Map) -> Vec<(String, bool, Span)> {
    let mut implied = Vec::new();
    let list = |key: &str| {
        let list = service.get(key).and_then(Node::as_list).unwrap_or_default();
        list.iter().filter_map(|node| Some((node.as_str()?.to_owned(), node.span)))
    };
    for (link, span) in list("links") {
        let name = link.split(':').next().unwrap_or_default().to_owned();
        implied.push((name, true, span));
    }
    for key in ["network_mode", "ipc", "pid", "uts", "cgroup"] {
        let Some(node) = service.get(key) else { continue };
        if let Some(name) = node.as_str().and_then(|text| text.strip_prefix("service:")) {
            implied.push((name.to_owned(), true, node.span));
        }
    }
    for (text, span) in list("volumes_from") {
        if !text.starts_with("container:") {
            let name = text.split(':').next().unwrap_or_default().to_owned();
            implied.push((name, false, span));
        }
    }
    implied
}

fn dependency(restart: bool, span: Span) -> Node {
    let mut map = Map::default();
    map.insert("condition", span, Node::string("service_started", span));
    map.insert("restart", span, Node::new(Value::Bool(restart), span));
    map.insert("required", span, Node::new(Value::Bool(true), span));
    Node::new(Value::Map(map), span)
}

/// Gives names without a value the environment's. Without one they stay or go.
fn resolve(node: &mut Node, environment: &Environment, keep: bool) {
    match &mut node.value {
        Value::Map(map) => map.retain(|key, node| {
            if !node.is_null() {
                return true;
            }
            match environment.get(key) {
                Some(value) => {
                    node.value = Value::String(value.clone());
                    true
                }
                None => keep,
            }
        }),
        Value::List(list) => list.retain_mut(|node| {
            let Value::String(text) = &mut node.value else { return true };
            if text.contains('=') {
                return true;
            }
            match environment.get(text.as_str()) {
                Some(value) => {
                    *text = format!("{text}={value}");
                    true
                }
                None => keep,
            }
        }),
        _ => {}
    }
}

/// Variables of services that are passed through: before an including file's environment is forgotten.
pub(super) fn pass_through(root: &mut Node, environment: &Environment) {
    let services = root.as_map_mut().and_then(|map| map.get_mut("services"));
    let Some(services) = services.and_then(Node::as_map_mut) else { return };
    for (_, service) in services.iter_mut() {
        let variables = service.as_map_mut().and_then(|map| map.get_mut("environment"));
        if let Some(variables) = variables {
            resolve(variables, environment, true);
        }
    }
}

/// Resources are called `PROJECT_KEY`, external ones by their key, unless they have a name.
fn names(root: &mut Map) {
    let project = root.get("name").and_then(Node::as_str).unwrap_or_default().to_owned();
    for kind in ["networks", "volumes", "configs", "secrets"] {
        let Some(resources) = root.get_mut(kind).and_then(Node::as_map_mut) else { continue };
        for (key, node) in resources.iter_mut() {
            let span = node.span;
            if node.is_null() {
                *node = Node::map(span);
            }
            let Some(map) = node.as_map_mut() else { continue };
            if map.get("name").is_some_and(|name| !name.is_null()) {
                continue;
            }
            let external = map.get("external").and_then(Node::as_bool) == Some(true);
            let name = if external { key.to_owned() } else { format!("{project}_{key}") };
            map.set("name", Node::string(name, span));
        }
    }
}
