//! kill -9 of whoever is at work (command, shim, the container's first process) at every system call of a container's
//! life that changes a file, a mount or a cgroup: the next command finds a true state, and nothing is left. And what the
//! disk of the store refuses to any of them is told, or done without.

use std::collections::HashSet;
use std::path::PathBuf;

use nix::errno::Errno;

use super::points;
use super::tracer::{self, Fault, Points, Traced};
use crate::lifecycle::place::Place;
use crate::networks::world::Namespace;
use crate::support::{installed, until};

/// A command about the container `box`, which an earlier one may have made.
#[derive(Clone, Copy, Debug)]
struct Act {
    before: Option<&'static str>,
    command: &'static str,
    /// The container runs, and its shim does a part of the work.
    with_shim: bool,
}

const WAITS: &str = "run -d --name box busybox sleep 600";

#[test]
fn create() {
    survives(Act { before: None, command: "create --name box busybox true", with_shim: false });
}

#[test]
fn run() {
    survives(Act { before: None, command: "run --name box busybox true", with_shim: false });
}

#[test]
fn run_and_remove() {
    survives(Act { before: None, command: "run --rm --name box busybox true", with_shim: false });
}

#[test]
fn run_with_limits_in_the_background() {
    let command = "run -d --memory 64m --pids-limit 20 --name box busybox true";
    survives(Act { before: None, command, with_shim: false });
}

#[test]
fn start() {
    let before = Some("create --name box busybox true");
    survives(Act { before, command: "start box", with_shim: false });
}

#[test]
fn stop() {
    survives(Act { before: Some(WAITS), command: "stop -t 0 box", with_shim: true });
}

#[test]
fn remove() {
    let before = Some("run --name box busybox true");
    survives(Act { before, command: "rm box", with_shim: false });
}

#[test]
fn remove_by_force() {
    survives(Act { before: Some(WAITS), command: "rm -f box", with_shim: true });
}

const SERVES: &str = "run -d --network net -p 127.0.0.1:8080:80 --name box busybox sleep 600";

#[test]
fn run_on_a_network() {
    let command = "run -d --network net -p 127.0.0.1:8080:80 --name box busybox true";
    survives_on_a_network(Act { before: None, command, with_shim: false });
}

#[test]
fn remove_from_a_network() {
    survives_on_a_network(Act { before: Some(SERVES), command: "rm -f box", with_shim: true });
}

#[test]
fn create_without_a_disk() {
    let command = "create --name box busybox true";
    survives_errors(Act { before: None, command, with_shim: false }, "created 0");
}

#[test]
fn run_in_the_background_without_a_disk() {
    let command = "run -d --name box busybox false";
    survives_errors(Act { before: None, command, with_shim: false }, "exited 1");
}

#[test]
fn start_without_a_disk() {
    let before = Some("create --name box busybox false");
    survives_errors(Act { before, command: "start box", with_shim: false }, "exited 1");
}

#[test]
fn stop_without_a_disk() {
    let act = Act { before: Some(WAITS), command: "stop -t 0 box", with_shim: true };
    survives_errors(act, "exited 137");
}

#[test]
fn kill_without_a_disk() {
    let act = Act { before: Some(WAITS), command: "kill box", with_shim: true };
    survives_errors(act, "exited 137");
}

#[test]
fn remove_without_a_disk() {
    let act = Act { before: Some(WAITS), command: "rm -f box", with_shim: true };
    survives_errors(act, "");
}

/// What is left to do at each call that the disk of the store refuses. `end`: what the container is when the command
/// succeeds, with calls refused or without.
#[track_caller]
fn survives_errors(act: Act, end: &str) {
    let Some(place) = Place::new() else { return };
    place.rbuild("run --rm busybox true").success();
    let roots = [place.sandbox.root()];
    let whole = traced(&place, act, &roots, None);
    assert_eq!(whole.status, Some(0), "{whole:?}");
    place.until_state("box", end);
    clear(&place);
    let mut failures = 0;
    let errors = [Errno::ENOSPC, Errno::EIO, Errno::EDQUOT];
    let count = whole.calls.len();
    for (at, errno) in points(count).zip(errors.iter().cycle().copied()) {
        let failed = traced(&place, act, &roots, Some(Fault::Fail { at, errno }));
        println!("{errno} at {at}: {:?}", failed.calls.get(at - 1));
        match failed.status {
            Some(0) => place.until_state("box", end),
            Some(1 | 125) => {
                let (text, cause) = (failed.stderr.to_lowercase(), errno.desc().to_lowercase());
                let broken = errno == Errno::EIO && text.contains("input/output error");
                assert!(broken || text.contains(&cause), "{failed:?}");
                assert_true_state(&place);
                failures += 1;
            }
            _ => panic!("{failed:?}"),
        }
        clear(&place);
    }
    println!("{}: {failures} failures at {count} points", act.command);
}

/// The same on a bridge, of a machine that has no other: no interface and no rule is left either.
#[track_caller]
fn survives_on_a_network(act: Act) {
    let Some(mut place) = Place::new() else { return };
    if !["nsenter", "ip"].iter().all(|program| installed(program)) {
        return;
    }
    let machine = Namespace::new();
    place.sandbox.through = machine.through();
    place.rbuild("network create net").success();
    survives_in(&place, act, &|| {
        until("interfaces and rules are gone", || {
            // What was killed while it waited is cleaned up by whoever looks next.
            place.rbuild("ps -aq").success();
            machine.left().is_empty()
        });
    });
}

#[track_caller]
fn survives(act: Act) {
    let Some(place) = Place::new() else { return };
    survives_in(&place, act, &|| {});
}

/// `gone` waits until nothing is left that is not of the store.
#[track_caller]
fn survives_in(place: &Place, act: Act, gone: &dyn Fn()) {
    // The image is unpacked then.
    place.rbuild("run --rm busybox true").success();
    let roots = [place.sandbox.path(""), PathBuf::from("/sys/fs/cgroup")];
    let whole = traced(place, act, &roots, None);
    assert_eq!(whole.status, Some(0), "{whole:?}");
    clear(place);
    gone();
    // A group whose processes are still dying is removed again and again.
    let mut known = HashSet::new();
    let firsts: Vec<usize> =
        (1..).zip(&whole.calls).filter(|(_, call)| known.insert(*call)).map(|(at, _)| at).collect();
    let mut tried = 0;
    for at in points(firsts.len()).map(|number| firsts[number - 1]) {
        // Processes may take turns in another order and need fewer calls.
        let killed = traced(place, act, &roots, Some(Fault::KillCaller { at }));
        println!("killed at {at}: {:?}", killed.calls.last());
        assert_true_state(place);
        clear(place);
        gone();
        tried += 1;
    }
    println!("{}: {tried} of {} points", act.command, firsts.len());
}

fn traced(place: &Place, act: Act, roots: &[PathBuf], fault: Option<Fault>) -> Traced {
    if let Some(before) = act.before {
        place.rbuild(before).success();
    }
    let others = if act.with_shim { vec![place.shim("box")] } else { Vec::new() };
    let command = place.sandbox.rbuild_command(act.command.split(' '));
    std::thread::scope(|scope| {
        let tracing = scope.spawn(|| tracer::run(&command, &others, roots, Points::Changes, fault));
        tracing.join().unwrap()
    })
}

/// What is said of the container is so, and it can be used accordingly.
#[track_caller]
fn assert_true_state(place: &Place) {
    let list = place.rbuild("ps -a --format {{.Names}}:{{.State}}").success().stdout;
    match list.trim_end() {
        // Not made, or removed.
        "" => {
            place.rbuild("create --name box busybox true").success();
        }
        "box:running" => {
            place.rbuild("exec box true").success();
        }
        "box:created" | "box:exited" => {
            place.rbuild("start box").success();
        }
        other => panic!("after a kill there is `{other}`"),
    }
}

#[track_caller]
fn clear(place: &Place) {
    // It may have been made to go by itself.
    let _gone = place.rbuild("rm -f box");
    assert_eq!(place.rbuild("ps -aq").success().stdout, "");
    place.assert_nothing_left();
}
