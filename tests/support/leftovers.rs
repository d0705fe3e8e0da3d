//! What containers may leave behind: processes, namespaces, descriptors, cgroups, mounts, run-time files, leases, names.
//!
//! Tests run at once, so only what belongs to the test's own store counts: its shims, what is in its groups, what has its
//! files open or mounted. A namespace is there as long as a process or a descriptor of one is, or a mount of it.

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
    // One hierarchy, or one each.
    list(&Path::new("/sys/fs/cgroup/rbuild").join(&engine), &[]);
    for hierarchy in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
        list(&hierarchy.path().join("rbuild").join(&engine), &[]);
    }
    let own = root.display().to_string();
    for process in fs::read_dir("/proc").unwrap().flatten() {
        left.extend(process_of(&process.path(), &root, &engine));
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    left.extend(mounts_of(&mounts, &own, &own).map(str::to_owned));
    // Leases of processes that live are theirs.
    left.retain(|path| !path.contains("/leases/") || path.contains("keep."));
    // Groups of controllers, not of containers.
    left.retain(|path| !path.starts_with("/sys/") || Path::new(path).is_dir());
    left
}

/// The lines of a mountinfo that name what is the test's own, but for the store itself: that may be a mount that the test
/// has made, and what other tests start meanwhile gets a copy of it.
fn mounts_of<'a>(mounts: &'a str, own: &'a str, root: &'a str) -> impl Iterator<Item = &'a str> {
    let point = |line: &'a str| line.split(' ').nth(4);
    mounts.lines().filter(move |line| line.contains(own) && point(line) != Some(root))
}

/// Why a process belongs to the test, if it does.
fn process_of(process: &Path, root: &Path, engine: &str) -> Option<String> {
    let own = root.parent()?;
    let name = process.file_name()?.to_str()?.parse::<u32>().ok()?;
    let read = |file: &str| fs::read(process.join(file)).unwrap_or_default();
    let text = |file: &str| String::from_utf8_lossy(&read(file)).replace('\0', " ");
    let (command, shown) = (text("cmdline"), own.to_str()?);
    if command.contains("container-shim") && command.contains(shown) {
        return Some(command);
    }
    let namespace = || fs::read_link(process.join("ns/mnt"));
    // Ours are those of this machine's other processes, which see what the test has mounted, too.
    let apart =
        || namespace().is_ok_and(|found| fs::read_link("/proc/self/ns/mnt").unwrap() != found);
    let why = if text("cgroup").contains(&format!("/rbuild/{engine}")) {
        "in a group"
    } else if mounts_of(&text("mountinfo"), shown, root.to_str()?).next().is_some() && apart() {
        "has a mount"
    } else if name != std::process::id() && has_open(process, own) {
        "has a file open"
    } else {
        return None;
    };
    Some(format!("process {name}, `{command}`: {why}"))
}

fn has_open(process: &Path, own: &Path) -> bool {
    let links = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    links.into_iter().any(|link| fs::read_link(link.path()).is_ok_and(|to| to.starts_with(own)))
}
