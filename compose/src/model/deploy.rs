//! `deploy`: replicas, resources and restarts; the rest is for clusters.

use super::{Bytes, DeviceRequest, Duration, Labels};

record! {
    pub struct Deploy {
        mode: String = "mode",
        replicas: Option<i64> = "replicas",
        labels: Labels = "labels",
        update_config: Option<UpdateConfig> = "update_config",
        rollback_config: Option<UpdateConfig> = "rollback_config",
        resources: Resources = "resources",
        restart_policy: Option<RestartPolicy> = "restart_policy",
        placement: Placement = "placement",
        endpoint_mode: String = "endpoint_mode",
    }
}

record! {
    /// How replicas are replaced.
    pub struct UpdateConfig {
        parallelism: Option<u64> = "parallelism",
        delay: Duration = "delay",
        failure_action: String = "failure_action",
        monitor: Duration = "monitor",
        max_failure_ratio: f32 = "max_failure_ratio",
        order: String = "order",
    }
}

record! {
    pub struct Resources {
        limits: Option<Resource> = "limits",
        reservations: Option<Resource> = "reservations",
    }
}

record! {
    pub struct Resource {
        cpus: f32 = "cpus",
        memory: Bytes = "memory",
        pids: i64 = "pids",
        devices: Vec<DeviceRequest> = "devices",
        generic_resources: Vec<GenericResource> = "generic_resources",
    }
}

record! {
    pub struct GenericResource {
        discrete_resource_spec: Option<DiscreteResource> = "discrete_resource_spec",
    }
}

record! {
    pub struct DiscreteResource {
        kind: String = "kind" kept,
        value: i64 = "value" kept,
    }
}

record! {
    pub struct RestartPolicy {
        condition: String = "condition",
        delay: Option<Duration> = "delay",
        max_attempts: Option<u64> = "max_attempts",
        window: Option<Duration> = "window",
    }
}

record! {
    pub struct Placement {
        constraints: Vec<String> = "constraints",
        preferences: Vec<PlacementPreference> = "preferences",
        max_replicas_per_node: u64 = "max_replicas_per_node",
    }
}

record! {
    pub struct PlacementPreference {
        spread: String = "spread",
    }
}
