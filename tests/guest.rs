//! The cases of runtime/tests/containers on another kernel with cgroup v2 alone: Debian's, in a QEMU guest.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Repository, installed};

/// Where scripts/test.sh puts Debian's kernel package.
const KERNELS: &str = "target/guest";

#[test]
fn containers_work_with_cgroup_v2_alone() {
    let repository = Repository::here();
    if !installed("qemu-system-x86_64") {
        return;
    }
    if rustix::fs::access("/dev/kvm", rustix::fs::Access::WRITE_OK).is_err() {
        return println!("skipped: /dev/kvm cannot be used, and emulation takes minutes");
    }
    let Some(kernel) = newest(&repository.path(KERNELS), "linux-image") else {
        return println!("skipped: no kernel package in {KERNELS}; scripts/test.sh downloads one");
    };
    let programs = std::env::current_exe().unwrap();
    let Some(program) = newest(programs.parent().unwrap(), "containers-") else {
        return println!("skipped: the test program of `runtime` is not built");
    };
    let script = repository.path("runtime/tests/guest.sh");
    let output = Command::new(script).arg(kernel).arg(program).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    if errors.contains("guest does not start") {
        return println!("skipped: {errors}");
    }
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(text.contains("cpuset cpu io memory hugetlb pids"), "{text}");
}

/// The newest file of a directory whose name begins so, but for descriptions of what it depends on.
fn newest(directory: &Path, prefix: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(directory).ok()?.flatten();
    let named = entries.filter(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.starts_with(prefix) && !name.ends_with(".d")
    });
    named
        .max_by_key(|entry| entry.metadata().and_then(|found| found.modified()).ok())
        .map(|e| e.path())
}
