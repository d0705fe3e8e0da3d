//! The cases of runtime/tests/containers, and tests of whole programs, on another kernel with cgroup v2 alone: Debian's, in a QEMU
//! guest. `RBUILD_TEST_GUEST=emulated` runs them without KVM, which takes ten times as long and more (`scripts/guest.sh`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Repository, installed, privileged};

/// Where scripts/test.sh puts Debian's kernel package.
const KERNELS: &str = "target/guest";
/// Those of our tests that depend on the kernel most.
const FILTERS: [&str; 5] = ["run::", "lifecycle::", "networks::", "run_flags::", "oci::"];
/// How long they may take with KVM, in seconds.
const PATIENCE: &str = "1800";

#[test]
fn containers_work_with_cgroup_v2_alone() {
    let Some(kernel) = kernel() else { return };
    let programs = std::env::current_exe().unwrap();
    let Some(program) = newest(programs.parent().unwrap(), "containers-") else {
        return println!("skipped: the test program of `runtime` is not built");
    };
    let mut command = Command::new(Repository::here().path("runtime/tests/guest.sh"));
    let Some(text) = shown_by_guest(command.arg(kernel).arg(program)) else { return };
    assert!(text.contains("cpuset cpu io memory hugetlb pids"), "{text}");
}

/// A Debian system with this very program, and what it starts, in it.
#[test]
fn whole_programs_work_on_debians_kernel() {
    let Some(kernel) = kernel() else { return };
    if !privileged() || !installed("mmdebstrap") {
        return;
    }
    let mut command = Command::new(Repository::here().path("tests/guest.sh"));
    command.arg(kernel).arg(std::env::current_exe().unwrap()).args(FILTERS);
    if !std::env::vars().any(|(name, _)| name == "RBUILD_TEST_SECONDS") {
        command.env("RBUILD_TEST_SECONDS", PATIENCE);
    }
    let Some(text) = shown_by_guest(&mut command) else { return };
    assert!(text.contains("the tests ended with 0"), "{text}");
}

/// None, with the reason printed, where no guest can be had.
fn kernel() -> Option<PathBuf> {
    if !installed("qemu-system-x86_64") {
        return None;
    }
    let emulated = std::env::vars().any(|it| it == ("RBUILD_TEST_GUEST".into(), "emulated".into()));
    if !emulated && rustix::fs::access("/dev/kvm", rustix::fs::Access::WRITE_OK).is_err() {
        println!("skipped: /dev/kvm cannot be used, and emulation takes minutes");
        return None;
    }
    let kernel = newest(&Repository::here().path(KERNELS), "linux-image");
    if kernel.is_none() {
        println!("skipped: no kernel package in {KERNELS}; scripts/test.sh downloads one");
    }
    kernel
}

/// What was on its console. None, with the reason printed, where it does not start.
fn shown_by_guest(command: &mut Command) -> Option<String> {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    if errors.contains("guest does not start") {
        println!("skipped: {errors}");
        return None;
    }
    assert!(output.status.success(), "{text}\n{errors}");
    Some(text)
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
