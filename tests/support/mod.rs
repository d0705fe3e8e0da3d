//! What the end-to-end tests share: a store of their own and the binaries run against it.

mod archive;
mod base_image;
mod git_repository;
mod http_server;
mod leftovers;
mod output;
mod recorded;
mod registry;
mod repository;
mod sandbox;
mod small_disk;
mod ssh_agent;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use std::time::{Duration, Instant};

pub(crate) use archive::{Archive, Layer};
pub(crate) use base_image::{busybox_rootfs, debian_rootfs};
pub(crate) use git_repository::{COMMIT_TIME, GitRepository};
pub(crate) use http_server::{HttpServer, response};
pub(crate) use leftovers::leftovers;
pub(crate) use output::Output;
pub(crate) use recorded::{Base, Case, copy_tree, recorded_cases};
pub(crate) use registry::{Registry, certify, online, online_with};
pub(crate) use repository::Repository;
pub(crate) use sandbox::{Sandbox, run, run_bytes, run_script};
pub(crate) use small_disk::SmallDisk;
pub(crate) use ssh_agent::SshAgent;

/// Whether containers can be started here. Says why not; `RBUILD_TEST_ROOT=1` (set by `.ci/run`)
/// makes it a failure, so that nothing is skipped unnoticed.
#[must_use]
pub(crate) fn privileged() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        let required =
            std::env::vars().any(|(name, value)| name == "RBUILD_TEST_ROOT" && value == "1");
        assert!(!required, "RBUILD_TEST_ROOT=1, but the tests do not run as root");
        println!("skipped: needs root");
    }
    root
}

/// Whether a program is installed; says so when it is not.
#[must_use]
pub(crate) fn installed(program: &str) -> bool {
    let found = std::process::Command::new(program).arg("--version").output().is_ok();
    if !found {
        println!("skipped: `{program}` is not installed");
    }
    found
}

/// How long what happens by itself may take on a machine that is busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

#[track_caller]
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "it never happens that {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether `RBUILD_TEST_FAULTS=all` asks for every point at which something can go wrong, and not only for some.
pub(crate) fn all_faults() -> bool {
    std::env::vars().any(|pair| pair == ("RBUILD_TEST_FAULTS".to_owned(), "all".to_owned()))
}

/// What is said against any of many items, looked at side by side: most of the time is waiting for programs.
pub(crate) fn failures_of<T: Sync>(
    items: &[T],
    check: impl Fn(&T) -> Result<(), String> + Sync,
) -> Vec<String> {
    const THREADS: usize = 8;
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(why) = check(item) {
                        failed.lock().unwrap().push(why);
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap()
}
