//! Why mounts and devices are refused.

use super::{KINDS, MountKind, SHARINGS};

/// Why a mount or device is refused. The texts are BuildKit's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MountError {
    #[error("failed to parse csv mounts: bad quotes in `{value}`")]
    Csv { value: String },
    #[error("invalid field '{field}' must be a key=value pair")]
    NoValue { field: String },
    #[error("unexpected key '{key}' in '{field}'{}", did_you_mean(suggestion))]
    UnknownKey {
        key: String,
        field: String,
        suggestion: Option<&'static str>,
        known: &'static [&'static str],
    },
    #[error("unexpected key '{key}' for mount type '{kind}'")]
    WrongKey { key: String, kind: MountKind },
    #[error("'from' doesn't support variable expansion, define alias stage instead")]
    VariableInFrom,
    #[error("unsupported mount type {value:?}{}", did_you_mean(suggestion))]
    UnknownKind { value: String, suggestion: Option<&'static str> },
    #[error("unsupported sharing value {value:?}{}", did_you_mean(suggestion))]
    UnknownSharing { value: String, suggestion: Option<&'static str> },
    #[error("invalid value for {key}: {value}")]
    BadValue { key: String, value: String },
    #[error("invalid value {value} for {key}")]
    BadNumber { key: &'static str, value: String },
    #[error("{key} not allowed for \"{kind}\" type mounts")]
    NotAllowed { key: &'static str, kind: MountKind },
    #[error("secret mount should not have a from")]
    SecretFrom,
    #[error("secret mount should not define sharing")]
    SecretSharing,
    #[error("invalid secret mount. one of source, target required")]
    SecretUnnamed,
    #[error("both source and id can't be set")]
    SecretTwice,
    #[error("ssh does not support source")]
    SshSource,
    #[error("invalid cache sharing set for {kind} mount")]
    SharingWithoutCache { kind: MountKind },
    #[error("device name already set to {name}")]
    RepeatedDevice { name: String },
}

fn did_you_mean(suggestion: &Option<&'static str>) -> String {
    suggestion.map(|name| format!(" (did you mean {name}?)")).unwrap_or_default()
}

impl MountError {
    pub fn hint(&self) -> Option<String> {
        let list = |names: &[&str]| {
            names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        };
        match self {
            MountError::UnknownKey { known, .. } => Some(format!("the keys are {}", list(known))),
            MountError::UnknownKind { .. } => {
                Some(format!("the mount types are {}", list(&KINDS.map(|(name, _)| name))))
            }
            MountError::UnknownSharing { .. } => {
                Some(format!("the sharing modes are {}", list(&SHARINGS.map(|(name, _)| name))))
            }
            MountError::VariableInFrom => {
                Some("name a stage, `FROM $IMAGE AS alias`, and mount from it".to_owned())
            }
            _ => None,
        }
    }
}
