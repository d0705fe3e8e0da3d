//! Ports, mounts and hosts in their short forms.

use compose::canonical::{parse_mount, parse_port};
use compose::model::Hosts;
use compose::render::Form;
use serde_json::{Value, json};

use crate::{compare, json, unit};

#[test]
fn ports() {
    unit("port_short", |case| {
        let result = parse_port(case["input"].as_str().unwrap());
        let result = result.map(|ports| {
            Value::Array(ports.iter().map(|it| json::of_data(&it.document(Form::Json))).collect())
        });
        compare(result.map_err(|it| it.to_string()), &case["output"], &case["error"])
    });
}

#[test]
fn mounts() {
    unit("volume_short", |case| {
        let result = parse_mount(case["input"].as_str().unwrap());
        let result = result.map(|mount| {
            let mut mount = json::of_data(&mount.document(Form::Json));
            as_newer_versions(&mut mount);
            mount
        });
        compare(result.map_err(|it| it.to_string()), &case["output"], &case["error"])
    });
}

/// The version that recorded the units leaves `create_host_path: true` out, and writes env files as
/// mappings; we print what 2.40.3 does.
pub(crate) fn as_newer_versions(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for file in map.get_mut("env_file").and_then(Value::as_array_mut).into_iter().flatten()
            {
                if file.is_string() {
                    *file = json!({ "path": file });
                }
            }
            if map.get("create_host_path") == Some(&Value::Bool(true)) {
                map.remove("create_host_path");
            }
            map.values_mut().for_each(as_newer_versions);
        }
        Value::Array(list) => list.iter_mut().for_each(as_newer_versions),
        _ => {}
    }
}

#[test]
fn hosts() {
    unit("extra_hosts", |case| {
        let entries: Vec<&str> =
            case["input"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let result = Hosts::parse(entries).map(|hosts| json!(hosts.entries()));
        compare(result.map_err(|it| it.to_string()), &case["output"], &case["error"])
    });
}
