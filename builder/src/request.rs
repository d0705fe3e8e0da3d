//! What the caller asks to build. Filled by the front end; nothing here reads the environment.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::SystemTime;

use runtime::Emulators;
use serde::Serialize;
use store::registry::Registries;
use store::{LayerForm, Reference};

use crate::fetch::{Fetched, Git, GitRef, HttpSettings};

/// One build. Every field is set by the caller: there is no `Default`.
#[derive(Clone, Debug)]
pub struct BuildRequest {
    pub dockerfile: SourceText,
    pub context: ContextSource,
    /// `<Dockerfile>.dockerignore` or `.dockerignore`, whichever applies.
    pub dockerignore: Option<SourceText>,
    /// `--target`; the last stage when absent.
    pub target: Option<String>,
    /// `--build-arg`, values resolved (`K` without a value in the environment is left out).
    /// `SOURCE_DATE_EPOCH` of the environment comes in here too, as with docker.
    pub build_args: BTreeMap<String, String>,
    /// `--label`: set on the image after everything the Dockerfile says.
    pub labels: BTreeMap<String, String>,
    /// `--platform` as typed; the host's when empty.
    pub platforms: Vec<String>,
    pub tags: Vec<String>,
    pub no_cache: NoCache,
    pub secrets: Vec<Secret>,
    /// `--ssh`
    pub ssh: Vec<SshAgent>,
    pub add_hosts: Vec<ExtraHost>,
    pub network: NetworkMode,
    /// [`NetworkMode::Default`] is a network of the builds' own behind NAT; else it is the machine's.
    pub private_network: bool,
    /// `--allow`
    pub allowed: Vec<Entitlement>,
    /// What RUN can run besides this machine's own programs.
    pub emulators: Emulators,
    /// Bytes of `/dev/shm` in RUN; the runtime's default when absent.
    pub shm_size: Option<u64>,
    pub ulimits: Vec<Ulimit>,
    /// `--build-context`, by name as typed.
    pub named_contexts: BTreeMap<String, NamedContext>,
    pub http: HttpSettings,
    /// How registries are reached, for images that are not in the store and for those that are pushed.
    pub registries: Option<Registries>,
    pub pull: PullPolicy,
    /// `--cache-from`: caches in registries that are asked for steps this store has not.
    pub cache_from: Vec<Reference>,
    /// `--cache-to`
    pub cache_to: Vec<CacheExport>,
    /// `--cache-to type=inline`: the image itself says which steps made its layers.
    pub inline_cache: bool,
    /// The one that fetched the context, so that a name is one commit everywhere.
    pub git: Git,
    pub outputs: Vec<Output>,
    /// `--reproducible`: SOURCE_DATE_EPOCH is 0 where nothing else says what it is.
    pub reproducible: bool,
    /// Files of the image in the store that would be newer than SOURCE_DATE_EPOCH get it as their time.
    pub rewrite_timestamps: bool,
    /// `--strict`: every [`crate::Quirk`] fails the build.
    pub strict: bool,
    /// When the build began: `created` of the image unless SOURCE_DATE_EPOCH is given.
    pub now: SystemTime,
}

/// A text and the name to show in messages about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceText {
    pub name: String,
    pub text: Vec<u8>,
}

/// Where COPY and ADD take their files from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContextSource {
    /// A directory of this machine.
    Dir(PathBuf),
    /// An archive, unpacked, or a commit, checked out.
    Fetched(Fetched),
    /// No files (`rbuild build -`).
    Empty {
        /// When the Dockerfile was made, if its server said so; in seconds since 1970.
        time: Option<i64>,
    },
}

/// `--no-cache` and `--no-cache-filter`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoCache {
    /// Use the cache everywhere.
    None,
    All,
    /// Run these stages again.
    Stages(Vec<String>),
}

/// `--secret`
#[derive(Clone)]
pub struct Secret {
    pub id: String,
    pub source: SecretSource,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The value of a secret; never shown, never part of a cache key.
#[derive(Clone)]
pub enum SecretSource {
    File(PathBuf),
    /// Taken from the environment by the front end.
    Value(Vec<u8>),
}

impl std::fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SecretSource::File(path) => f.debug_tuple("File").field(path).finish(),
            SecretSource::Value(_) => f.write_str("Value(…)"),
        }
    }
}

/// `--pull`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullPolicy {
    /// Ask a registry for what is not in the store.
    Missing,
    /// Ask whether there is a newer one of every image.
    Always,
}

/// `--ssh`: an agent whose keys RUN may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshAgent {
    pub id: String,
    pub socket: PathBuf,
}

/// `--add-host`: one line of `/etc/hosts` in RUN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExtraHost {
    pub host: String,
    pub address: IpAddr,
}

/// The network of RUN. What the default one is, [`BuildRequest::private_network`] says: it has no part in cache keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkMode {
    Default,
    Host,
    None,
}

/// `--allow`: what RUN may only do when the user says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entitlement {
    NetworkHost,
    SecurityInsecure,
}

impl std::fmt::Display for Entitlement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Entitlement::NetworkHost => "network.host",
            Entitlement::SecurityInsecure => "security.insecure",
        })
    }
}

/// `--ulimit NAME=SOFT[:HARD]`; -1 is unlimited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ulimit {
    pub name: String,
    pub soft: i64,
    pub hard: i64,
}

/// `--build-context NAME=VALUE`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamedContext {
    Dir(PathBuf),
    /// What follows is fetched when something needs it: an archive of this machine,
    Archive(PathBuf),
    /// an archive on a server,
    Url(String),
    /// a repository.
    Git(GitRef),
    /// `oci-layout://PATH[:TAG][@DIGEST]`
    OciLayout {
        path: PathBuf,
        tag: Option<String>,
        digest: Option<String>,
    },
    /// `docker-image://REFERENCE`
    Image(String),
}

/// `--output`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// An OCI image layout.
    Oci(ImageOutput),
    /// What `docker load` reads.
    Docker(ImageOutput),
    /// The root file system as a tar archive.
    Tar(Destination),
    /// The root file system as files.
    Local(PathBuf),
    /// The image in the registries of its names.
    Push(PushOutput),
}

/// How an image is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageOutput {
    pub dest: Destination,
    /// `tar=false`: a directory instead of an archive.
    pub as_directory: bool,
    /// `name=`: the names in the archive, besides the tags of the request.
    pub names: Vec<String>,
    pub compression: LayerCompression,
    /// Layers that came compressed in another way get this compression too.
    pub force_compression: bool,
    /// `rewrite-timestamp`: whether files that are newer than SOURCE_DATE_EPOCH get it as their time; as for the image
    /// in the store when absent.
    pub rewrite_timestamp: Option<bool>,
}

/// Where the cache of a build goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheExport {
    pub name: Reference,
    /// `mode=max`: all steps of the build, and not only those whose layers the image has.
    pub all: bool,
    pub compression: LayerCompression,
    /// What goes wrong fails the build unless this is set.
    pub ignore_error: bool,
}

/// How an image is pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushOutput {
    /// `name=`: the names, instead of the tags of the request.
    pub names: Vec<String>,
    /// `push-by-digest=true`: no tag leads to it; the names have none.
    pub by_digest: bool,
    pub compression: LayerCompression,
    /// Layers that came compressed in another way get this compression too.
    pub force_compression: bool,
    /// As for [`ImageOutput`].
    pub rewrite_timestamp: Option<bool>,
}

impl Output {
    /// Whether its files have no later times, when those in the store's image do not as `store` says.
    pub fn clamps(&self, store: bool) -> bool {
        match self {
            Output::Oci(image) | Output::Docker(image) => image.rewrite_timestamp.unwrap_or(store),
            Output::Push(push) => push.rewrite_timestamp.unwrap_or(store),
            Output::Tar(_) | Output::Local(_) => store,
        }
    }

    /// Of an image; files have no layers.
    pub fn layer_form(&self) -> Option<LayerForm> {
        match self {
            Output::Oci(image) | Output::Docker(image) => Some(image.compression.form()),
            Output::Push(push) => Some(push.compression.form()),
            Output::Tar(_) | Output::Local(_) => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    Stdout,
    Path(PathBuf),
}

/// `compression=` and `compression-level=`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerCompression {
    Uncompressed,
    Gzip { level: Option<u32> },
    Zstd { level: Option<i32> },
}

impl LayerCompression {
    /// How the layers are written.
    pub fn form(self) -> LayerForm {
        match self {
            LayerCompression::Uncompressed => LayerForm::Plain,
            LayerCompression::Gzip { level: None } => LayerForm::GZIP,
            LayerCompression::Gzip { level: Some(level) } => LayerForm::Gzip { level },
            LayerCompression::Zstd { level: None } => LayerForm::ZSTD,
            LayerCompression::Zstd { level: Some(level) } => LayerForm::Zstd { level },
        }
    }
}
