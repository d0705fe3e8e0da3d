//! A service.

use super::build::{BUILD, DEVELOP};
use super::deploy::DEPLOY;
use super::lists::{
    BOOLEAN, COMMAND, DURATION, FILE_REFERENCES, GPUS, HOOKS, HOSTS, LIST_OR_MAP, NUMBER, SIZE,
    START_HOOKS, STRING, STRING_OR_LIST, STRING_OR_SET, STRING_SET, ULIMITS, WHOLE,
};
use super::shape::{BOOL, Fields, INT, NULL, NUM, Pattern, Rest, STR, Shape};

pub(super) const SERVICE_SHAPE: Shape = Shape::of(0).map(&SERVICE);

pub(super) const SERVICE: Fields = Fields::of(&[
    ("develop", DEVELOP),
    ("deploy", DEPLOY),
    ("annotations", LIST_OR_MAP),
    ("attach", BOOLEAN),
    ("build", BUILD),
    ("blkio_config", Shape::of(0).map(&BLKIO)),
    ("cap_add", STRING_SET),
    ("cap_drop", STRING_SET),
    ("cgroup", Shape::of(STR).one_of(&["host", "private"])),
    ("cgroup_parent", STRING),
    ("command", COMMAND),
    ("configs", FILE_REFERENCES),
    ("container_name", Shape::of(STR).matches(Pattern::ContainerName)),
    ("cpu_count", Shape::of(STR | INT).range(0, i64::MAX)),
    ("cpu_percent", Shape::of(STR | INT).range(0, 100)),
    ("cpu_shares", NUMBER),
    ("cpu_quota", NUMBER),
    ("cpu_period", NUMBER),
    ("cpu_rt_period", NUMBER),
    ("cpu_rt_runtime", NUMBER),
    ("cpus", NUMBER),
    ("cpuset", STRING),
    ("credential_spec", Shape::of(0).map(&CREDENTIAL_SPEC)),
    ("depends_on", Shape::of(0).set(&STRING).map(&DEPENDENCIES)),
    ("device_cgroup_rules", STRING_SET),
    ("devices", Shape::of(0).list(&DEVICE)),
    ("dns", STRING_OR_SET),
    ("dns_opt", STRING_SET),
    ("dns_search", STRING_OR_SET),
    ("domainname", STRING),
    ("entrypoint", COMMAND),
    ("env_file", Shape::of(STR).list(&ENV_FILE)),
    ("label_file", STRING_OR_LIST),
    ("environment", LIST_OR_MAP),
    ("expose", Shape::of(0).set(&Shape::of(STR | NUM))),
    ("extends", Shape::of(STR).map(&EXTENDS)),
    ("provider", Shape::of(0).map(&PROVIDER)),
    ("external_links", STRING_SET),
    ("extra_hosts", HOSTS),
    ("gpus", GPUS),
    ("group_add", Shape::of(0).set(&Shape::of(STR | NUM))),
    ("healthcheck", Shape::of(0).map(&HEALTHCHECK)),
    ("hostname", STRING),
    ("image", STRING),
    ("init", BOOLEAN),
    ("ipc", STRING),
    ("isolation", STRING),
    ("labels", LIST_OR_MAP),
    ("links", STRING_SET),
    ("logging", Shape::of(0).map(&LOGGING)),
    ("mac_address", STRING),
    ("mem_limit", SIZE),
    ("mem_reservation", Shape::of(STR | INT).like("`64m`")),
    ("mem_swappiness", WHOLE),
    ("memswap_limit", SIZE),
    ("network_mode", STRING),
    ("models", Shape::of(0).set(&STRING).map(&MODELS)),
    ("networks", Shape::of(0).set(&STRING).map(&NETWORKS)),
    ("oom_kill_disable", BOOLEAN),
    ("oom_score_adj", Shape::of(STR | INT).range(-1000, 1000)),
    ("pid", Shape::of(STR | NULL)),
    ("pids_limit", NUMBER),
    ("platform", STRING),
    ("ports", Shape::of(0).set(&PORT)),
    ("pre_start", START_HOOKS),
    ("post_start", HOOKS),
    ("pre_stop", HOOKS),
    ("privileged", BOOLEAN),
    ("profiles", STRING_SET),
    ("pull_policy", Shape::of(STR).matches(Pattern::PullPolicy)),
    ("pull_refresh_after", STRING),
    ("read_only", BOOLEAN),
    ("restart", STRING),
    ("runtime", STRING),
    ("scale", WHOLE),
    ("security_opt", STRING_SET),
    ("shm_size", SIZE),
    ("secrets", FILE_REFERENCES),
    ("sysctls", LIST_OR_MAP),
    ("stdin_open", BOOLEAN),
    ("stop_grace_period", DURATION),
    ("stop_signal", STRING),
    ("storage_opt", Shape::of(0).map(&FREE)),
    ("tmpfs", STRING_OR_SET),
    ("tty", BOOLEAN),
    ("ulimits", ULIMITS),
    ("use_api_socket", Shape::of(BOOL)),
    ("user", STRING),
    ("uts", STRING),
    ("userns_mode", STRING),
    ("volumes", Shape::of(0).set(&MOUNT)),
    ("volumes_from", STRING_SET),
    ("working_dir", STRING),
]);

const FREE: Fields = Fields::of(&[]).rest(Rest::Free);

const BLKIO: Fields = Fields::of(&[
    ("device_read_bps", Shape::of(0).list(&RATE)),
    ("device_read_iops", Shape::of(0).list(&RATE)),
    ("device_write_bps", Shape::of(0).list(&RATE)),
    ("device_write_iops", Shape::of(0).list(&RATE)),
    ("weight", WHOLE),
    ("weight_device", Shape::of(0).list(&WEIGHT)),
])
.rest(Rest::Refused);
const RATE: Shape =
    Shape::of(0).map(&Fields::of(&[("path", STRING), ("rate", WHOLE)]).rest(Rest::Refused));
const WEIGHT: Shape =
    Shape::of(0).map(&Fields::of(&[("path", STRING), ("weight", WHOLE)]).rest(Rest::Refused));

const CREDENTIAL_SPEC: Fields =
    Fields::of(&[("config", STRING), ("file", STRING), ("registry", STRING)]);

const DEPENDENCIES: Fields = Fields::of(&[]).rest(Rest::Named(&DEPENDENCY));
const DEPENDENCY: Shape = Shape::of(0).map(&DEPENDENCY_FIELDS);
const DEPENDENCY_FIELDS: Fields = Fields::of(&[
    ("restart", BOOLEAN),
    ("required", Shape::of(BOOL)),
    ("condition", Shape::of(STR).one_of(CONDITIONS)),
])
.required(&["condition"]);
const CONDITIONS: &[&str] =
    &["service_started", "service_healthy", "service_completed_successfully"];

const DEVICE: Shape = Shape::of(STR).map(&DEVICE_FIELDS).like("`/dev/fuse:/dev/fuse:rwm`");
const DEVICE_FIELDS: Fields =
    Fields::of(&[("source", STRING), ("target", STRING), ("permissions", STRING)])
        .required(&["source"]);

const ENV_FILE: Shape = Shape::of(STR).map(&ENV_FILE_FIELDS);
const ENV_FILE_FIELDS: Fields =
    Fields::of(&[("path", STRING), ("format", STRING), ("required", BOOLEAN)])
        .required(&["path"])
        .rest(Rest::Refused);

const EXTENDS: Fields =
    Fields::of(&[("service", STRING), ("file", STRING)]).required(&["service"]).rest(Rest::Refused);

const PROVIDER: Fields =
    Fields::of(&[("type", STRING), ("options", Shape::of(0).map(&PROVIDER_OPTIONS))])
        .required(&["type"]);
const PROVIDER_OPTION: Shape = Shape::of(STR | NUM | BOOL).list(&Shape::of(STR | NUM | BOOL));
const PROVIDER_OPTIONS: Fields = Fields::each(&PROVIDER_OPTION);

const HEALTHCHECK: Fields = Fields::of(&[
    ("disable", BOOLEAN),
    ("interval", DURATION),
    ("retries", NUMBER),
    ("test", STRING_OR_LIST),
    ("timeout", DURATION),
    ("start_period", DURATION),
    ("start_interval", DURATION),
]);

const LOGGING: Fields =
    Fields::of(&[("driver", STRING), ("options", Shape::of(0).map(&LOGGING_OPTIONS))]);
const LOGGING_OPTIONS: Fields = Fields::each(&Shape::of(STR | NUM | NULL));

const MODELS: Fields = Fields::of(&[]).rest(Rest::Named(&MODEL));
const MODEL: Shape = Shape::of(NULL).map(&MODEL_FIELDS);
const MODEL_FIELDS: Fields = Fields::of(&[("endpoint_var", STRING), ("model_var", STRING)]);

const NETWORKS: Fields = Fields::of(&[]).rest(Rest::Named(&NETWORK));
const NETWORK: Shape = Shape::of(NULL).map(&NETWORK_FIELDS);
const NETWORK_FIELDS: Fields = Fields::of(&[
    ("aliases", STRING_SET),
    ("interface_name", STRING),
    ("ipv4_address", STRING),
    ("ipv6_address", STRING),
    ("link_local_ips", STRING_SET),
    ("mac_address", STRING),
    ("driver_opts", Shape::of(0).map(&NETWORK_OPTIONS)),
    ("priority", Shape::of(NUM)),
    ("gw_priority", Shape::of(NUM)),
]);
const NETWORK_OPTIONS: Fields = Fields::each(&Shape::of(STR | NUM));

const PORT: Shape = Shape::of(NUM | STR).map(&PORT_FIELDS).like("a port like `8080:80`");
const PORT_FIELDS: Fields = Fields::of(&[
    ("name", STRING),
    ("mode", STRING),
    ("host_ip", STRING),
    ("target", WHOLE),
    ("published", WHOLE),
    ("protocol", STRING),
    ("app_protocol", STRING),
]);

const MOUNT: Shape = Shape::of(STR).map(&MOUNT_FIELDS).like("`./data:/data` or `volume:/data`");
const MOUNT_FIELDS: Fields = Fields::of(&[
    ("type", Shape::of(STR).one_of(&["bind", "volume", "tmpfs", "cluster", "npipe", "image"])),
    ("source", STRING),
    ("target", STRING),
    ("read_only", BOOLEAN),
    ("consistency", STRING),
    ("bind", Shape::of(0).map(&BIND)),
    ("volume", Shape::of(0).map(&VOLUME)),
    ("tmpfs", Shape::of(0).map(&TMPFS)),
    ("image", Shape::of(0).map(&IMAGE)),
])
.required(&["type"]);
const BIND: Fields = Fields::of(&[
    ("propagation", STRING),
    ("create_host_path", BOOLEAN),
    ("recursive", Shape::of(STR).one_of(&["enabled", "disabled", "writable", "readonly"])),
    ("selinux", Shape::of(STR).one_of(&["z", "Z"])),
]);
const VOLUME: Fields =
    Fields::of(&[("labels", LIST_OR_MAP), ("nocopy", BOOLEAN), ("subpath", STRING)]);
const TMPFS: Fields =
    Fields::of(&[("size", Shape::of(STR | INT).range(0, i64::MAX)), ("mode", NUMBER)]);
const IMAGE: Fields = Fields::of(&[("subpath", STRING)]);
