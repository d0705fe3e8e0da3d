//! Options of mounts: attributes, propagation, and what is left for the file system.
use crate::spec::{MountAttributes, Propagation, PropagationKind};

/// Those that this runtime acts upon itself; each attribute may be written with an `r` before it, for all that is below.
pub const MOUNT_OPTIONS: [&str; 48] = [
    "atime",
    "bind",
    "defaults",
    "dev",
    "diratime",
    "exec",
    "idmap",
    "newinstance",
    "noatime",
    "nodev",
    "nodiratime",
    "noexec",
    "norelatime",
    "nostrictatime",
    "nosuid",
    "nosymfollow",
    "private",
    "ratime",
    "rbind",
    "rdev",
    "rdiratime",
    "relatime",
    "rexec",
    "ridmap",
    "rnoatime",
    "rnodev",
    "rnodiratime",
    "rnoexec",
    "rnorelatime",
    "rnostrictatime",
    "rnosuid",
    "rnosymfollow",
    "ro",
    "rprivate",
    "rrelatime",
    "rro",
    "rrw",
    "rshared",
    "rslave",
    "rstrictatime",
    "rsuid",
    "rsymfollow",
    "rw",
    "shared",
    "slave",
    "strictatime",
    "suid",
    "symfollow",
];

/// What one option means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Nothing,
    Bind {
        recursive: bool,
    },
    Attribute {
        change: MountAttributes,
        below: bool,
    },
    Propagation(Propagation),
    /// The owners of its files are mapped.
    Owners {
        recursive: bool,
    },
    CopyUp,
    Refused,
    /// The file system's own.
    Setting,
}

pub(super) fn meaning(option: &str) -> Meaning {
    let spread =
        |kind| Meaning::Propagation(Propagation { kind, recursive: option.starts_with('r') });
    let of_option = MountAttributes::of_option;
    match option {
        "defaults" | "" => Meaning::Nothing,
        "bind" => Meaning::Bind { recursive: false },
        "rbind" => Meaning::Bind { recursive: true },
        "private" | "rprivate" => spread(PropagationKind::Private),
        "slave" | "rslave" => spread(PropagationKind::Slave),
        "shared" | "rshared" => spread(PropagationKind::Shared),
        "tmpcopyup" => Meaning::CopyUp,
        "idmap" => Meaning::Owners { recursive: false },
        "ridmap" => Meaning::Owners { recursive: true },
        "unbindable" | "runbindable" | "remount" => Meaning::Refused,
        _ => match (of_option(option), option.strip_prefix('r').and_then(of_option)) {
            (Some(change), _) => Meaning::Attribute { change, below: false },
            (None, Some(change)) => Meaning::Attribute { change, below: true },
            (None, None) => Meaning::Setting,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_that_is_listed_has_a_meaning() {
        for option in MOUNT_OPTIONS {
            let known = !matches!(meaning(option), Meaning::Setting | Meaning::Refused);
            assert!(known || option == "newinstance", "{option}");
        }
        assert_eq!(meaning("size=1m"), Meaning::Setting);
        assert_eq!(meaning("remount"), Meaning::Refused);
    }
}
