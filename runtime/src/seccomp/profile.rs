//! Profiles of system calls in Docker's JSON format, as `--security-opt seccomp=FILE` takes them.
use serde::{Deserialize, Serialize};

use crate::capabilities::{Capability, CapabilitySet};

/// A profile as it is written. What it means depends on the container's capabilities, on the kernel and on the
/// architecture: see [`super::compile`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Profile {
    pub(super) default_action: ActionName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) default_errno_ret: Option<u16>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) flags: Vec<Flag>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) architectures: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) arch_map: Vec<Architecture>,
    #[serde(default)]
    pub(super) syscalls: Vec<Calls>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ActionName {
    #[serde(rename = "SCMP_ACT_ALLOW")]
    Allow,
    #[serde(rename = "SCMP_ACT_LOG")]
    Log,
    #[serde(rename = "SCMP_ACT_ERRNO")]
    Errno,
    #[serde(rename = "SCMP_ACT_TRAP")]
    Trap,
    #[serde(rename = "SCMP_ACT_TRACE")]
    Trace,
    #[serde(rename = "SCMP_ACT_KILL", alias = "SCMP_ACT_KILL_THREAD")]
    KillThread,
    #[serde(rename = "SCMP_ACT_KILL_PROCESS")]
    KillProcess,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Flag {
    /// For other threads; there are none when a filter is installed.
    #[serde(rename = "SECCOMP_FILTER_FLAG_TSYNC")]
    Tsync,
    #[serde(rename = "SECCOMP_FILTER_FLAG_LOG")]
    Log,
    #[serde(rename = "SECCOMP_FILTER_FLAG_SPEC_ALLOW")]
    SpecAllow,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Architecture {
    pub(super) architecture: String,
    #[serde(default)]
    pub(super) sub_architectures: Option<Vec<String>>,
}

/// One rule for several calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Calls {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) names: Vec<String>,
    pub(super) action: ActionName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) errno_ret: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) args: Option<Vec<Argument>>,
    #[serde(default, skip_serializing)]
    comment: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) includes: Option<Condition>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) excludes: Option<Condition>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Argument {
    pub(super) index: u8,
    pub(super) value: u64,
    #[serde(default)]
    pub(super) value_two: u64,
    pub(super) op: Operator,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Operator {
    #[serde(rename = "SCMP_CMP_NE")]
    NotEqual,
    #[serde(rename = "SCMP_CMP_LT")]
    Below,
    #[serde(rename = "SCMP_CMP_LE")]
    UpTo,
    #[serde(rename = "SCMP_CMP_EQ")]
    Equal,
    #[serde(rename = "SCMP_CMP_GE")]
    From,
    #[serde(rename = "SCMP_CMP_GT")]
    Above,
    #[serde(rename = "SCMP_CMP_MASKED_EQ")]
    MaskedEqual,
}

/// Where a rule holds, or does not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Condition {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) caps: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) arches: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) min_kernel: Option<String>,
}

/// Where a container runs, for conditions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) capabilities: CapabilitySet,
    /// Major and minor version.
    pub(super) kernel: (u32, u32),
}

#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// With line and column.
    #[error("{0}")]
    Json(serde_json::Error),
    #[error("a profile has `architectures` or `archMap`, not both")]
    Architectures,
    #[error("rule {number} of `syscalls` needs `name` or `names`, and not both")]
    Names { number: usize },
    #[error("rule {number} of `syscalls` has `{text}` for a kernel's version; write `4.8`")]
    Kernel { number: usize, text: String },
    #[error("rule {number} of `syscalls` looks at argument {index}; calls have arguments 0 to 5")]
    Argument { number: usize, index: u8 },
    #[error("errno {errno} is above {most}, the kernel's last", most = MOST_ERRNO)]
    Errno { errno: u16 },
}

const MOST_ERRNO: u16 = 4095;

impl Profile {
    /// Reads and checks a profile. Everything that has no effect here is refused by name.
    pub fn parse(text: &str) -> Result<Profile, ProfileError> {
        let profile: Profile = serde_json::from_str(text).map_err(ProfileError::Json)?;
        if !profile.architectures.is_empty() && !profile.arch_map.is_empty() {
            return Err(ProfileError::Architectures);
        }
        let errnos = profile.syscalls.iter().map(|calls| calls.errno_ret);
        let errnos = errnos.chain([profile.default_errno_ret]).flatten();
        if let Some(errno) = errnos.filter(|errno| *errno > MOST_ERRNO).max() {
            return Err(ProfileError::Errno { errno });
        }
        for (position, calls) in profile.syscalls.iter().enumerate() {
            calls.check(position + 1)?;
        }
        Ok(profile)
    }

    pub(crate) fn install_flags(&self) -> sys::seccomp::Flags {
        sys::seccomp::Flags {
            log: self.flags.contains(&Flag::Log),
            allow_speculation: self.flags.contains(&Flag::SpecAllow),
        }
    }
}

impl Calls {
    fn check(&self, number: usize) -> Result<(), ProfileError> {
        if self.name.is_some() != self.names.is_empty() {
            return Err(ProfileError::Names { number });
        }
        let wrong = self.args.iter().flatten().find(|argument| argument.index > 5);
        if let Some(Argument { index, .. }) = wrong {
            return Err(ProfileError::Argument { number, index: *index });
        }
        for condition in [&self.includes, &self.excludes].into_iter().flatten() {
            let wrong = condition.min_kernel.as_ref().filter(|text| version(text).is_none());
            if let Some(text) = wrong {
                return Err(ProfileError::Kernel { number, text: text.clone() });
            }
        }
        Ok(())
    }

    pub(super) fn all_names(&self) -> impl Iterator<Item = &str> {
        self.name.iter().chain(&self.names).map(String::as_str)
    }

    /// Docker's rules: all that is included must be there, and nothing that is excluded.
    pub(super) fn holds(&self, place: Place) -> bool {
        let has = |name: &String| {
            name.parse::<Capability>().is_ok_and(|known| place.capabilities.contains(known))
        };
        let new_enough = |text: &String| version(text).is_some_and(|wanted| place.kernel >= wanted);
        let here = |name: &String| name == GO_ARCHITECTURE;
        let included = self.includes.as_ref().is_none_or(|condition| {
            condition.caps.iter().all(has)
                && (condition.arches.is_empty() || condition.arches.iter().any(here))
                && condition.min_kernel.as_ref().is_none_or(new_enough)
        });
        let excluded = self.excludes.as_ref().is_some_and(|condition| {
            condition.caps.iter().any(has)
                || condition.arches.iter().any(here)
                || condition.min_kernel.as_ref().is_some_and(new_enough)
        });
        included && !excluded
    }
}

/// The name that Go has for this architecture, and with it `arches`.
const GO_ARCHITECTURE: &str = "amd64";

/// `4.8`, `6.1.0-9-amd64`.
pub(super) fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named() {
        for (text, expected) in [
            ("{", "EOF while parsing an object at line 1 column 1"),
            (r#"{"defaultAction": "SCMP_ACT_NOTIFY"}"#, "unknown variant `SCMP_ACT_NOTIFY`"),
            ("{\n\"defaultActio\": 1}", "unknown field `defaultActio`"),
            (r#"{"syscalls": []}"#, "missing field `defaultAction`"),
            (
                r#"{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/x"}"#,
                "unknown field `listenerPath`",
            ),
            (
                r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"action":"SCMP_ACT_LOG"}]}"#,
                "rule 1 of `syscalls` needs `name` or `names`",
            ),
            (
                r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"x","action":"SCMP_ACT_LOG",
                   "args":[{"index":6,"value":1,"op":"SCMP_CMP_EQ"}]}]}"#,
                "argument 6",
            ),
            (
                r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"x","action":"SCMP_ACT_LOG",
                   "includes":{"minKernel":"new"}}]}"#,
                "`new` for a kernel's version",
            ),
            (r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":5000}"#, "errno 5000"),
            (
                r#"{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86"],
                   "archMap":[{"architecture":"SCMP_ARCH_X86_64"}]}"#,
                "not both",
            ),
        ] {
            let error = Profile::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
