//! kill -9 at any moment of a build: the store stays valid, nothing stays mounted or running, and the
//! next build succeeds.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{Sandbox, privileged};

const DOCKERFILE: &str = "FROM busybox AS a\nCOPY data /data\nRUN sleep 0.1; cp -r /data /copy\n\
     FROM busybox AS b\nRUN for i in 1 2 3 4 5 6 7 8; do head -c 300000 /dev/zero > /f$i; done\n\
     FROM busybox\nCOPY --from=a /copy /a\nCOPY --from=b /f1 /f2 /b/\nRUN sleep 0.05; sha256sum /a/* > /sums\n";

/// Eight times as many if all faults are tried. Other commands, and random moments, are in `faults::moments`.
const KILLS: u32 = 25;

#[test]
fn a_killed_build_leaves_a_valid_store_and_nothing_else() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    for number in 0..20 {
        sandbox.write(&format!("context/data/{number}"), &format!("{number}\n").repeat(4000));
    }
    let whole = whole_build(&sandbox);
    let kills = if crate::support::all_faults() { 8 * KILLS } else { KILLS };
    for kill in 0..kills {
        kill_a_build(&sandbox, whole * kill / kills, kill);
        sandbox.validate();
        assert_nothing_left(&sandbox);
    }
    sandbox.build(DOCKERFILE, &["-t", "app"]).success();
    sandbox.rbuild(["run", "--rm", "app", "test", "-s", "/sums"]).success();
    sandbox.validate();
}

#[test]
fn ctrl_c_stops_a_build_and_leaves_nothing() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    sandbox.write("context/Dockerfile", "FROM busybox\nRUN echo begun; sleep 100000\n");
    let mut command = sandbox.rbuild_command(["build", "--progress", "plain", "context"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.ends_with("begun") && !line.contains("RUN")));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    // What it says at the end has to go somewhere.
    lines.for_each(drop);
    // It ends, although what it runs does not.
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_nothing_left(&sandbox);
    sandbox.validate();
}

/// How long an undisturbed build takes; the kills spread over that time.
fn whole_build(sandbox: &Sandbox) -> Duration {
    let started = Instant::now();
    sandbox.build(DOCKERFILE, &["--no-cache"]).success();
    started.elapsed()
}

fn kill_a_build(sandbox: &Sandbox, after: Duration, kill: u32) {
    // Every other build may use what the killed ones left in the cache.
    let cache: &[&str] = if kill.is_multiple_of(2) { &["--no-cache"] } else { &[] };
    let args =
        [&["build", "--output", "type=oci,dest=image.tar", "-t", "app"], cache, &["context"]];
    let mut child = sandbox.spawn(&args.concat());
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Mounts and processes die with the zygote, which notices within moments (on a machine with nothing else to do).
pub(crate) fn assert_nothing_left(sandbox: &Sandbox) {
    let root = sandbox.path("").canonicalize().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let left = processes_in(&root);
        if left.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "still running: {left:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let root = root.to_string_lossy();
    let ours: Vec<_> = mounts.lines().filter(|line| line.contains(&*root)).collect();
    assert!(ours.is_empty(), "still mounted: {ours:?}");
}

/// Processes whose environment names the sandbox: the build, its zygote, its containers' first steps.
fn processes_in(root: &Path) -> Vec<String> {
    let needle = root.as_os_str().as_encoded_bytes();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(environment) = fs::read(entry.path().join("environ")) else { continue };
        if environment.windows(needle.len()).any(|window| window == needle) {
            found.push(name);
        }
    }
    found
}
