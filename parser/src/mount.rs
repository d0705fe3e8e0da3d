//! `RUN --mount` and `--device` values.

use serde::Serialize;

use crate::error::ErrorKind;

/// One mount of a RUN, after expansion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MountSpec {
    pub kind: MountKind,
    /// Stage, image or context the content comes from; empty for the build context.
    pub from: Option<String>,
    pub source: Option<String>,
    pub target: Option<String>,
    pub read_only: bool,
    /// Secrets and ssh: fail when absent.
    pub required: bool,
    /// Cache, secret or ssh id.
    pub id: Option<String>,
    pub sharing: Option<Sharing>,
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    /// tmpfs size in bytes.
    pub size: Option<u64>,
    /// Secrets: the environment variable to set.
    pub env: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MountKind {
    Bind,
    Cache,
    Tmpfs,
    Secret,
    Ssh,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sharing {
    Shared,
    Private,
    Locked,
}

/// `RUN --device=NAME[,required]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Device {
    pub name: String,
    pub required: bool,
}

/// Reads a mount. `expand` is applied to the value of each `key=value` field, as BuildKit does.
pub fn parse<E: std::convert::From<ErrorKind>>(
    value: &str,
    expand: impl FnMut(&str) -> Result<String, E>,
) -> Result<MountSpec, E> {
    let _ = (value, expand);
    Err(ErrorKind::NoInstructions.into())
}
