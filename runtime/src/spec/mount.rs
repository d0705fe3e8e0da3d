//! What is mounted in a container, and how.
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Rootfs;
use crate::bytes;

/// One mount. The target is an untrusted path in the rootfs; when absent it is created, and the
/// stub is removed after the container's exit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    #[serde(with = "bytes")]
    pub target: PathBuf,
    pub source: MountSource,
    pub read_only: bool,
}

impl Mount {
    /// A host path as `docker run -v` shows it: with what is mounted below, apart from the host's later mounts.
    pub fn bind(source: impl Into<PathBuf>, target: impl Into<PathBuf>, read_only: bool) -> Mount {
        let source = MountSource::path(source, None);
        Mount { target: target.into(), source, read_only }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountSource {
    /// A host file or directory (trusted), or an untrusted path resolved below it at use time.
    Path {
        #[serde(with = "bytes")]
        source: PathBuf,
        #[serde(with = "bytes::option")]
        subpath: Option<PathBuf>,
        #[serde(default, skip_serializing_if = "is_default")]
        options: BindOptions,
    },
    /// A tree of snapshots, mounted for this container alone; with an upper directory it is
    /// writable.
    Tree {
        tree: Rootfs,
        #[serde(with = "bytes::option")]
        subpath: Option<PathBuf>,
    },
    Tmpfs(Tmpfs),
    /// A file that exists only in memory: secrets.
    File {
        #[serde(with = "bytes")]
        content: Vec<u8>,
        mode: u32,
        uid: u32,
        gid: u32,
    },
    /// A file system that the kernel mounts for this container: of a disk, a server, or in memory.
    Filesystem {
        filesystem: MountedFilesystem,
        #[serde(with = "bytes::option")]
        subpath: Option<PathBuf>,
    },
    /// What the rootfs itself has at the target, a directory, made when absent. It can be written in a
    /// read-only rootfs too.
    Own,
}

impl MountSource {
    pub fn path(source: impl Into<PathBuf>, subpath: Option<PathBuf>) -> MountSource {
        MountSource::Path { source: source.into(), subpath, options: BindOptions::default() }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What `mount -t KIND -o OPTIONS DEVICE` says. Trusted: it reaches the kernel as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountedFilesystem {
    pub kind: String,
    pub device: String,
    /// `name` or `name=value`
    pub options: Vec<String>,
}

/// How a host directory is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindOptions {
    pub propagation: Propagation,
    pub submounts: Submounts,
    #[serde(default, skip_serializing_if = "is_default")]
    pub owners: Owners,
}

/// Whose the files are in a container with a user namespace of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Owners {
    /// As on the host: of those who are nobody in there, nobody's.
    #[default]
    Hosts,
    /// The container's: what belongs to 5 on the disk belongs to 5 inside.
    Mapped,
}

/// Whether mounts that are made later on one side appear on the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Propagation {
    pub kind: PropagationKind,
    /// For what is mounted below as well.
    pub recursive: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PropagationKind {
    /// Neither way.
    #[default]
    Private,
    /// From the host to the container.
    Slave,
    /// Both ways.
    Shared,
}

/// What happens to mounts below a bound directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Submounts {
    /// They come along, read-only if the mount is.
    #[default]
    Included,
    /// They come along, as they are.
    IncludedWritable,
    Left,
}

/// A file system in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tmpfs {
    /// Bytes.
    pub size: Option<u64>,
    /// Permission bits. None are those of the directory it covers, else 1777.
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub inodes: Option<u64>,
    /// What it may not be used for.
    pub forbidden: TmpfsUse,
    #[serde(default, skip_serializing_if = "is_default")]
    pub times: AccessTimes,
}

/// Kinds of files that do not work there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TmpfsUse {
    pub programs: bool,
    pub devices: bool,
    pub set_user_id: bool,
}

/// When reading is noted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccessTimes {
    #[default]
    Relative,
    Never,
    Always,
}
