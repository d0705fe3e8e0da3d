//! `process`, which is also what `exec` runs, and hooks.
use std::path::PathBuf;

use super::{Plan, refused};
use crate::capabilities::{Capability, CapabilitySet};
use crate::oci::document::{Capabilities, HookDocument, ProcessDocument, Rlimit};
use crate::oci::error::DocumentError;
use crate::spec::{ExactCapabilities, Hook, Ulimit};

/// Replaces all that a plan says about the process.
pub(in crate::oci) fn process_into(
    process: &ProcessDocument,
    plan: &mut Plan,
) -> Result<(), DocumentError> {
    refused::check_process(&process.rest, &process.user.rest)?;
    if process.args.is_empty() {
        return Err(DocumentError::Missing { at: "process.args" });
    }
    if !process.cwd.is_absolute() {
        let at = "process.cwd".to_owned();
        return Err(DocumentError::Relative { at, path: process.cwd.clone() });
    }
    let Plan { spec, warnings, .. } = plan;
    spec.args = process.args.iter().map(Into::into).collect();
    spec.env = process.env.clone();
    spec.cwd = process.cwd.clone();
    spec.user = format!("{}:{}", process.user.uid, process.user.gid);
    spec.groups = process.user.additional_gids.iter().map(u32::to_string).collect();
    spec.ulimits = ulimits(&process.rlimits)?;
    spec.no_new_privileges = process.no_new_privileges;
    spec.oom_score_adj = process.oom_score_adj;
    if let Some(listed) = &mut spec.listed {
        listed.umask = process.user.umask.unwrap_or(0o022) & 0o777;
        listed.capabilities =
            process.capabilities.as_ref().map(|sets| exact(sets, warnings)).unwrap_or_default();
        // Conditions of profiles, which documents do not have, would be about these.
        spec.capabilities = listed.capabilities.bounding;
    }
    plan.terminal = process.terminal.then(|| {
        let size = process.console_size.unwrap_or_default();
        (size.height, size.width)
    });
    Ok(())
}

/// Names that nobody knows are no errors: the specification wants a warning.
fn exact(sets: &Capabilities, warnings: &mut Vec<String>) -> ExactCapabilities {
    let mut set = |names: &[String]| {
        let mut known = CapabilitySet::default();
        for name in names {
            match name.parse::<Capability>() {
                Ok(capability) => known = known.with(capability),
                Err(unknown) => {
                    let warning = format!("{unknown} is left out");
                    if !warnings.contains(&warning) {
                        warnings.push(warning);
                    }
                }
            }
        }
        known
    };
    ExactCapabilities {
        bounding: set(&sets.bounding),
        effective: set(&sets.effective),
        permitted: set(&sets.permitted),
        inheritable: set(&sets.inheritable),
        ambient: set(&sets.ambient),
    }
}

fn ulimits(limits: &[Rlimit]) -> Result<Vec<Ulimit>, DocumentError> {
    let mut ulimits: Vec<Ulimit> = Vec::new();
    for Rlimit { kind, soft, hard } in limits {
        let name = kind.strip_prefix("RLIMIT_").map(str::to_lowercase).unwrap_or_default();
        if !Ulimit::NAMES.iter().any(|(known, _)| *known == name) {
            let (at, value) = ("process.rlimits".to_owned(), kind.clone());
            return Err(DocumentError::Wrong { at, value, what: "limit of processes" });
        }
        if ulimits.iter().any(|other| other.name == name) {
            return Err(DocumentError::Twice { at: "process.rlimits", value: kind.clone() });
        }
        let some = |value: &u64| Some(*value).filter(|value| *value != u64::MAX);
        ulimits.push(Ulimit { name, soft: some(soft), hard: some(hard) });
    }
    Ok(ulimits)
}

pub(super) fn hooks(hooks: &[HookDocument], at: &str) -> Result<Vec<Hook>, DocumentError> {
    let one = |(position, hook): (usize, &HookDocument)| {
        let at = |name: &str| format!("{at}[{position}].{name}");
        if hook.path.is_relative() {
            return Err(DocumentError::Relative {
                at: at("path"),
                path: PathBuf::clone(&hook.path),
            });
        }
        let timeout = hook.timeout.map(|seconds| match u64::try_from(seconds) {
            Ok(seconds) if seconds > 0 => Ok(seconds),
            _ => Err(DocumentError::Wrong {
                at: at("timeout"),
                value: seconds.to_string(),
                what: "number of seconds above 0",
            }),
        });
        Ok(Hook {
            path: hook.path.clone(),
            args: hook.args.clone(),
            env: hook.env.clone(),
            timeout: timeout.transpose()?,
        })
    };
    hooks.iter().enumerate().map(one).collect()
}
