//! Options of mounts: attributes, propagation, and what is left for the file system.
use libc::{
    MOUNT_ATTR__ATIME as TIMES, MOUNT_ATTR_NOATIME as NO_TIME, MOUNT_ATTR_NODEV as NO_DEVICES,
    MOUNT_ATTR_NODIRATIME as NO_DIRECTORY_TIME, MOUNT_ATTR_NOEXEC as NO_PROGRAMS,
    MOUNT_ATTR_NOSUID as NO_SET_USER_ID, MOUNT_ATTR_NOSYMFOLLOW as NO_LINKS,
    MOUNT_ATTR_RDONLY as READ_ONLY, MOUNT_ATTR_STRICTATIME as STRICT,
};

use crate::spec::{MountAttributes, Propagation, PropagationKind};

/// Those that this runtime acts upon itself; each attribute may be written with an `r` before it, for all that is below.
pub const MOUNT_OPTIONS: [&str; 46] = [
    "atime",
    "bind",
    "defaults",
    "dev",
    "diratime",
    "exec",
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
    CopyUp,
    Refused,
    /// The file system's own.
    Setting,
}

pub(super) fn meaning(option: &str) -> Meaning {
    let spread =
        |kind| Meaning::Propagation(Propagation { kind, recursive: option.starts_with('r') });
    match option {
        "defaults" | "" => Meaning::Nothing,
        "bind" => Meaning::Bind { recursive: false },
        "rbind" => Meaning::Bind { recursive: true },
        "private" | "rprivate" => spread(PropagationKind::Private),
        "slave" | "rslave" => spread(PropagationKind::Slave),
        "shared" | "rshared" => spread(PropagationKind::Shared),
        "tmpcopyup" => Meaning::CopyUp,
        "unbindable" | "runbindable" | "remount" | "idmap" | "ridmap" => Meaning::Refused,
        _ => match (attribute(option), option.strip_prefix('r').and_then(attribute)) {
            (Some(change), _) => Meaning::Attribute { change, below: false },
            (None, Some(change)) => Meaning::Attribute { change, below: true },
            (None, None) => Meaning::Setting,
        },
    }
}

fn attribute(option: &str) -> Option<MountAttributes> {
    let (clear, set) = match option {
        "ro" => (0, READ_ONLY),
        "rw" => (READ_ONLY, 0),
        "nosuid" => (0, NO_SET_USER_ID),
        "suid" => (NO_SET_USER_ID, 0),
        "nodev" => (0, NO_DEVICES),
        "dev" => (NO_DEVICES, 0),
        "noexec" => (0, NO_PROGRAMS),
        "exec" => (NO_PROGRAMS, 0),
        "nosymfollow" => (0, NO_LINKS),
        "symfollow" => (NO_LINKS, 0),
        "nodiratime" => (0, NO_DIRECTORY_TIME),
        "diratime" => (NO_DIRECTORY_TIME, 0),
        "noatime" => (TIMES, NO_TIME),
        "strictatime" => (TIMES, STRICT),
        // What the kernel does when it is asked for neither.
        "relatime" | "atime" | "norelatime" | "nostrictatime" => (TIMES, 0),
        _ => return None,
    };
    Some(MountAttributes { set, clear })
}

/// Of contrary options the last counts.
pub(super) fn add(all: &mut MountAttributes, change: MountAttributes) {
    all.set = all.set & !change.clear | change.set;
    all.clear = all.clear & !change.set | change.clear;
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
        assert_eq!(meaning("idmap"), Meaning::Refused);
    }

    #[test]
    fn the_last_of_contrary_options_counts() {
        let mut all = MountAttributes::default();
        for option in ["ro", "noatime", "rw", "relatime", "nosuid"] {
            let Meaning::Attribute { change, below: false } = meaning(option) else { panic!() };
            add(&mut all, change);
        }
        assert_eq!(all, MountAttributes { set: NO_SET_USER_ID, clear: READ_ONLY | TIMES });
    }
}
