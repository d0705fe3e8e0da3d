//! What a container is: root filesystem, process, mounts, limits.
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::bytes;
use crate::capabilities::CapabilitySet;

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
    pub hostname: String,
    pub etc: EtcFiles,
    /// Made in this order, after the container's own /proc, /dev and /sys.
    pub mounts: Vec<Mount>,
    pub network: NetworkMode,
    /// Size of /dev/shm in bytes.
    pub shm_size: u64,
    pub ulimits: Vec<Ulimit>,
    pub capabilities: CapabilitySet,
    pub seccomp: Seccomp,
    pub no_new_privileges: bool,
    pub machine: MachineAccess,
    pub limits: Limits,
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
            hostname: "localhost".to_owned(),
            etc: EtcFiles::default(),
            mounts: Vec::new(),
            network: NetworkMode::None,
            shm_size: 64 << 20,
            ulimits: Vec::new(),
            capabilities: CapabilitySet::docker_default(),
            seccomp: Seccomp::Default,
            no_new_privileges: false,
            machine: MachineAccess::Confined,
            limits: Limits::default(),
        }
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

/// One mount. The target is an untrusted path in the rootfs; when absent it is created, and the
/// stub is removed after the container's exit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    #[serde(with = "bytes")]
    pub target: PathBuf,
    pub source: MountSource,
    pub read_only: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountSource {
    /// A host file or directory (trusted), or an untrusted path resolved below it at use time.
    Path {
        #[serde(with = "bytes")]
        source: PathBuf,
        #[serde(with = "bytes::option")]
        subpath: Option<PathBuf>,
    },
    /// A tree of snapshots, mounted for this container alone; with an upper directory it is
    /// writable.
    Tree {
        tree: Rootfs,
        #[serde(with = "bytes::option")]
        subpath: Option<PathBuf>,
    },
    Tmpfs {
        size: Option<u64>,
        /// Permission bits; Docker's and BuildKit's default is 0o1777.
        mode: u32,
    },
    /// A file that exists only in memory: secrets.
    File {
        #[serde(with = "bytes")]
        content: Vec<u8>,
        mode: u32,
        uid: u32,
        gid: u32,
    },
}

/// Which network the processes see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NetworkMode {
    /// The host's network namespace, shared.
    Host,
    /// A namespace of its own with only the loopback interface.
    None,
}

impl fmt::Display for NetworkMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NetworkMode::Host => "host",
            NetworkMode::None => "none",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seccomp {
    /// Docker's default profile for the container's capabilities.
    Default,
    Unconfined,
}

/// What of the machine itself the processes can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MachineAccess {
    /// Parts of /proc and /sys are hidden, the rest is read-only; devices are the harmless ones.
    Confined,
    /// /proc, /sys and the cgroups are whole and writable, every device may be used, those that builds ask for are
    /// in /dev, and capabilities reach users other than root.
    Full,
}

/// Resource limits. One that cannot be enforced makes the start fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of memory; swap is limited to the same again.
    pub memory: Option<u64>,
    /// Processors' worth of time, `1.5` being one and a half.
    pub cpus: Option<f64>,
    /// Number of processes and threads.
    pub pids: Option<u64>,
}

/// One `--ulimit`: `nofile=1024:2048`; `unlimited` and `-1` mean no limit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ulimit {
    /// Lower-case, without `RLIMIT_`: one of [`Ulimit::NAMES`].
    pub name: String,
    pub soft: Option<u64>,
    pub hard: Option<u64>,
}

impl Ulimit {
    /// Sorted; the kernel's RLIMIT numbers beside them.
    pub(crate) const NAMES: [(&'static str, u32); 15] = [
        ("core", 4),
        ("cpu", 0),
        ("data", 2),
        ("fsize", 1),
        ("locks", 10),
        ("memlock", 8),
        ("msgqueue", 12),
        ("nice", 13),
        ("nofile", 7),
        ("nproc", 6),
        ("rss", 5),
        ("rtprio", 14),
        ("rttime", 15),
        ("sigpending", 11),
        ("stack", 3),
    ];
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UlimitError {
    #[error("ulimit `{text}` is not of the form name=soft[:hard]")]
    Form { text: String },
    #[error("unknown ulimit `{name}`; known are {known}", known = known_ulimits())]
    Name { name: String },
    #[error("ulimit `{text}`: `{value}` is not a number")]
    Value { text: String, value: String },
    #[error("ulimit `{text}`: the soft limit is above the hard limit")]
    Order { text: String },
}

fn known_ulimits() -> String {
    Ulimit::NAMES.map(|(name, _)| name).join(", ")
}

impl FromStr for Ulimit {
    type Err = UlimitError;

    fn from_str(text: &str) -> Result<Ulimit, UlimitError> {
        let form = || UlimitError::Form { text: text.to_owned() };
        let (name, values) = text.split_once('=').ok_or_else(form)?;
        if !Ulimit::NAMES.iter().any(|(known, _)| *known == name) {
            return Err(UlimitError::Name { name: name.to_owned() });
        }
        let (soft, hard) = values.split_once(':').unwrap_or((values, values));
        if soft.is_empty() || hard.is_empty() {
            return Err(form());
        }
        let number = |value: &str| match value {
            "-1" | "unlimited" => Ok(None),
            _ => value
                .parse::<u64>()
                .map(Some)
                .map_err(|_| UlimitError::Value { text: text.to_owned(), value: value.to_owned() }),
        };
        let (soft, hard) = (number(soft)?, number(hard)?);
        if soft.unwrap_or(u64::MAX) > hard.unwrap_or(u64::MAX) {
            return Err(UlimitError::Order { text: text.to_owned() });
        }
        Ok(Ulimit { name: name.to_owned(), soft, hard })
    }
}

impl fmt::Display for Ulimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |value: Option<u64>| value.map_or("-1".to_owned(), |n| n.to_string());
        write!(f, "{}={}:{}", self.name, show(self.soft), show(self.hard))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ulimits_are_read_as_docker_writes_them() {
        let parsed = "nofile=10:20".parse::<Ulimit>().unwrap();
        assert_eq!((parsed.soft, parsed.hard), (Some(10), Some(20)));
        assert_eq!("core=-1".parse::<Ulimit>().unwrap().to_string(), "core=-1:-1");
        assert_eq!("nproc=5".parse::<Ulimit>().unwrap().to_string(), "nproc=5:5");
        for wrong in ["nofile", "nofile=", "nofile=2:1", "nofile=-1:1", "files=1", "core=x"] {
            assert!(wrong.parse::<Ulimit>().is_err(), "{wrong}");
        }
    }
}
