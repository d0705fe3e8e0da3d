//! `HostConfig` of a container's document: what it was asked for, as far as that is kept.

use runtime::containers::{Container, RestartPolicy};
use runtime::{
    Amount, CapabilitySet, ContainerSpec, CpuTime, Limits, MachineAccess, Mount, MountSource,
    NamespaceMode,
};
use serde_json::{Map, Value, json};

use super::document::{network_mode, volume_of};

pub(super) fn config(container: &Container) -> Value {
    let definition = &container.definition;
    let spec = &definition.spec;
    let most = match definition.restart {
        RestartPolicy::OnFailure { most } => most,
        _ => 0,
    };
    let mut config = json!({
        "Binds": binds(container),
        "LogConfig": {
            "Type": definition.log.driver.to_string(),
            "Config": definition.log.options,
        },
        "NetworkMode": network_mode(definition),
        "PortBindings": port_bindings(container),
        "RestartPolicy": {
            "Name": definition.restart.name(),
            "MaximumRetryCount": most,
        },
        "AutoRemove": definition.auto_remove,
        "CapAdd": beside(spec.capabilities, CapabilitySet::docker_default()),
        "CapDrop": beside(CapabilitySet::docker_default(), spec.capabilities),
        "CgroupnsMode": mode(&spec.namespaces.cgroup, "private"),
        "Dns": definition.network.dns.servers,
        "DnsOptions": definition.network.dns.options,
        "DnsSearch": definition.network.dns.search,
        "GroupAdd": spec.groups,
        "IpcMode": mode(&spec.namespaces.ipc, "private"),
        "OomScoreAdj": spec.oom_score_adj.unwrap_or(0),
        "PidMode": mode(&spec.namespaces.pid, ""),
        "Privileged": spec.machine == MachineAccess::Privileged,
        "PublishAllPorts": definition.network.publish_all,
        "ReadonlyRootfs": spec.read_only_rootfs,
        "UTSMode": mode(&spec.namespaces.uts, ""),
        "UsernsMode": if spec.user_namespace.is_some() { "auto" } else { "" },
        "ShmSize": spec.shm_size,
        "Sysctls": sysctls(spec),
        "CgroupParent": spec.cgroup_parent.clone().unwrap_or_default(),
        "Ulimits": ulimits(spec),
        "Init": spec.init,
    });
    if let (Some(config), Value::Object(limits)) = (config.as_object_mut(), limits(&spec.limits)) {
        config.extend(limits);
    }
    config
}

/// What one has that the other has not, by name.
fn beside(one: CapabilitySet, other: CapabilitySet) -> Vec<String> {
    let mut names = CapabilitySet::names();
    let has = |set: CapabilitySet, name: &str| name.parse().is_ok_and(|it| set.contains(it));
    names.retain(|name| has(one, name) && !has(other, name));
    names
}

fn mode(mode: &NamespaceMode, own: &str) -> String {
    match mode {
        NamespaceMode::Own => own.to_owned(),
        NamespaceMode::Shareable => "shareable".to_owned(),
        NamespaceMode::Host => "host".to_owned(),
        NamespaceMode::Container(id) => format!("container:{id}"),
        NamespaceMode::At(path) => path.display().to_string(),
    }
}

fn port_bindings(container: &Container) -> Value {
    let mut bindings: Map<String, Value> = Map::new();
    for port in &container.definition.network.ports {
        let binding = json!({
            "HostIp": port.host_ip.map(|address| address.to_string()).unwrap_or_default(),
            "HostPort": port.host_ports.map(|ports| ports.to_string()).unwrap_or_default(),
        });
        let entry = bindings.entry(port.container.to_string()).or_insert_with(|| json!([]));
        if let Some(list) = entry.as_array_mut() {
            list.push(binding);
        }
    }
    bindings.into()
}

fn sysctls(spec: &ContainerSpec) -> Map<String, Value> {
    spec.sysctls.iter().map(|sysctl| (sysctl.name.clone(), json!(sysctl.value))).collect()
}

/// As docker's, -1 is no limit.
fn ulimits(spec: &ContainerSpec) -> Vec<Value> {
    let number = |value: Option<u64>| value.map_or(json!(-1), |value| json!(value));
    let one = |limit: &runtime::Ulimit| json!({ "Name": limit.name, "Soft": number(limit.soft), "Hard": number(limit.hard) });
    spec.ulimits.iter().map(one).collect()
}

/// Whole processors are told as a number of them, which is how they are asked for most often.
fn limits(limits: &Limits) -> Value {
    let swap = match limits.memory_and_swap {
        None => json!(0),
        Some(Amount::Of(bytes)) => json!(bytes),
        Some(Amount::Unlimited) => json!(-1),
    };
    let quota = limits.cpu.and_then(|cpu| cpu.quota).unwrap_or(0);
    let usual = limits.cpu.is_some_and(|cpu| cpu.period == CpuTime::USUAL_PERIOD);
    let nanos = if usual { quota * (1_000_000_000 / CpuTime::USUAL_PERIOD) } else { 0 };
    let (period, quota) = match limits.cpu {
        Some(cpu) if !usual => (cpu.period, quota),
        _ => (0, 0),
    };
    json!({
        "Memory": limits.memory.unwrap_or(0),
        "MemoryReservation": limits.memory_reservation.unwrap_or(0),
        "MemorySwap": swap,
        "MemorySwappiness": limits.swappiness,
        "OomKillDisable": limits.oom_kill_disable,
        "NanoCpus": nanos,
        "CpuPeriod": period,
        "CpuQuota": quota,
        "CpuShares": limits.cpu_shares.unwrap_or(0),
        "CpusetCpus": limits.cpuset_cpus.clone().unwrap_or_default(),
        "CpusetMems": limits.cpuset_mems.clone().unwrap_or_default(),
        "BlkioWeight": limits.blkio_weight.unwrap_or(0),
        "PidsLimit": limits.pids,
    })
}

/// As `--volume` would say it: directories of the host's, and volumes with a name.
fn binds(container: &Container) -> Vec<String> {
    let definition = &container.definition;
    let bind = |mount: &Mount| {
        let source = match (volume_of(container, mount), &mount.source) {
            (Some(used), _) if used.anonymous => return None,
            (Some(used), _) => used.name.clone(),
            (None, MountSource::Path { source, .. }) => source.display().to_string(),
            _ => return None,
        };
        let options = if mount.read_only { ":ro" } else { "" };
        Some(format!("{source}:{}{options}", mount.target.display()))
    };
    definition.spec.mounts.iter().filter_map(bind).collect()
}
