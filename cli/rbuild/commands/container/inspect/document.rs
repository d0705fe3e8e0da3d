//! A container as docker's API describes it.

use std::ffi::OsString;

use anyhow::Result;
use engine::values::signal;
use runtime::containers::{Container, Definition, HealthCheck, State, Status, VolumeUse};
use runtime::network::Endpoint;
use runtime::{Mount, MountSource};
use serde_json::{Map, Value, json};
use store::Store;
use store::usage::measure;

use super::host;

/// How docker writes a time that has not been.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// `driver` is how snapshots are made. Sizes take time, so they are asked for.
pub(super) fn of(store: &Store, driver: &str, container: &Container, sizes: bool) -> Result<Value> {
    let definition = &container.definition;
    let words = texts(&definition.spec.args);
    let mut document = json!({
        "Id": definition.id,
        "Created": definition.created,
        "Path": words.first(),
        "Args": words.get(1..).unwrap_or_default(),
        "State": state(&container.state),
        "Image": definition.image.id,
        "ResolvConfPath": "",
        "HostnamePath": "",
        "HostsPath": "",
        "LogPath": container.place.log_file(),
        "Name": format!("/{}", definition.name),
        "RestartCount": container.state.restarts,
        "Driver": driver,
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": null,
        "HostConfig": host::config(container),
        "GraphDriver": { "Data": null, "Name": driver },
        "Mounts": mounts(store, container),
        "Config": config(container),
        "NetworkSettings": network_settings(store, container)?,
    });
    if sizes {
        let own = measure(&container.place.directory.join("upper"))?.bytes;
        let below =
            store.resolve(&definition.image.id).and_then(|image| store.unpacked_size(&image));
        document["SizeRw"] = json!(own);
        document["SizeRootFs"] = json!(own + below.unwrap_or(0));
    }
    Ok(document)
}

fn texts(words: &[OsString]) -> Vec<String> {
    words.iter().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// Docker's word for how the container is connected.
pub(super) fn network_mode(definition: &Definition) -> String {
    match (&definition.network.joined, definition.network.attachments.first()) {
        (Some(id), _) => format!("container:{id}"),
        (None, Some(first)) => first.network.clone(),
        (None, None) => definition.spec.network.to_string(),
    }
}

fn network_settings(store: &Store, container: &Container) -> Result<Value> {
    let definition = &container.definition;
    let endpoints = engine::networks_of(store)?.endpoints_of(definition)?;
    let mut networks = Map::new();
    for name in definition.network_names() {
        let endpoint = endpoints.iter().find(|endpoint| endpoint.network_name == name);
        networks.insert(name.to_owned(), endpoint_document(definition, name, endpoint));
    }
    let first = endpoints.first();
    let text = |value: Option<String>| value.unwrap_or_default();
    Ok(json!({
        "SandboxKey": container.state.process.filter(|_| first.is_some())
            .map_or(String::new(), |process| format!("/proc/{}/ns/net", process.pid)),
        "IPAddress": text(first.map(|endpoint| endpoint.address.to_string())),
        "IPPrefixLen": first.map_or(0, |endpoint| endpoint.prefix),
        "Gateway": text(first.and_then(|endpoint| endpoint.gateway).map(|g| g.to_string())),
        "MacAddress": text(first.map(|endpoint| endpoint.mac.to_string())),
        "Ports": super::super::port::document(container),
        "Networks": networks,
    }))
}

fn endpoint_document(definition: &Definition, name: &str, endpoint: Option<&Endpoint>) -> Value {
    let wanted =
        definition.network.attachments.iter().find(|attachment| attachment.network == name);
    let Some(endpoint) = endpoint else {
        return json!({ "Aliases": wanted.map(|wanted| &wanted.aliases), "IPAddress": "" });
    };
    json!({
        "Aliases": endpoint.aliases,
        "DNSNames": endpoint.names,
        "NetworkID": endpoint.network,
        "EndpointID": endpoint.host_interface,
        "Gateway": endpoint.gateway.map_or(String::new(), |gateway| gateway.to_string()),
        "IPAddress": endpoint.address,
        "IPPrefixLen": endpoint.prefix,
        "MacAddress": endpoint.mac,
        "GwPriority": wanted.map_or(0, |wanted| wanted.gateway_priority),
    })
}

fn state(state: &State) -> Value {
    let time = |text: &str| if text.is_empty() { NEVER.to_owned() } else { text.to_owned() };
    let mut document = json!({
        "Status": state.status.word(),
        "Running": state.status.is_alive(),
        "Paused": state.status == Status::Paused,
        "Restarting": state.status == Status::Restarting,
        "OOMKilled": state.oom_killed,
        "Dead": false,
        "Pid": state.process.map_or(0, |process| process.pid),
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": time(&state.started),
        "FinishedAt": time(&state.finished),
    });
    if let Some(health) = &state.health {
        let runs: Vec<Value> = health
            .log
            .iter()
            .map(|run| {
                json!({
                    "Start": run.start,
                    "End": run.end,
                    "ExitCode": run.exit_code,
                    "Output": run.output,
                })
            })
            .collect();
        document["Health"] = json!({
            "Status": health.status.word(),
            "FailingStreak": health.failing_streak,
            "Log": runs,
        });
    }
    document
}

fn config(container: &Container) -> Value {
    let definition = &container.definition;
    let spec = &definition.spec;
    let none_if_empty = |words: &[OsString]| match words {
        [] => Value::Null,
        words => json!(texts(words)),
    };
    json!({
        "Hostname": spec.hostname,
        "Domainname": "",
        "User": spec.user,
        "Tty": definition.terminal,
        "OpenStdin": definition.open_stdin,
        "StdinOnce": definition.stdin_once,
        "Env": spec.env,
        "Cmd": none_if_empty(&definition.command),
        "Healthcheck": definition.health.as_ref().map(health_check),
        "Image": definition.image.name,
        "WorkingDir": spec.cwd,
        "Entrypoint": none_if_empty(&definition.entrypoint),
        "Labels": definition.labels,
        "StopSignal": signal::name(definition.stop_signal),
        "StopTimeout": definition.stop_timeout.map_or(-1, i64::from),
    })
}

fn health_check(check: &HealthCheck) -> Value {
    json!({
        "Test": check.test,
        "Interval": check.interval,
        "Timeout": check.timeout,
        "StartPeriod": check.start_period,
        "StartInterval": check.start_interval,
        "Retries": check.retries,
    })
}

pub(super) fn volume_of<'a>(container: &'a Container, mount: &Mount) -> Option<&'a VolumeUse> {
    container.definition.volumes.iter().find(|used| used.target == mount.target)
}

fn mounts(store: &Store, container: &Container) -> Vec<Value> {
    let mounts = container.definition.spec.mounts.iter();
    mounts.filter_map(|mount| mounted(store, container, mount)).collect()
}

/// None of what is made for the container alone.
fn mounted(store: &Store, container: &Container, mount: &Mount) -> Option<Value> {
    let mut document = json!({
        "Type": "bind",
        "Source": "",
        "Destination": mount.target,
        "Mode": if mount.read_only { "ro" } else { "" },
        "RW": !mount.read_only,
        "Propagation": "",
    });
    let source = match &mount.source {
        MountSource::Path { source, .. } => store.root().join(source),
        MountSource::Filesystem { filesystem, .. } => filesystem.device.clone().into(),
        MountSource::Tree { .. } => {
            document["Type"] = json!("image");
            return Some(document);
        }
        MountSource::Tmpfs(_) => {
            document["Type"] = json!("tmpfs");
            return Some(document);
        }
        MountSource::File { .. } | MountSource::Own => return None,
    };
    document["Source"] = json!(source);
    match volume_of(container, mount) {
        Some(used) => {
            document["Type"] = json!("volume");
            document["Name"] = json!(used.name);
            document["Driver"] = json!("local");
        }
        None => document["Propagation"] = json!("rprivate"),
    }
    Some(document)
}
