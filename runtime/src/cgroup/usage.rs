//! What a container uses, as its cgroups count it, or its processes where no cgroup does.
use std::fs;
use std::path::Path;

use super::{Leaf, Version};

/// Of what no cgroup here counts, nothing is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Nanoseconds of processor time since it was started.
    pub cpu: Option<u64>,
    /// Bytes, without the file cache that can go at any time.
    pub memory: Option<u64>,
    /// The limit of that, if there is one.
    pub memory_limit: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Bytes from and to disks.
    pub read: Option<u64>,
    pub written: Option<u64>,
}

impl Leaf {
    pub(crate) fn usage(&self) -> Usage {
        let mut usage = Usage { cpu: self.cpu(), ..Usage::default() };
        if let Ok((version, path)) = self.directory("memory") {
            (usage.memory, usage.memory_limit) = memory(version, path);
        } else if self.v2_path().is_some() {
            usage.memory = Some(self.processes().into_iter().map(memory_of_process).sum());
        }
        usage.pids = match (self.directory("pids"), self.v2_path()) {
            (Ok((_, path)), _) => number(path, "pids.current"),
            (Err(_), Some(path)) => {
                let threads = fs::read_to_string(path.join("cgroup.threads")).ok();
                threads.map(|threads| threads.lines().count() as u64)
            }
            (Err(_), None) => None,
        };
        if let Ok((version, path)) = self.directory("io") {
            (usage.read, usage.written) = disks(version, path);
        }
        usage
    }

    fn cpu(&self) -> Option<u64> {
        if let Ok((Version::V1, path)) = self.directory("cpuacct") {
            return number(path, "cpuacct.usage");
        }
        // Counted without any controller.
        let text = fs::read_to_string(self.v2_path()?.join("cpu.stat")).ok()?;
        field(&text, "usage_usec").map(|microseconds| microseconds.saturating_mul(1000))
    }

    /// Every process in it that our own PID namespace has numbers for.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let first = self.v2_path().or_else(|| self.directory("pids").ok().map(|(_, path)| path));
        let text = first.and_then(|path| fs::read_to_string(path.join("cgroup.procs")).ok());
        let mut processes: Vec<i32> = text
            .unwrap_or_default()
            .lines()
            .filter_map(|line| line.parse().ok())
            .filter(|pid| *pid > 0)
            .collect();
        processes.sort_unstable();
        processes
    }
}

/// Bytes, its share of what it has in common with others. Nothing of one that has just ended.
fn memory_of_process(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kibibytes.unwrap_or(0).saturating_mul(1024)
}

fn number(path: &Path, file: &str) -> Option<u64> {
    fs::read_to_string(path.join(file)).ok()?.trim().parse().ok()
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

fn memory(version: Version, path: &Path) -> (Option<u64>, Option<u64>) {
    let (used, limit, cache) = match version {
        Version::V1 => ("memory.usage_in_bytes", "memory.limit_in_bytes", "total_inactive_file"),
        Version::V2 => ("memory.current", "memory.max", "inactive_file"),
    };
    let stat = fs::read_to_string(path.join("memory.stat")).unwrap_or_default();
    let cache = field(&stat, cache).unwrap_or(0);
    let used = number(path, used).map(|used| used.saturating_sub(cache));
    // v1 shows the largest number there is for none, v2 a word.
    let limit = number(path, limit).filter(|limit| *limit < 1 << 62);
    (used, limit)
}

fn disks(version: Version, path: &Path) -> (Option<u64>, Option<u64>) {
    let text = |file: &str| fs::read_to_string(path.join(file)).ok();
    match version {
        Version::V2 => {
            let Some(text) = text("io.stat") else { return (None, None) };
            let sum = |name: &str| {
                let values = text.split_whitespace().filter_map(|word| word.strip_prefix(name));
                values.filter_map(|value| value.parse::<u64>().ok()).sum()
            };
            (Some(sum("rbytes=")), Some(sum("wbytes=")))
        }
        Version::V1 => {
            let Some(text) = text("blkio.throttle.io_service_bytes") else { return (None, None) };
            let sum = |name: &str| {
                let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
                let values = lines.filter_map(|words| match words.as_slice() {
                    [_, kind, value] if *kind == name => value.parse::<u64>().ok(),
                    _ => None,
                });
                values.sum()
            };
            (Some(sum("Read")), Some(sum("Write")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        write("memory.usage_in_bytes", "1000\n");
        write("memory.limit_in_bytes", "9223372036854771712\n");
        write("memory.stat", "cache 7\ntotal_inactive_file 300\ninactive_file 100\n");
        assert_eq!(memory(Version::V1, dir.path()), (Some(700), None));
        write("memory.current", "1000\n");
        write("memory.max", "4096\n");
        assert_eq!(memory(Version::V2, dir.path()), (Some(900), Some(4096)));
        write("memory.max", "max\n");
        assert_eq!(memory(Version::V2, dir.path()).1, None);
        write("io.stat", "8:0 rbytes=5 wbytes=6 rios=1\n8:16 rbytes=2 wbytes=1\n");
        assert_eq!(disks(Version::V2, dir.path()), (Some(7), Some(7)));
        write("blkio.throttle.io_service_bytes", "8:0 Read 5\n8:0 Write 6\nTotal 11\n");
        assert_eq!(disks(Version::V1, dir.path()), (Some(5), Some(6)));
        assert_eq!(disks(Version::V1, Path::new("/absent")), (None, None));
    }
}
