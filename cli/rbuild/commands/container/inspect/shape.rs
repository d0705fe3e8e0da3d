//! The types that templates see in a container's document: those of docker's API, as far as there is something to show.

use cli::format::{Shape, Struct};

use Shape::{Any, Bool, Int, List, Map, Pointer, Text};

const TEXTS: Shape = List(&Text);

pub(super) static CONTAINER: Struct = Struct {
    name: "a container",
    fields: &[
        ("Id", Text),
        ("Created", Text),
        ("Path", Text),
        ("Args", TEXTS),
        ("State", Pointer(&STATE)),
        ("Image", Text),
        ("ResolvConfPath", Text),
        ("HostnamePath", Text),
        ("HostsPath", Text),
        ("LogPath", Text),
        ("Name", Text),
        ("RestartCount", Int),
        ("Driver", Text),
        ("Platform", Text),
        ("MountLabel", Text),
        ("ProcessLabel", Text),
        ("AppArmorProfile", Text),
        ("ExecIDs", TEXTS),
        ("HostConfig", Pointer(&HOST_CONFIG)),
        ("GraphDriver", Any),
        ("SizeRw", Int),
        ("SizeRootFs", Int),
        ("Mounts", List(&Shape::Struct(&MOUNT))),
        ("Config", Pointer(&CONFIG)),
        ("NetworkSettings", Pointer(&NETWORK)),
    ],
};

static STATE: Struct = Struct {
    name: "a container's state",
    fields: &[
        ("Status", Text),
        ("Running", Bool),
        ("Paused", Bool),
        ("Restarting", Bool),
        ("OOMKilled", Bool),
        ("Dead", Bool),
        ("Pid", Int),
        ("ExitCode", Int),
        ("Error", Text),
        ("StartedAt", Text),
        ("FinishedAt", Text),
        ("Health", Pointer(&HEALTH)),
    ],
};

static HEALTH: Struct = Struct {
    name: "a container's health",
    fields: &[("Status", Text), ("FailingStreak", Int), ("Log", List(&Pointer(&HEALTH_RUN)))],
};

static HEALTH_RUN: Struct = Struct {
    name: "a run of a health check",
    fields: &[("Start", Text), ("End", Text), ("ExitCode", Int), ("Output", Text)],
};

static HOST_CONFIG: Struct = Struct {
    name: "a container's host configuration",
    fields: &[
        ("Binds", TEXTS),
        ("LogConfig", Shape::Struct(&LOG_CONFIG)),
        ("NetworkMode", Text),
        ("PortBindings", Map(&List(&Shape::Struct(&BINDING)))),
        ("RestartPolicy", Shape::Struct(&RESTART)),
        ("AutoRemove", Bool),
        ("CapAdd", TEXTS),
        ("CapDrop", TEXTS),
        ("CgroupnsMode", Text),
        ("Dns", TEXTS),
        ("DnsOptions", TEXTS),
        ("DnsSearch", TEXTS),
        ("GroupAdd", TEXTS),
        ("IpcMode", Text),
        ("OomScoreAdj", Int),
        ("PidMode", Text),
        ("Privileged", Bool),
        ("PublishAllPorts", Bool),
        ("ReadonlyRootfs", Bool),
        ("UTSMode", Text),
        ("UsernsMode", Text),
        ("ShmSize", Int),
        ("Sysctls", Map(&Text)),
        ("CgroupParent", Text),
        ("Ulimits", List(&Shape::Struct(&ULIMIT))),
        ("Init", Bool),
        ("Memory", Int),
        ("MemoryReservation", Int),
        ("MemorySwap", Int),
        ("MemorySwappiness", Any),
        ("OomKillDisable", Bool),
        ("NanoCpus", Int),
        ("CpuPeriod", Int),
        ("CpuQuota", Int),
        ("CpuShares", Int),
        ("CpusetCpus", Text),
        ("CpusetMems", Text),
        ("BlkioWeight", Int),
        ("PidsLimit", Any),
    ],
};
static BINDING: Struct =
    Struct { name: "a published port", fields: &[("HostIp", Text), ("HostPort", Text)] };
static ULIMIT: Struct =
    Struct { name: "a limit", fields: &[("Name", Text), ("Soft", Int), ("Hard", Int)] };

static LOG_CONFIG: Struct =
    Struct { name: "a log configuration", fields: &[("Type", Text), ("Config", Map(&Text))] };
static RESTART: Struct =
    Struct { name: "a restart policy", fields: &[("Name", Text), ("MaximumRetryCount", Int)] };

static MOUNT: Struct = Struct {
    name: "a mount",
    fields: &[
        ("Type", Text),
        ("Source", Text),
        ("Destination", Text),
        ("Mode", Text),
        ("RW", Bool),
        ("Propagation", Text),
        ("Name", Text),
        ("Driver", Text),
    ],
};

static CONFIG: Struct = Struct {
    name: "a container's configuration",
    fields: &[
        ("Hostname", Text),
        ("Domainname", Text),
        ("User", Text),
        ("Tty", Bool),
        ("OpenStdin", Bool),
        ("StdinOnce", Bool),
        ("Env", TEXTS),
        ("Cmd", TEXTS),
        ("Healthcheck", Pointer(&HEALTHCHECK)),
        ("Image", Text),
        ("WorkingDir", Text),
        ("Entrypoint", TEXTS),
        ("Labels", Map(&Text)),
        ("StopSignal", Text),
        ("StopTimeout", Int),
    ],
};

static HEALTHCHECK: Struct = Struct {
    name: "a health check",
    fields: &[
        ("Test", TEXTS),
        ("Interval", Int),
        ("Timeout", Int),
        ("StartPeriod", Int),
        ("StartInterval", Int),
        ("Retries", Int),
    ],
};

static NETWORK: Struct = Struct {
    name: "network settings",
    fields: &[
        ("SandboxKey", Text),
        ("IPAddress", Text),
        ("IPPrefixLen", Int),
        ("Gateway", Text),
        ("MacAddress", Text),
        ("Ports", Map(&Any)),
        ("Networks", Map(&Any)),
    ],
};
