//! config.json as the runtime specification writes it. What it means is decided in [`super::translate`].
//!
//! Every object keeps the properties that have no field here: those of the specification are refused by name, unknown ones
//! are ignored, as the specification wants it.
use std::path::PathBuf;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

pub(super) type Rest = Map<String, Value>;

/// Go writes lists that are nil as `null`.
fn nullable<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(d)?.unwrap_or_default())
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Document {
    pub oci_version: String,
    pub(super) root: Option<Root>,
    #[serde(deserialize_with = "nullable")]
    pub(super) mounts: Vec<MountDocument>,
    pub process: Option<ProcessDocument>,
    pub(super) hostname: Option<String>,
    pub(super) domainname: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub hooks: Hooks,
    #[serde(deserialize_with = "nullable")]
    pub annotations: Map<String, Value>,
    #[serde(deserialize_with = "nullable")]
    pub(super) linux: Linux,
    #[serde(flatten)]
    pub(super) rest: Rest,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Root {
    pub(super) path: PathBuf,
    pub(super) readonly: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct MountDocument {
    pub(super) destination: PathBuf,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) source: Option<PathBuf>,
    #[serde(deserialize_with = "nullable")]
    pub(super) options: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) uid_mappings: Vec<IdMapping>,
    #[serde(deserialize_with = "nullable")]
    pub(super) gid_mappings: Vec<IdMapping>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct IdMapping {
    #[serde(rename = "containerID")]
    pub(super) inside: u32,
    #[serde(rename = "hostID")]
    pub(super) outside: u32,
    #[serde(rename = "size")]
    pub(super) count: u32,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProcessDocument {
    pub terminal: bool,
    pub(super) console_size: Option<ConsoleSize>,
    pub user: UserDocument,
    #[serde(deserialize_with = "nullable")]
    pub args: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub env: Vec<String>,
    pub cwd: PathBuf,
    pub capabilities: Option<Capabilities>,
    #[serde(deserialize_with = "nullable")]
    pub(super) rlimits: Vec<Rlimit>,
    pub no_new_privileges: bool,
    pub(super) oom_score_adj: Option<i16>,
    #[serde(flatten)]
    pub(super) rest: Rest,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ConsoleSize {
    pub(super) height: u16,
    pub(super) width: u16,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UserDocument {
    pub uid: u32,
    pub gid: u32,
    pub(super) umask: Option<u32>,
    #[serde(deserialize_with = "nullable")]
    pub additional_gids: Vec<u32>,
    #[serde(flatten)]
    pub(super) rest: Rest,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    #[serde(deserialize_with = "nullable")]
    pub bounding: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub effective: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub permitted: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub inheritable: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub ambient: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Rlimit {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) soft: u64,
    pub(super) hard: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Hooks {
    #[serde(deserialize_with = "nullable")]
    pub prestart: Vec<HookDocument>,
    #[serde(deserialize_with = "nullable")]
    pub create_runtime: Vec<HookDocument>,
    #[serde(deserialize_with = "nullable")]
    pub create_container: Vec<HookDocument>,
    #[serde(deserialize_with = "nullable")]
    pub start_container: Vec<HookDocument>,
    #[serde(deserialize_with = "nullable")]
    pub poststart: Vec<HookDocument>,
    #[serde(deserialize_with = "nullable")]
    pub poststop: Vec<HookDocument>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct HookDocument {
    pub path: PathBuf,
    #[serde(deserialize_with = "nullable")]
    pub args: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub env: Vec<String>,
    pub timeout: Option<i64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Linux {
    #[serde(deserialize_with = "nullable")]
    pub(super) sysctl: Map<String, Value>,
    #[serde(deserialize_with = "nullable")]
    pub(super) resources: Resources,
    pub(super) cgroups_path: Option<PathBuf>,
    #[serde(deserialize_with = "nullable")]
    pub(super) namespaces: Vec<NamespaceDocument>,
    #[serde(deserialize_with = "nullable")]
    pub(super) uid_mappings: Vec<IdMapping>,
    #[serde(deserialize_with = "nullable")]
    pub(super) gid_mappings: Vec<IdMapping>,
    #[serde(deserialize_with = "nullable")]
    pub(super) devices: Vec<DeviceDocument>,
    pub(super) seccomp: Option<Value>,
    pub(super) rootfs_propagation: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) masked_paths: Vec<PathBuf>,
    #[serde(deserialize_with = "nullable")]
    pub(super) readonly_paths: Vec<PathBuf>,
    #[serde(flatten)]
    pub(super) rest: Rest,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NamespaceDocument {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) path: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct DeviceDocument {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) path: PathBuf,
    pub(super) major: i64,
    pub(super) minor: i64,
    pub(super) file_mode: Option<u32>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
}

/// What `update` reads, too.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Resources {
    #[serde(deserialize_with = "nullable")]
    pub(super) devices: Vec<DeviceRuleDocument>,
    #[serde(deserialize_with = "nullable")]
    pub(super) memory: Memory,
    #[serde(deserialize_with = "nullable")]
    pub(super) cpu: Cpu,
    #[serde(deserialize_with = "nullable")]
    pub(super) pids: Pids,
    #[serde(rename = "blockIO", deserialize_with = "nullable")]
    pub(super) block_io: BlockIo,
    #[serde(flatten)]
    pub(super) rest: Rest,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DeviceRuleDocument {
    pub(super) allow: bool,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) major: Option<i64>,
    pub(super) minor: Option<i64>,
    pub(super) access: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Memory {
    pub(super) limit: Option<i64>,
    pub(super) reservation: Option<i64>,
    pub(super) swap: Option<i64>,
    pub(super) swappiness: Option<u64>,
    #[serde(rename = "disableOOMKiller")]
    pub(super) disable_oom_killer: Option<bool>,
    #[serde(flatten)]
    pub(super) rest: Rest,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Cpu {
    pub(super) shares: Option<u64>,
    pub(super) quota: Option<i64>,
    pub(super) period: Option<u64>,
    pub(super) cpus: Option<String>,
    pub(super) mems: Option<String>,
    #[serde(flatten)]
    pub(super) rest: Rest,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Pids {
    pub(super) limit: Option<i64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct BlockIo {
    pub(super) weight: Option<u16>,
    #[serde(deserialize_with = "nullable")]
    pub(super) throttle_read_bps_device: Vec<Throttle>,
    #[serde(deserialize_with = "nullable")]
    pub(super) throttle_write_bps_device: Vec<Throttle>,
    #[serde(rename = "throttleReadIOPSDevice", deserialize_with = "nullable")]
    pub(super) throttle_read_iops_device: Vec<Throttle>,
    #[serde(rename = "throttleWriteIOPSDevice", deserialize_with = "nullable")]
    pub(super) throttle_write_iops_device: Vec<Throttle>,
    #[serde(flatten)]
    pub(super) rest: Rest,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Throttle {
    pub(super) major: u32,
    pub(super) minor: u32,
    pub(super) rate: u64,
}
