//! What the end-to-end tests share: a store of their own and the binaries run against it.

mod archive;
mod base_image;
mod git_repository;
mod http_server;
mod output;
mod repository;
mod sandbox;
mod ssh_agent;

pub(crate) use archive::{Archive, Layer};
pub(crate) use base_image::busybox_rootfs;
pub(crate) use git_repository::{COMMIT_TIME, GitRepository};
pub(crate) use http_server::{HttpServer, response};
pub(crate) use output::Output;
pub(crate) use repository::Repository;
pub(crate) use sandbox::{Sandbox, run, run_bytes, run_script};
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

/// Whether `RBUILD_TEST_FAULTS=all` asks for every point at which something can go wrong, and not only for some.
pub(crate) fn all_faults() -> bool {
    std::env::vars().any(|pair| pair == ("RBUILD_TEST_FAULTS".to_owned(), "all".to_owned()))
}
