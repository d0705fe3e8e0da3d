//! A store with busybox whose containers do not outlive their test.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Output, Sandbox, leftovers, privileged};

pub(crate) struct Place {
    pub(crate) sandbox: Sandbox,
}

impl Place {
    /// None, with the reason printed, where containers cannot be started.
    pub(crate) fn new() -> Option<Place> {
        privileged().then(|| Place { sandbox: Sandbox::with_busybox() })
    }

    /// The words of a command line.
    #[track_caller]
    pub(crate) fn rbuild(&self, line: &str) -> Output {
        self.sandbox.rbuild(line.split(' '))
    }

    /// `rbuild LINE busybox sh -c SCRIPT`
    #[track_caller]
    pub(crate) fn shell(&self, line: &str, script: &str) -> Output {
        self.sandbox.rbuild(line.split(' ').chain(["busybox", "sh", "-c", script]))
    }

    /// What a template makes of a container's document.
    #[track_caller]
    pub(crate) fn look(&self, name: &str, template: &str) -> String {
        let found = self.sandbox.rbuild(["inspect", "--format", template, name]).success();
        found.stdout.trim_end().to_owned()
    }

    /// Asks again until it is so.
    #[track_caller]
    pub(crate) fn until(&self, name: &str, template: &str, expected: &str) {
        asked_until(|| self.look(name, template), expected);
    }

    /// Waits until a container has this status and exit code, and nothing to complain of; nothing where there is none.
    #[track_caller]
    pub(crate) fn until_state(&self, name: &str, expected: &str) {
        let template = "{{.State.Status}} {{.State.ExitCode}}{{.State.Error}}";
        let look = || self.sandbox.rbuild(["inspect", "--format", template, name]).stdout;
        asked_until(|| look().trim_end().to_owned(), expected);
    }

    /// Waits until this, and nothing else, is in the log.
    #[track_caller]
    pub(crate) fn until_logs(&self, name: &str, expected: &str) {
        let log = || self.sandbox.rbuild(["logs", name]).success().stdout.trim_end().to_owned();
        asked_until(log, expected);
    }

    /// The state as it was written, which on a full disk is elsewhere.
    pub(crate) fn state(&self, name: &str) -> Value {
        let id = self.look(name, "{{.Id}}");
        let path = |root: PathBuf| root.join("containers").join(&id).join("state.json");
        let bytes = fs::read(path(self.sandbox.path("state")));
        let bytes = bytes.or_else(|_| fs::read(path(self.sandbox.root())));
        serde_json::from_slice(&bytes.unwrap()).unwrap()
    }

    pub(crate) fn shim(&self, name: &str) -> i32 {
        i32::try_from(self.state(name)["shim"]["pid"].as_i64().unwrap()).unwrap()
    }

    /// Fails if anything is left of containers: processes, cgroups, mounts, run-time files, leases, names.
    #[track_caller]
    pub(crate) fn assert_nothing_left(&self) {
        let began = Instant::now();
        loop {
            let left = leftovers(&self.sandbox);
            if left.is_empty() {
                break;
            }
            // What was killed takes a moment to go, and the next command to clean up after it.
            assert!(began.elapsed() < Duration::from_secs(30), "left: {left:#?}");
            std::thread::sleep(Duration::from_millis(50));
            if left.iter().all(|what| what.contains("container-shim")) {
                // It deletes the files of a container that nobody sees any more.
                continue;
            }
            self.rbuild("ps -aq").success();
        }
        self.sandbox.validate();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let all = self.sandbox.rbuild(["ps", "-aq", "--no-trunc"]);
        let ids: Vec<&str> = all.stdout.lines().collect();
        if !ids.is_empty() {
            let _removed = self.sandbox.rbuild(["rm", "-f"].iter().chain(&ids));
        }
    }
}

#[track_caller]
fn asked_until(ask: impl Fn() -> String, expected: &str) {
    let began = Instant::now();
    loop {
        let found = ask();
        if found == expected {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "it is `{found}`, not `{expected}`");
        std::thread::sleep(Duration::from_millis(50));
    }
}
