//! What containers may leave behind: processes, cgroups, mounts, run-time files, leases, names.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Sandbox;

pub(crate) fn leftovers(sandbox: &Sandbox) -> Vec<String> {
    let mut left = Vec::new();
    let mut list = |directory: &Path, but: &[&str]| {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if !but.iter().any(|name| entry.file_name() == *name) {
                left.push(entry.path().display().to_string());
            }
        }
    };
    let (root, state) = (sandbox.root(), sandbox.path("state"));
    list(&root.join("containers"), &["lock", "names"]);
    for directory in ["containers/names", "leases"] {
        list(&root.join(directory), &[]);
    }
    list(&state.join("containers"), &[]);
    list(&state.join("zygotes"), &[]);
    let metadata = fs::metadata(&root).unwrap();
    let engine = format!("{:x}-{:x}", metadata.dev(), metadata.ino());
    for hierarchy in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
        list(&hierarchy.path().join("rbuild").join(&engine), &[]);
    }
    let own = root.display().to_string();
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let read = |file: &str| fs::read(process.path().join(file)).unwrap_or_default();
        let command = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
        if command.contains("container-shim") && command.contains(&own) {
            left.push(command);
        }
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    // The store itself may be a mount that the test has made.
    let place = format!(" {own} ");
    let ours = mounts.lines().filter(|line| line.contains(&own) && !line.contains(&place));
    left.extend(ours.map(str::to_owned));
    // Leases of processes that live are theirs.
    left.retain(|path| !path.contains("/leases/") || path.contains("keep."));
    // Groups of controllers, not of containers.
    left.retain(|path| !path.starts_with("/sys/") || Path::new(path).is_dir());
    left
}
