//! What `run` and `create` say about what a container sees and may do.

use std::path::PathBuf;

use clap::Args as ClapArgs;

#[derive(Debug, Default, ClapArgs)]
pub(crate) struct ConfinementArgs {
    /// Mount something: `type=bind|image|tmpfs|volume,source=…,target=…[,readonly]…`
    #[arg(long = "mount", value_name = "SPEC", help_heading = "Files")]
    pub(crate) mounts: Vec<String>,
    /// Mount the volumes, and the directories of this machine, that another container has: `CONTAINER[:ro]`
    #[arg(long, value_name = "CONTAINER", help_heading = "Files")]
    pub(crate) volumes_from: Vec<String>,
    /// Who keeps volumes: `local`
    #[arg(long, value_name = "DRIVER", help_heading = "Files")]
    pub(crate) volume_driver: Option<String>,
    /// Mount a file system in memory: `TARGET[:OPTIONS]`
    #[arg(long, value_name = "SPEC", help_heading = "Files")]
    pub(crate) tmpfs: Vec<String>,
    /// Give it a device of this machine: `PATH[:PATH_INSIDE][:rwm]`, or a directory of them
    #[arg(long = "device", value_name = "SPEC", help_heading = "Files")]
    pub(crate) devices: Vec<String>,
    /// Let it use more devices: `c|b|a MAJOR:MINOR rwm`
    #[arg(long = "device-cgroup-rule", value_name = "RULE", help_heading = "Files")]
    pub(crate) device_rules: Vec<String>,

    /// Add a capability, or `ALL`
    #[arg(long, value_name = "NAME", help_heading = "Privileges")]
    pub(crate) cap_add: Vec<String>,
    /// Take a capability away, or `ALL`
    #[arg(long, value_name = "NAME", help_heading = "Privileges")]
    pub(crate) cap_drop: Vec<String>,
    /// `no-new-privileges`, `seccomp=FILE|unconfined`, `systempaths=unconfined`, `writable-cgroups=true`
    #[arg(long = "security-opt", value_name = "OPTION", help_heading = "Privileges")]
    pub(crate) security: Vec<String>,
    /// Let it do everything that root can
    #[arg(long, help_heading = "Privileges")]
    pub(crate) privileged: bool,
    /// More groups of the user
    #[arg(long = "group-add", value_name = "GROUP", help_heading = "Privileges")]
    pub(crate) groups: Vec<String>,

    /// Kernel settings of its own namespaces: `NAME=VALUE`
    #[arg(long = "sysctl", value_name = "NAME=VALUE", help_heading = "Kernel")]
    pub(crate) sysctls: Vec<String>,
    /// PID namespace: `private`, `host` or `container:NAME`
    #[arg(long, value_name = "MODE", help_heading = "Kernel")]
    pub(crate) pid: Option<String>,
    /// IPC namespace: `private`, `shareable`, `host` or `container:NAME`
    #[arg(long, value_name = "MODE", help_heading = "Kernel")]
    pub(crate) ipc: Option<String>,
    /// Namespace of names: `host`
    #[arg(long, value_name = "MODE", help_heading = "Kernel")]
    pub(crate) uts: Option<String>,
    /// Cgroup namespace: `private` or `host`
    #[arg(long, value_name = "MODE", help_heading = "Kernel")]
    pub(crate) cgroupns: Option<String>,
    /// User namespace: `host`, or `auto` for users of its own
    #[arg(long, value_name = "MODE", help_heading = "Kernel")]
    pub(crate) userns: Option<String>,
    /// Run a small init that passes signals on and collects orphans
    #[arg(long, help_heading = "Kernel")]
    pub(crate) init: bool,

    /// Name of the domain inside
    #[arg(long, value_name = "NAME", help_heading = "Names")]
    pub(crate) domainname: Option<String>,
    /// Address of a name server
    #[arg(long, value_name = "IP", help_heading = "Names")]
    pub(crate) dns: Vec<String>,
    /// Domain to search names in; `.` is none
    #[arg(long, value_name = "DOMAIN", help_heading = "Names")]
    pub(crate) dns_search: Vec<String>,
    /// Option of the resolver
    #[arg(long = "dns-option", alias = "dns-opt", value_name = "OPTION", help_heading = "Names")]
    pub(crate) dns_options: Vec<String>,

    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

#[derive(Debug, Default, ClapArgs)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitArgs {
    /// Memory
    #[arg(short, long, value_name = "BYTES")]
    pub(crate) memory: Option<String>,
    /// Memory and swap together; -1 is no limit
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    pub(crate) memory_swap: Option<String>,
    /// Memory that is left to it when there is little
    #[arg(long, value_name = "BYTES")]
    pub(crate) memory_reservation: Option<String>,
    /// How readily it is swapped out, 0 to 100 (cgroup v1)
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub(crate) memory_swappiness: Option<i64>,
    /// Let its processes wait for memory instead of killing them (cgroup v1)
    #[arg(long)]
    pub(crate) oom_kill_disable: bool,
    /// Whom to kill first for lack of memory: -1000 to 1000
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub(crate) oom_score_adj: Option<i16>,
    /// Number of processors' worth of time
    #[arg(long, value_name = "NUMBER")]
    pub(crate) cpus: Option<String>,
    /// Length of a period of processor time, in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    pub(crate) cpu_period: Option<u64>,
    /// Processor time in each period, in microseconds; -1 is no limit
    #[arg(long, value_name = "MICROSECONDS", allow_hyphen_values = true)]
    pub(crate) cpu_quota: Option<i64>,
    /// Share of busy processors beside others': 2 to 262144, usually 1024
    #[arg(short, long, value_name = "NUMBER")]
    pub(crate) cpu_shares: Option<u64>,
    /// Processors: `0-2,4`
    #[arg(long, value_name = "LIST")]
    pub(crate) cpuset_cpus: Option<String>,
    /// Nodes of memory: `0,1`
    #[arg(long, value_name = "LIST")]
    pub(crate) cpuset_mems: Option<String>,
    /// Number of processes and threads; -1 is no limit
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub(crate) pids_limit: Option<i64>,
    /// Share of busy disks beside others': 10 to 1000
    #[arg(long, value_name = "NUMBER")]
    pub(crate) blkio_weight: Option<u16>,
    /// Bytes read from a disk in a second: `DEVICE:BYTES`
    #[arg(long, value_name = "RATE")]
    pub(crate) device_read_bps: Vec<String>,
    /// Bytes written to a disk in a second
    #[arg(long, value_name = "RATE")]
    pub(crate) device_write_bps: Vec<String>,
    /// Reads from a disk in a second: `DEVICE:NUMBER`
    #[arg(long, value_name = "RATE")]
    pub(crate) device_read_iops: Vec<String>,
    /// Writes to a disk in a second
    #[arg(long, value_name = "RATE")]
    pub(crate) device_write_iops: Vec<String>,
    /// Cgroup below which its own is made
    #[arg(long, value_name = "PATH")]
    pub(crate) cgroup_parent: Option<PathBuf>,
}
