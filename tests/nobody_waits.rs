//! Nobody waits for somebody else's long work: while a build sits in a RUN without end, and a load in the middle of an
//! archive that does not go on, every other command ends.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Sandbox, privileged};

/// A command that waits would do so for ever; this is only how long the test goes on hoping.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn every_command_ends_while_a_build_and_a_load_do_not() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    sandbox.write("context/a", "a\n");
    sandbox.write("context/long", "FROM busybox\nCOPY a /a\nRUN echo begun; sleep 100000\n");
    sandbox.write("context/short", "FROM busybox\nCOPY a /a\nRUN echo short > /b\n");
    sandbox.rbuild(["save", "-o", "busybox.tar", "busybox"]).success();
    sandbox.rbuild(["tag", "busybox", "old"]).success();
    let mut build = endless_build(&sandbox);
    let mut load = endless_load(&sandbox);
    let commands: [&[&str]; 19] = [
        &["images"],
        &["load", "-i", "busybox.tar"],
        &["tag", "busybox", "new"],
        &["build", "-f", "context/short", "-t", "short", "context"],
        &["run", "--rm", "short", "cat", "/b"],
        &["save", "-o", "short.tar", "short"],
        &["inspect", "short"],
        &["history", "short"],
        &["export", "-o", "short-files.tar", "short"],
        &["import", "short-files.tar", "files"],
        &["convert", "--compression", "gzip", "docker-archive:short.tar", "store:gzip"],
        &["rmi", "old"],
        &["df", "-v"],
        &["image", "prune", "-a", "-f", "--filter", "label=none"],
        &["image", "prune", "-f"],
        &["builder", "prune", "-a", "-f"],
        &["system", "prune", "-a", "-f"],
        &["load", "-i", "short.tar"],
        &["system", "check", "--repair"],
    ];
    for args in commands {
        ends(&sandbox, args);
        let going_on = build.try_wait().unwrap().is_none() && load.try_wait().unwrap().is_none();
        assert!(going_on, "the long ones ended before {args:?} did");
    }
    for mut child in [build, load] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    crate::crash::assert_nothing_left(&sandbox);
    sandbox.validate();
}

/// In its RUN when this returns.
fn endless_build(sandbox: &Sandbox) -> Child {
    let args = ["build", "--progress", "plain", "-f", "context/long", "context"];
    let mut command = sandbox.rbuild_command(args);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let mut lines = stderr.lines().map(Result::unwrap);
    let begun = lines.any(|line| line.ends_with("begun") && !line.contains("RUN"));
    assert!(begun, "the build ended");
    // It has nothing more to say before it ends.
    child
}

/// Has read half of its archive when this returns, or soon after; the other half never comes.
fn endless_load(sandbox: &Sandbox) -> Child {
    let archive = fs::read(sandbox.path("busybox.tar")).unwrap();
    let mut command = sandbox.rbuild_command(["load"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&archive[..archive.len() / 2]).unwrap();
    child.stdin = Some(stdin);
    child
}

#[track_caller]
fn ends(sandbox: &Sandbox, args: &[&str]) {
    let mut child = sandbox.spawn(args);
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    // It has ended, unless it waits.
    let _ended = child.kill();
    let status = child.wait().unwrap();
    assert!(status.success(), "{args:?} ended with {status}, or had to be killed because it waits");
}
