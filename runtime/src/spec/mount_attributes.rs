//! Attributes of mounts, and the options that name them.
use libc::{
    MOUNT_ATTR__ATIME as TIMES, MOUNT_ATTR_NOATIME as NO_TIME, MOUNT_ATTR_NODEV as NO_DEVICES,
    MOUNT_ATTR_NODIRATIME as NO_DIRECTORY_TIME, MOUNT_ATTR_NOEXEC as NO_PROGRAMS,
    MOUNT_ATTR_NOSUID as NO_SET_USER_ID, MOUNT_ATTR_NOSYMFOLLOW as NO_LINKS,
    MOUNT_ATTR_RDONLY as READ_ONLY, MOUNT_ATTR_STRICTATIME as STRICT,
};
use serde::{Deserialize, Serialize};

/// `MOUNT_ATTR_*` bits that are set, and others that are cleared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountAttributes {
    pub set: u64,
    pub clear: u64,
}

impl MountAttributes {
    /// What an option of mount(8) means that is the same for every file system.
    pub(crate) fn of_option(option: &str) -> Option<MountAttributes> {
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
    pub(crate) fn add(&mut self, change: MountAttributes) {
        self.set = self.set & !change.clear | change.set;
        self.clear = self.clear & !change.set | change.clear;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_contrary_options_counts() {
        let mut all = MountAttributes::default();
        for option in ["ro", "noatime", "rw", "relatime", "nosuid"] {
            all.add(MountAttributes::of_option(option).unwrap());
        }
        assert_eq!(all, MountAttributes { set: NO_SET_USER_ID, clear: READ_ONLY | TIMES });
        assert_eq!(MountAttributes::of_option("size=1m"), None);
    }
}
