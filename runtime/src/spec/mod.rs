//! What a container is: root filesystem, process, mounts, limits.
mod device;
mod limits;
mod listed;
mod mount;
mod mount_attributes;
mod namespaces;
mod sysctl;
mod ulimit;
mod users;

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::bytes;
use crate::capabilities::{Capability, CapabilitySet};
use crate::seccomp::Profile;

pub use device::{Device, DeviceAccess, DeviceKind, DeviceRule, DeviceRuleError};
pub use limits::{Amount, CpuTime, DeviceRate, LimitError, Limits, RateKind};
pub use listed::{ExactCapabilities, Hook, HookState, Listed, ListedMount, ListedSource};
pub use mount::{
    AccessTimes, BindOptions, Mount, MountSource, MountedFilesystem, Owners, Propagation,
    PropagationKind, Submounts, Tmpfs, TmpfsUse,
};
pub use mount_attributes::MountAttributes;
pub use namespaces::{NamespaceMode, Namespaces};
pub use sysctl::{Sysctl, SysctlError};
pub use ulimit::{Ulimit, UlimitError};
pub use users::{IdRange, UserIds};

/// Everything needed to start one container. [`ContainerSpec::new`] fills in Docker's defaults.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// Names the container's cgroups: letters, digits, `_`, `.` and `-`, at most 64.
    pub id: String,
    pub rootfs: Rootfs,
    pub read_only_rootfs: bool,
    /// The program (looked up in the container's `PATH` when it has no slash) and its arguments.
    #[serde(with = "bytes::list")]
    pub args: Vec<OsString>,
    /// `NAME=value`; `HOME` is added from the user's passwd entry when absent.
    pub env: Vec<String>,
    /// Created (0755, root) when absent.
    #[serde(with = "bytes")]
    pub cwd: PathBuf,
    /// `user`, `uid`, `user:group`, …, resolved in the rootfs; empty means root.
    pub user: String,
    /// More groups, names or numbers.
    #[serde(default)]
    pub groups: Vec<String>,
    pub hostname: String,
    #[serde(default)]
    pub domainname: Option<String>,
    pub etc: EtcFiles,
    /// Made in this order, after the container's own /proc, /dev and /sys.
    pub mounts: Vec<Mount>,
    pub network: NetworkMode,
    #[serde(default)]
    pub namespaces: Namespaces,
    /// Set inside before the program starts.
    #[serde(default)]
    pub sysctls: Vec<Sysctl>,
    /// Size of /dev/shm in bytes.
    pub shm_size: u64,
    pub ulimits: Vec<Ulimit>,
    pub capabilities: CapabilitySet,
    pub seccomp: Seccomp,
    pub no_new_privileges: bool,
    pub machine: MachineAccess,
    /// Nothing of /proc and /sys is hidden or read-only.
    #[serde(default)]
    pub open_system_paths: bool,
    /// The container may make cgroups below its own.
    #[serde(default)]
    pub writable_cgroups: bool,
    #[serde(default)]
    pub devices: Vec<Device>,
    #[serde(default)]
    pub device_rules: Vec<DeviceRule>,
    /// From -1000, never killed for lack of memory, to 1000.
    #[serde(default)]
    pub oom_score_adj: Option<i16>,
    /// The first process is a small one of ours, which passes signals on and collects orphans.
    #[serde(default)]
    pub init: bool,
    pub limits: Limits,
    /// Where the container's cgroup is made instead of the engine's, from the root of each hierarchy.
    #[serde(default, with = "bytes::option")]
    pub cgroup_parent: Option<PathBuf>,
    /// The container has a user namespace of its own, whose IDs are these outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_namespace: Option<UserIds>,
    /// Then `mounts`, `etc`, `shm_size`, `machine` and `capabilities` are not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed: Option<Box<Listed>>,
}

impl ContainerSpec {
    /// A container as Docker would start it: root, `/`, 14 capabilities, seccomp, no network.
    pub fn new(id: impl Into<String>, rootfs: Rootfs, args: Vec<OsString>) -> ContainerSpec {
        ContainerSpec {
            id: id.into(),
            rootfs,
            read_only_rootfs: false,
            args,
            env: Vec::new(),
            cwd: PathBuf::from("/"),
            user: String::new(),
            groups: Vec::new(),
            hostname: "localhost".to_owned(),
            domainname: None,
            etc: EtcFiles::default(),
            mounts: Vec::new(),
            network: NetworkMode::None,
            namespaces: Namespaces::default(),
            sysctls: Vec::new(),
            shm_size: 64 << 20,
            ulimits: Vec::new(),
            capabilities: CapabilitySet::docker_default(),
            seccomp: Seccomp::Default,
            no_new_privileges: false,
            machine: MachineAccess::Confined,
            open_system_paths: false,
            writable_cgroups: false,
            devices: Vec::new(),
            device_rules: Vec::new(),
            oom_score_adj: None,
            init: false,
            limits: Limits::default(),
            cgroup_parent: None,
            user_namespace: None,
            listed: None,
        }
    }

    /// Whether it may change the interfaces in its network namespace, and how packets go there.
    pub fn administers_networks(&self) -> bool {
        self.capabilities.contains(Capability::NET_ADMIN)
    }

    /// What cannot be had together with a user namespace of its own.
    pub fn check_user_namespace(&self) -> Result<(), SpecError> {
        let shared = |mode: &NamespaceMode| !mode.is_own();
        let spreads = |mount: &Mount| match &mount.source {
            MountSource::Path { options, .. } => {
                options.propagation.kind == PropagationKind::Shared
            }
            _ => false,
        };
        let wrong = [
            (self.mounts.iter().any(spreads), "mounts that spread to the host"),
            (self.writable_cgroups, "cgroups that it may write to"),
            (self.machine != MachineAccess::Confined, "privileges on the machine"),
            (self.network == NetworkMode::Host, "the host's network"),
            (shared(&self.namespaces.pid), "the processes of others"),
            (shared(&self.namespaces.ipc), "the IPC namespace of others"),
            (shared(&self.namespaces.uts), "the names of the host"),
            (self.namespaces.ipc == NamespaceMode::Shareable, "an IPC namespace for others"),
        ];
        match wrong.into_iter().find(|(is, _)| *is) {
            Some((_, what)) => Err(SpecError::UserNamespace { what }),
            None => Ok(()),
        }
    }

    /// What is wrong with it on any machine.
    pub fn check(&self) -> Result<(), SpecError> {
        self.limits.check()?;
        for sysctl in &self.sysctls {
            sysctl.check(self)?;
        }
        Ok(())
    }
}

/// The directory tree a container sees as `/`. Paths are trusted host paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rootfs {
    Overlay {
        /// Topmost first, as overlayfs lists them; up to 500.
        #[serde(with = "bytes::list")]
        lowers: Vec<PathBuf>,
        /// Without an upper directory the tree is read-only.
        #[serde(with = "bytes::option")]
        upper: Option<PathBuf>,
        #[serde(with = "bytes::option")]
        work: Option<PathBuf>,
        /// Skip every sync; for uppers that are thrown away after a crash.
        volatile: bool,
    },
    Directory {
        #[serde(with = "bytes")]
        path: PathBuf,
        read_only: bool,
    },
}

/// Contents of the files in /etc that are mounted over the image's. `None` leaves the image's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EtcFiles {
    #[serde(with = "bytes::option")]
    pub hosts: Option<Vec<u8>>,
    #[serde(with = "bytes::option")]
    pub resolv_conf: Option<Vec<u8>>,
    #[serde(with = "bytes::option")]
    pub hostname: Option<Vec<u8>>,
    /// Mount them read-only, as for RUN.
    pub read_only: bool,
}

/// Which network the processes see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NetworkMode {
    /// The host's network namespace, shared.
    Host,
    /// A namespace of its own with only the loopback interface.
    None,
    /// A namespace that was made before and is handed over, with interfaces ([`crate::network`]).
    Sandbox,
}

impl fmt::Display for NetworkMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NetworkMode::Host => "host",
            NetworkMode::None => "none",
            NetworkMode::Sandbox => "bridge",
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seccomp {
    /// Docker's default profile for the container's capabilities.
    Default,
    Unconfined,
    Profile(Box<Profile>),
}

/// What of the machine itself the processes can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MachineAccess {
    /// Parts of /proc and /sys are hidden, the rest is read-only; devices are the harmless ones.
    Confined,
    /// /proc, /sys and the cgroups are whole and writable, every device may be used, those that builds ask for are
    /// in /dev, and capabilities reach users other than root.
    Full,
    /// The same, but with every device of the host in /dev, and with capabilities for root only: `--privileged`.
    Privileged,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    #[error(transparent)]
    Limit(#[from] LimitError),
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
    #[error("a user namespace of its own and {what} exclude each other")]
    UserNamespace { what: &'static str },
}
