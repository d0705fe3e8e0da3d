//! A service: the model of one or more equal containers.

use std::collections::BTreeMap;

use super::{
    Blkio, Build, Bytes, Command, CredentialSpec, Deploy, Develop, Device, DeviceRequest, Duration,
    EnvFile, Environment, FileReference, Healthcheck, Hook, Hosts, Labels, Mount, Options, Port,
    Provider, ServiceModel, ServiceNetwork, StringList, StringOrNumberList, Ulimit,
};

record! {
    pub struct Service {
        profiles: Vec<String> = "profiles",
        annotations: Labels = "annotations",
        attach: Option<bool> = "attach",
        build: Option<Box<Build>> = "build",
        develop: Option<Develop> = "develop",
        blkio_config: Option<Blkio> = "blkio_config",
        cap_add: Vec<String> = "cap_add",
        cap_drop: Vec<String> = "cap_drop",
        cgroup_parent: String = "cgroup_parent",
        cgroup: String = "cgroup",
        cpu_count: i64 = "cpu_count",
        cpu_percent: f32 = "cpu_percent",
        cpu_period: i64 = "cpu_period",
        cpu_quota: i64 = "cpu_quota",
        cpu_rt_period: i64 = "cpu_rt_period",
        cpu_rt_runtime: i64 = "cpu_rt_runtime",
        cpus: f32 = "cpus",
        cpuset: String = "cpuset",
        cpu_shares: i64 = "cpu_shares",
        command: Command = "command" json_kept,
        configs: Vec<FileReference> = "configs",
        container_name: String = "container_name",
        credential_spec: Option<CredentialSpec> = "credential_spec",
        depends_on: BTreeMap<String, Dependency> = "depends_on",
        deploy: Option<Box<Deploy>> = "deploy",
        device_cgroup_rules: Vec<String> = "device_cgroup_rules",
        devices: Vec<Device> = "devices",
        dns: StringList = "dns",
        dns_opt: Vec<String> = "dns_opt",
        dns_search: StringList = "dns_search",
        domainname: String = "domainname",
        entrypoint: Command = "entrypoint" json_kept,
        provider: Option<Provider> = "provider",
        environment: Environment = "environment",
        env_file: Vec<EnvFile> = "env_file",
        expose: StringOrNumberList = "expose",
        extends: Option<Extends> = "extends",
        external_links: Vec<String> = "external_links",
        extra_hosts: Hosts = "extra_hosts",
        group_add: Vec<String> = "group_add",
        gpus: Vec<DeviceRequest> = "gpus",
        hostname: String = "hostname",
        healthcheck: Option<Healthcheck> = "healthcheck",
        image: String = "image",
        init: Option<bool> = "init",
        ipc: String = "ipc",
        isolation: String = "isolation",
        labels: Labels = "labels",
        label_file: StringList = "label_file",
        links: Vec<String> = "links",
        logging: Option<Logging> = "logging",
        mem_limit: Bytes = "mem_limit",
        mem_reservation: Bytes = "mem_reservation",
        memswap_limit: Bytes = "memswap_limit",
        mem_swappiness: Bytes = "mem_swappiness",
        mac_address: String = "mac_address",
        models: BTreeMap<String, Option<ServiceModel>> = "models",
        network_mode: String = "network_mode",
        networks: BTreeMap<String, Option<ServiceNetwork>> = "networks",
        oom_kill_disable: bool = "oom_kill_disable",
        oom_score_adj: i64 = "oom_score_adj",
        pid: String = "pid",
        pids_limit: i64 = "pids_limit",
        platform: String = "platform",
        ports: Vec<Port> = "ports",
        privileged: bool = "privileged",
        pull_policy: String = "pull_policy",
        pull_refresh_after: String = "pull_refresh_after",
        read_only: bool = "read_only",
        restart: String = "restart",
        runtime: String = "runtime",
        scale: Option<i64> = "scale",
        secrets: Vec<FileReference> = "secrets",
        security_opt: Vec<String> = "security_opt",
        shm_size: Bytes = "shm_size",
        stdin_open: bool = "stdin_open",
        stop_grace_period: Option<Duration> = "stop_grace_period",
        stop_signal: String = "stop_signal",
        storage_opt: Options = "storage_opt",
        sysctls: Labels = "sysctls",
        tmpfs: StringList = "tmpfs",
        tty: bool = "tty",
        ulimits: BTreeMap<String, Ulimit> = "ulimits",
        use_api_socket: bool = "use_api_socket",
        user: String = "user",
        userns_mode: String = "userns_mode",
        uts: String = "uts",
        volumes: Vec<Mount> = "volumes",
        volumes_from: Vec<String> = "volumes_from",
        working_dir: String = "working_dir",
        pre_start: Vec<Hook> = "pre_start",
        post_start: Vec<Hook> = "post_start",
        pre_stop: Vec<Hook> = "pre_stop",
    }
}

impl Service {
    /// Containers wanted.
    pub fn replicas(&self) -> i64 {
        let deploy = self.deploy.as_ref().and_then(|deploy| deploy.replicas);
        self.scale.or(deploy).unwrap_or(1)
    }

    /// The image to run: the one named, or the one a build makes.
    pub fn image_name(&self, project: &str, service: &str) -> String {
        if self.image.is_empty() { format!("{project}-{service}") } else { self.image.clone() }
    }
}

record! {
    /// What is left of an `extends` that found nothing to extend.
    pub struct Extends {
        file: String = "file",
        service: String = "service",
    }
}

record! {
    pub struct Dependency {
        /// `service_started`, `service_healthy` or `service_completed_successfully`.
        condition: String = "condition",
        restart: bool = "restart",
        required: bool = "required" kept,
    }
}

record! {
    pub struct Logging {
        driver: String = "driver",
        options: Options = "options",
    }
}
