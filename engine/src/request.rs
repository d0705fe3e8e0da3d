//! A container as it is asked for: values, no text that has still to be understood.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use runtime::containers::{LogSettings, RestartPolicy};
use runtime::network::NetworkSettings;
use runtime::{
    CapabilitySet, Device, DeviceRule, Limits, Mount, Namespaces, NetworkMode, ProcessView, Sysctl,
    Ulimit,
};
use serde::{Deserialize, Serialize};

use crate::values::Security;
use crate::volumes::VolumeMount;

/// Docker's time from the stop signal to SIGKILL.
const STOP_TIMEOUT: u32 = 10;

/// What to make a container of an image from. What is none is the image's or docker's default.
#[derive(Clone, Debug)]
pub struct ContainerRequest {
    /// The image's name as it was asked for.
    pub image: String,
    /// A random one is taken when there is none.
    pub name: Option<String>,
    pub program: Program,
    pub names: HostNames,
    /// Unless there are [`ContainerRequest::connections`].
    pub network: NetworkMode,
    /// Networks to be on, ports to publish, or the container whose network to share.
    pub connections: NetworkSettings,
    pub mounts: Vec<MountRequest>,
    pub volumes_from: Vec<VolumesFrom>,
    pub confinement: Confinement,
    /// Added to the image's.
    pub labels: Vec<(String, String)>,
    /// It goes when it ends.
    pub auto_remove: bool,
    pub restart: RestartPolicy,
    pub health: HealthRequest,
    pub stop_signal: Option<i32>,
    /// Seconds; none is for ever.
    pub stop_timeout: Option<u32>,
    pub log: LogRequest,
}

/// What runs in it, and how.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// In place of the image's, whose command goes with it; empty for none.
    pub entrypoint: Option<Vec<OsString>>,
    pub command: Option<Vec<OsString>>,
    pub env: Vec<Variable>,
    /// Absolute, or relative to the image's root.
    pub working_directory: Option<String>,
    pub user: Option<String>,
    pub groups: Vec<String>,
    pub terminal: bool,
    pub open_stdin: bool,
    /// Its standard input ends with the first client.
    pub stdin_once: bool,
    pub init: bool,
}

/// What happens to one variable of the image's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Variable {
    /// `NAME=VALUE`
    Set(String),
    /// Not even the image's value.
    Removed(String),
}

/// What it is called, and the names it knows.
#[derive(Clone, Debug, Default)]
pub struct HostNames {
    /// Else the beginning of its ID.
    pub hostname: Option<String>,
    pub domainname: Option<String>,
    /// The names of this machine come along with its network.
    pub of_the_host: bool,
    /// More lines of /etc/hosts.
    pub hosts: Vec<(String, IpAddr)>,
    /// In place of the host's.
    pub resolv_conf: Option<Vec<u8>>,
}

/// A mount that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountRequest {
    Mount {
        mount: Mount,
        /// A source that is not there becomes a directory, as docker's `-v` has it.
        create: bool,
    },
    Volume(VolumeMount),
    Image(ImageMount),
}

/// The files of another image, for reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageMount {
    pub target: PathBuf,
    pub image: String,
    pub subpath: Option<PathBuf>,
}

/// Another container, whose volumes and directories of the host's are wanted too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumesFrom {
    pub container: String,
    pub read_only: bool,
}

impl MountRequest {
    pub fn target(&self) -> &Path {
        match self {
            MountRequest::Mount { mount, .. } => &mount.target,
            MountRequest::Volume(volume) => &volume.target,
            MountRequest::Image(image) => &image.target,
        }
    }
}

/// What it sees and may do.
#[derive(Clone, Debug, Default)]
pub struct Confinement {
    pub read_only_rootfs: bool,
    pub shm_size: Option<u64>,
    pub ulimits: Vec<Ulimit>,
    pub sysctls: Vec<Sysctl>,
    pub namespaces: Namespaces,
    /// Its root is nobody of this machine's.
    pub own_users: bool,
    pub devices: Vec<Device>,
    pub device_rules: Vec<DeviceRule>,
    pub security: Security,
    pub limits: Limits,
    pub oom_score_adj: Option<i16>,
    pub cgroup_parent: Option<PathBuf>,
}

/// How the image's health check is changed. Times are in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthRequest {
    /// There is none.
    pub none: bool,
    /// `CMD` or `CMD-SHELL` first, or `NONE`.
    pub test: Option<Vec<String>>,
    pub interval: Option<u64>,
    pub timeout: Option<u64>,
    pub start_period: Option<u64>,
    pub start_interval: Option<u64>,
    pub retries: Option<u32>,
}

/// Where output is kept, and what is shown beside each line on request.
#[derive(Clone, Debug, Default)]
pub struct LogRequest {
    pub settings: LogSettings,
    /// Names of labels.
    pub labels: Vec<String>,
    /// Names of variables.
    pub env: Vec<String>,
}

impl ContainerRequest {
    /// Of an image, with nothing said otherwise.
    pub fn of(image: impl Into<String>) -> ContainerRequest {
        ContainerRequest {
            image: image.into(),
            name: None,
            program: Program::default(),
            names: HostNames::default(),
            network: NetworkMode::None,
            connections: NetworkSettings::default(),
            mounts: Vec::new(),
            volumes_from: Vec::new(),
            confinement: Confinement::default(),
            labels: Vec::new(),
            auto_remove: false,
            restart: RestartPolicy::No,
            health: HealthRequest::default(),
            stop_signal: None,
            stop_timeout: Some(STOP_TIMEOUT),
            log: LogRequest::default(),
        }
    }

    /// Which processes its shim has to see: known before there is a specification, because the shim is forked before.
    pub fn process_view(&self) -> ProcessView {
        ProcessView::of(&self.confinement.namespaces)
    }

    /// The network of a container whose process can be made before there is a specification, as far as can be said so early.
    pub fn usual(&self) -> Option<NetworkMode> {
        let confinement = &self.confinement;
        let usual = !self.program.terminal
            && self.connections.joined.is_none()
            && confinement.namespaces == Namespaces::default()
            && !confinement.own_users
            && !confinement.security.privileged
            && confinement.security.capabilities == CapabilitySet::docker_default()
            && confinement.limits == Limits::default()
            && confinement.device_rules.is_empty()
            && confinement.oom_score_adj.is_none()
            && confinement.cgroup_parent.is_none();
        usual.then(|| self.connections.mode(self.network))
    }
}

/// Replaces a variable of the same name, or takes it away.
pub fn set_variable(env: &mut Vec<String>, variable: &Variable) {
    let name = |text: &str| text.split('=').next().unwrap_or_default().to_owned();
    let text = match variable {
        Variable::Removed(removed) => return env.retain(|known| name(known) != *removed),
        Variable::Set(text) => text,
    };
    let wanted = name(text);
    match env.iter_mut().find(|known| name(known) == wanted) {
        Some(known) => *known = text.clone(),
        None => env.push(text.clone()),
    }
}
