//! The only things a build can do to a file system, with every word expanded.
//!
//! The serialised form of a step is its part of the cache key: what is left out with `serde(skip)`
//! does not change what the step makes. What a step *reads* (files of a [`Source`], the state before it)
//! is keyed by content, so sources are left out as well.

use parser::Span;
use serde::Serialize;

use crate::fetch::git::FileTimes;
use crate::fetch::{Checksum, GitRef};

pub use crate::request::{ExtraHost, NetworkMode, Ulimit};

/// One step of a stage.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedStep {
    pub step: Step,
    /// What progress shows: `[build 2/5] RUN make`.
    pub name: String,
    /// The instruction; for an ONBUILD trigger of the base image, the FROM that brought it.
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    Run(Box<RunStep>),
    Copy(Box<CopyStep>),
    Workdir(WorkdirStep),
}

/// A stage of the plan: an index into [`crate::plan::BuildPlan::stages`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct StageId(pub usize);

/// Where files are read from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// The build context, without what `.dockerignore` leaves out.
    Context,
    /// The last state of another stage.
    Stage(StageId),
    /// An image, by the name in the Dockerfile, for the platform of the plan.
    Image(String),
    /// A named context, by its key in [`crate::BuildRequest::named_contexts`].
    Named(String),
    /// An empty directory.
    Scratch,
}

/// `RUN`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunStep {
    pub args: Vec<String>,
    /// `NAME=VALUE`, each name once.
    pub env: Vec<String>,
    /// Proxy settings given as build arguments: visible to the process, not part of the key.
    #[serde(skip)]
    pub proxy_env: Vec<String>,
    pub cwd: String,
    /// `user[:group]` as in the image; empty for root.
    pub user: String,
    /// A here-document that starts with `#!`: the shell in `args` starts it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<Script>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<RunMount>,
    pub network: NetworkMode,
    /// `--security=insecure`
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
    /// BUILDKIT_SANDBOX_HOSTNAME
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub add_hosts: Vec<ExtraHost>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shm_size: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ulimits: Vec<Ulimit>,
}

/// A file with mode 0755 at `/dev/pipes/NAME` while the process runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Script {
    pub name: String,
    pub content: String,
}

/// `RUN --mount`
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "mount", rename_all = "snake_case")]
pub enum RunMount {
    Bind(BindMount),
    Cache(CacheMount),
    Tmpfs {
        /// Absolute.
        target: String,
        /// Bytes; no limit when absent.
        size: Option<u64>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        read_only: bool,
    },
    Secret(SecretMount),
    Ssh(SshMount),
}

/// What is written to a writable bind mount is thrown away.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BindMount {
    /// Absolute.
    pub target: String,
    #[serde(skip)]
    pub from: Source,
    /// Absolute path within `from`.
    pub source: String,
    pub read_only: bool,
}

/// A directory that lives on this machine, between builds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CacheMount {
    /// Absolute.
    pub target: String,
    pub id: String,
    pub sharing: Sharing,
    /// What a new cache starts from.
    #[serde(skip)]
    pub from: Source,
    /// Absolute path within the cache.
    pub source: String,
    pub read_only: bool,
    /// Owner and mode of a new cache; 0755 root when all are absent.
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
}

/// Who may use a cache mount at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sharing {
    Shared,
    /// A second user gets a cache of its own.
    Private,
    /// A second user waits.
    Locked,
}

/// The value comes from the request and is not part of the key.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SecretMount {
    pub id: String,
    /// The file to make; absent when only `env` is set.
    pub target: Option<String>,
    /// The variable to set.
    pub env: Option<String>,
    pub required: bool,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

/// The agent behind it comes from the request and is not part of the key.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SshMount {
    pub id: String,
    /// Absolute; the socket to make.
    pub target: String,
    pub required: bool,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

/// `COPY` and `ADD`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CopyStep {
    #[serde(skip)]
    pub from: Source,
    /// In the order they are copied.
    pub sources: Vec<CopySource>,
    /// Absolute and clean; a slash at the end says that it is a directory.
    pub dest: String,
    /// `--chown` as written: `user[:group]`, looked up in the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chown: Option<String>,
    /// `--chmod`: octal or symbolic, checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chmod: Option<String>,
    /// A layer of its own that does not look at the files below.
    pub link: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub excludes: Vec<String>,
    /// Archives among the paths are unpacked (ADD); here-documents never are.
    pub unpack: bool,
    /// Times of what is written, in seconds (SOURCE_DATE_EPOCH); the source's when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CopySource {
    /// Absolute and clean, may hold wildcards. A directory means its contents.
    Path(String),
    /// `--parents`: what matches `pattern` below `root` keeps its path. Both are clean; `pattern` has no slash in front.
    Parents {
        root: String,
        pattern: String,
        /// Without wildcards: this path must exist.
        required: Option<String>,
    },
    /// A file on a server; its content is an input, wherever it comes from.
    Url {
        #[serde(skip)]
        url: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        checksum: Option<Checksum>,
        unpack: bool,
    },
    /// The files of a commit; which one that is, is an input.
    Git(Box<GitSource>),
    /// A here-document: a file with mode 0644, root:root.
    Inline { name: String, content: String },
}

/// A repository that ADD copies.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GitSource {
    #[serde(skip)]
    pub reference: GitRef,
    /// Absolute and clean.
    pub subdir: String,
    pub keep_git_dir: bool,
    pub submodules: bool,
    pub times: FileTimes,
}

/// `WORKDIR`: the directory is made when it is missing, 0755, owned by `user`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WorkdirStep {
    /// Absolute and clean, never `/`.
    pub path: String,
    /// `user[:group]` as in the image; empty for root.
    pub user: String,
    /// Times of the directories made, in seconds (SOURCE_DATE_EPOCH).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<i64>,
}
