//! Which cgroup hierarchies this machine has, and which of them can be used.
use std::fs;
use std::path::{Path, PathBuf};

/// What we want to have a hand on, when the machine offers it.
const WANTED: [&str; 6] = ["memory", "pids", "cpu", "cpuacct", "devices", "freezer"];

/// What only some limits need: nobody else's start waits for it.
const ON_DEMAND: [&str; 3] = ["cpuset", "blkio", "io"];

/// One mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    pub(crate) mount: PathBuf,
    pub(crate) version: Version,
    /// v1: those mounted together here. v2: those the root offers.
    pub(crate) controllers: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}

impl Hierarchy {
    pub(crate) fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|known| known == controller)
    }

    /// The same under v2's names: `io` is v1's `blkio`.
    pub(crate) fn offers(&self, controller: &str) -> bool {
        self.has(controller)
            || (matches!(controller, "io" | "blkio") && (self.has("io") || self.has("blkio")))
    }

    /// Whether only some limits need it.
    pub(crate) fn is_on_demand(&self) -> bool {
        self.version == Version::V1 && self.controllers.iter().all(|name| on_demand(name))
    }
}

pub(crate) fn on_demand(controller: &str) -> bool {
    ON_DEMAND.contains(&controller)
}

/// The hierarchies of this process's mount namespace that control something we use.
pub(crate) fn detect() -> Vec<Hierarchy> {
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut found = parse(&mountinfo, |mount| {
        fs::read_to_string(mount.join("cgroup.controllers")).unwrap_or_default()
    });
    // With v2, killing and freezing need no hierarchy of their own.
    if found.iter().any(|h| h.version == Version::V2) {
        found.retain(|h| h.version == Version::V2 || h.controllers != ["freezer"]);
    }
    found
}

/// `v2_controllers` reads what a v2 mount offers.
fn parse(mountinfo: &str, v2_controllers: impl Fn(&Path) -> String) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    for line in mountinfo.lines() {
        // 36 35 98:0 / /mnt rw,noatime master:1 - ext3 /dev/root rw,errors=continue
        let Some((mount, filesystem)) = line.split_once(" - ") else { continue };
        let Some(mount) = mount.split(' ').nth(4) else { continue };
        let mut filesystem = filesystem.split(' ');
        let kind = filesystem.next();
        let options = filesystem.nth(1).unwrap_or_default();
        let mount = PathBuf::from(mount.replace("\\040", " "));
        let (version, controllers) = match kind {
            Some("cgroup2") => (Version::V2, v2_controllers(&mount)),
            Some("cgroup") => (Version::V1, options.replace(',', " ")),
            _ => continue,
        };
        let controllers: Vec<String> = controllers
            .split_whitespace()
            .filter(|name| WANTED.contains(name) || ON_DEMAND.contains(name))
            .map(str::to_owned)
            .collect();
        let useful = version == Version::V2 || !controllers.is_empty();
        let known = found.iter().any(|h| h.version == version && h.controllers == controllers);
        if useful && !known {
            found.push(Hierarchy { mount, version, controllers });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hybrid_machines_have_both() {
        let text = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
            32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
            35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
            38 31 0:35 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio\n\
            40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
            41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
            99 31 0:32 / /elsewhere rw - cgroup cgroup rw,memory\n";
        let found = parse(text, |_| "hugetlb\n".to_owned());
        let mounts: Vec<_> = found.iter().map(|h| h.mount.to_str().unwrap()).collect();
        assert_eq!(
            mounts,
            [
                "/sys/fs/cgroup/cpu,cpuacct",
                "/sys/fs/cgroup/memory",
                "/sys/fs/cgroup/blkio",
                "/sys/fs/cgroup/unified"
            ]
        );
        assert!(found[2].is_on_demand() && !found[1].is_on_demand());
        assert!(found[0].has("cpu") && found[1].has("memory") && !found[3].has("memory"));
    }

    #[test]
    fn unified_machines_offer_controllers_by_file() {
        let text = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n";
        let found = parse(text, |_| "cpuset cpu io memory pids\n".to_owned());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].controllers, ["cpuset", "cpu", "io", "memory", "pids"]);
        assert!(!found[0].is_on_demand());
    }
}
