//! What a container is: written once, when it is made.
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::bytes;
use crate::network::NetworkSettings;
use crate::spec::{ContainerSpec, MountSource, NetworkMode, Rootfs};

/// Of the form below; a definition of a higher one is refused.
pub const SCHEMA: u32 = 1;

/// Everything about a container that does not change while it exists.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Definition {
    pub schema: u32,
    /// 64 hexadecimal digits.
    pub id: String,
    pub name: String,
    /// RFC 3339, with nanoseconds.
    pub created: String,
    pub image: Origin,
    pub spec: ContainerSpec,
    /// Which of its mounts are volumes.
    #[serde(default)]
    pub volumes: Vec<VolumeUse>,
    /// How the command line is shown apart: what came before the command, and the command.
    #[serde(with = "bytes::list")]
    pub entrypoint: Vec<OsString>,
    #[serde(with = "bytes::list")]
    pub command: Vec<OsString>,
    pub labels: BTreeMap<String, String>,
    pub terminal: bool,
    /// Its standard input can be written to; else it is /dev/null.
    pub open_stdin: bool,
    /// Its standard input ends with the first client that was attached to it.
    pub stdin_once: bool,
    /// It goes when it ends.
    pub auto_remove: bool,
    pub restart: RestartPolicy,
    pub health: Option<HealthCheck>,
    /// The number of the signal that asks it to end.
    pub stop_signal: i32,
    /// Seconds from that signal to SIGKILL; none is for ever.
    pub stop_timeout: Option<u32>,
    pub log: LogSettings,
    /// The networks it is on, if its specification's mode is [`crate::NetworkMode::Sandbox`].
    #[serde(default)]
    pub network: NetworkSettings,
}

/// What the container was made of, in the caller's words; this crate does not look at it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// As it was asked for.
    pub name: String,
    pub id: String,
}

/// A mount that has a name of its own, in the caller's words; this crate sees a directory in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeUse {
    pub name: String,
    /// As the mount has it.
    #[serde(with = "bytes")]
    pub target: PathBuf,
    /// Nobody named it: it may go with the container.
    pub anonymous: bool,
}

/// Whether it is started again when it ended by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    #[default]
    No,
    Always,
    UnlessStopped,
    OnFailure {
        /// 0 is for ever.
        most: u32,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestartPolicyError {
    #[error(
        "unknown restart policy `{text}`; known are no, always, unless-stopped and on-failure[:max-retries]"
    )]
    Unknown { text: String },
    #[error("restart policy `{text}`: only on-failure takes a number of retries")]
    Retries { text: String },
    #[error("restart policy `{text}`: `{number}` is not a number of retries")]
    Number { text: String, number: String },
}

impl FromStr for RestartPolicy {
    type Err = RestartPolicyError;

    fn from_str(text: &str) -> Result<RestartPolicy, RestartPolicyError> {
        let (name, number) = match text.split_once(':') {
            Some((name, number)) => (name, Some(number)),
            None => (text, None),
        };
        match (name, number) {
            ("on-failure", None) => Ok(RestartPolicy::OnFailure { most: 0 }),
            ("on-failure", Some(number)) => match number.parse() {
                Ok(most) => Ok(RestartPolicy::OnFailure { most }),
                Err(_) => Err(RestartPolicyError::Number {
                    text: text.to_owned(),
                    number: number.to_owned(),
                }),
            },
            ("no" | "always" | "unless-stopped", Some(_)) => {
                Err(RestartPolicyError::Retries { text: text.to_owned() })
            }
            ("no" | "", None) => Ok(RestartPolicy::No),
            ("always", None) => Ok(RestartPolicy::Always),
            ("unless-stopped", None) => Ok(RestartPolicy::UnlessStopped),
            _ => Err(RestartPolicyError::Unknown { text: text.to_owned() }),
        }
    }
}

impl RestartPolicy {
    /// Docker's name of it, without the number.
    pub fn name(self) -> &'static str {
        match self {
            RestartPolicy::No => "no",
            RestartPolicy::Always => "always",
            RestartPolicy::UnlessStopped => "unless-stopped",
            RestartPolicy::OnFailure { .. } => "on-failure",
        }
    }
}

/// A command that tells whether the container does its work. Times are in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// `CMD` or `CMD-SHELL` first, as images write it.
    pub test: Vec<String>,
    /// What runs a `CMD-SHELL`: `/bin/sh -c`.
    pub shell: Vec<String>,
    pub interval: u64,
    pub timeout: u64,
    pub start_period: u64,
    pub start_interval: u64,
    pub retries: u32,
}

/// Where output is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSettings {
    pub driver: LogDriver,
    /// As they were given, for those who ask.
    pub options: BTreeMap<String, String>,
    /// Bytes of one file; none is no limit.
    pub max_size: Option<u64>,
    pub max_files: u32,
    /// Shown with each line on request.
    pub attributes: BTreeMap<String, String>,
}

impl Default for LogSettings {
    fn default() -> LogSettings {
        LogSettings {
            driver: LogDriver::JsonFile,
            options: BTreeMap::new(),
            max_size: None,
            max_files: 1,
            attributes: BTreeMap::new(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogDriver {
    JsonFile,
    None,
}

impl fmt::Display for LogDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LogDriver::JsonFile => "json-file",
            LogDriver::None => "none",
        })
    }
}

impl Definition {
    /// The names of its networks, `host` and `none` among them; of another container's none.
    pub fn network_names(&self) -> Vec<&str> {
        match self.spec.network {
            NetworkMode::Host => vec!["host"],
            NetworkMode::None => vec!["none"],
            NetworkMode::Sandbox => self.network.networks().collect(),
        }
    }

    /// The specification with the paths that were stored relative to the store's root made whole.
    pub fn spec_below(&self, root: &Path) -> ContainerSpec {
        let mut spec = self.spec.clone();
        spec.rootfs = spec.rootfs.below(root);
        for mount in &mut spec.mounts {
            match &mut mount.source {
                MountSource::Tree { tree, .. } => *tree = tree.below(root),
                // Those of the host's are absolute and stay as they are.
                MountSource::Path { source, .. } => *source = root.join(&source),
                _ => {}
            }
        }
        spec
    }
}

impl Rootfs {
    /// With every relative path below `root`.
    pub(crate) fn below(&self, root: &Path) -> Rootfs {
        match self {
            Rootfs::Overlay { lowers, upper, work, volatile } => Rootfs::Overlay {
                lowers: lowers.iter().map(|lower| root.join(lower)).collect(),
                upper: upper.as_ref().map(|upper| root.join(upper)),
                work: work.as_ref().map(|work| root.join(work)),
                volatile: *volatile,
            },
            Rootfs::Directory { path, read_only } => {
                Rootfs::Directory { path: root.join(path), read_only: *read_only }
            }
        }
    }

    /// With every path that is below `root` relative to it.
    pub fn relative_to(&self, root: &Path) -> Rootfs {
        let relative = |path: &Path| path.strip_prefix(root).unwrap_or(path).to_owned();
        match self {
            Rootfs::Overlay { lowers, upper, work, volatile } => Rootfs::Overlay {
                lowers: lowers.iter().map(|lower| relative(lower)).collect(),
                upper: upper.as_deref().map(relative),
                work: work.as_deref().map(relative),
                volatile: *volatile,
            },
            Rootfs::Directory { path, read_only } => {
                Rootfs::Directory { path: relative(path), read_only: *read_only }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restart_policies_are_dockers() {
        for (text, expected) in [
            ("", RestartPolicy::No),
            ("no", RestartPolicy::No),
            ("always", RestartPolicy::Always),
            ("unless-stopped", RestartPolicy::UnlessStopped),
            ("on-failure", RestartPolicy::OnFailure { most: 0 }),
            ("on-failure:3", RestartPolicy::OnFailure { most: 3 }),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for wrong in ["maybe", "always:3", "on-failure:x", "on-failure:-1", "no:1"] {
            assert!(wrong.parse::<RestartPolicy>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn paths_in_the_store_move_with_it() {
        let stored = Rootfs::Overlay {
            lowers: vec!["/old/snapshots/fs/a".into(), "/elsewhere".into()],
            upper: Some("/old/containers/1/fs/upper".into()),
            work: None,
            volatile: false,
        };
        let moved = stored.relative_to(Path::new("/old")).below(Path::new("/new"));
        let Rootfs::Overlay { lowers, upper, .. } = moved else { panic!("it is an overlay") };
        assert_eq!(lowers, [Path::new("/new/snapshots/fs/a"), Path::new("/elsewhere")]);
        assert_eq!(upper.as_deref(), Some(Path::new("/new/containers/1/fs/upper")));
    }
}
