//! The disk is full, broken or over quota at every system call that changes something; descriptors run out at every one
//! that makes some.

use std::time::{Duration, Instant};
use std::{fs, thread};

use nix::errno::Errno;

use super::operations::{Operation, World, operation};
use super::points as some_of;
use super::tracer::{self, Fault, Points, Traced};
use crate::support::{PATIENCE, all_faults, privileged};

const OF_THE_DISK: &[Errno] = &[Errno::ENOSPC, Errno::EIO, Errno::EDQUOT];
const OF_DESCRIPTORS: &[Errno] = &[Errno::EMFILE, Errno::ENFILE];

/// Calls that a command that succeeds cannot have done without.
const ESSENTIAL: [&str; 6] = ["write", "fsync", "fdatasync", "syncfs", "rename", "link"];

#[test]
fn opening_a_new_store() {
    survives_errors(Operation { first: true, ..operation(&["images"]) });
}

#[test]
fn build_of_copies() {
    survives_errors(operation(&["build", "-f", "context/copy", "-t", "new", "context"]));
}

#[test]
fn build_with_run() {
    survives_errors(operation(&["build", "-f", "context/run", "-t", "new", "context"]));
}

#[test]
fn build_of_stages() {
    survives_errors(operation(&["build", "-f", "context/stages", "-t", "new", "context"]));
}

#[test]
fn build_from_the_cache_with_an_archive() {
    let args =
        &["build", "-f", "context/old", "-t", "new", "-o", "type=oci,dest=out.tar", "context"];
    survives_errors(Operation { output: Some("out.tar"), ..operation(args) });
}

#[test]
fn load() {
    survives_errors(operation(&["load", "-i", "load.tar"]));
}

#[test]
fn save() {
    let args = &["save", "-o", "out.tar", "kept", "old"];
    survives_errors(Operation { output: Some("out.tar"), ..operation(args) });
}

#[test]
fn save_to_a_directory() {
    let args = &["save", "--format", "oci-dir", "-o", "out", "kept", "old"];
    survives_errors(Operation { output: Some("out"), ..operation(args) });
}

#[test]
fn convert_to_the_store() {
    survives_errors(operation(&[
        "convert",
        "--compression",
        "gzip",
        "oci-archive:load.tar",
        "store:new",
    ]));
}

#[test]
fn prune_of_some_images() {
    survives_errors(operation(&["image", "prune", "-a", "-f", "--filter", "label=x=y"]));
}

#[test]
fn repair() {
    survives_errors(Operation { damaged: true, ..operation(&["store", "check", "--repair"]) });
}

#[test]
fn import() {
    survives_errors(operation(&["import", "context/rootfs.tar", "new"]));
}

#[test]
fn tag() {
    survives_errors(operation(&["tag", "old", "kept-too"]));
}

#[test]
fn rmi() {
    survives_errors(Operation { again: Some(&["rmi", "-f", "old"]), ..operation(&["rmi", "old"]) });
}

#[test]
fn prune() {
    survives_errors(operation(&["builder", "prune", "-a", "-f"]));
}

#[test]
fn run_of_what_is_not_unpacked() {
    survives_errors(operation(&["run", "--rm", "packed", "true"]));
}

#[test]
fn build_without_descriptors() {
    survives_the_want_of_descriptors(operation(&[
        "build",
        "-f",
        "context/stages",
        "-t",
        "new",
        "context",
    ]));
}

#[test]
fn load_without_descriptors() {
    survives_the_want_of_descriptors(operation(&["load", "-i", "load.tar"]));
}

#[test]
fn run_without_descriptors() {
    survives_the_want_of_descriptors(operation(&["run", "--rm", "packed", "true"]));
}

#[test]
fn prune_without_descriptors() {
    survives_the_want_of_descriptors(operation(&["builder", "prune", "-a", "-f"]));
}

#[track_caller]
fn survives_errors(operation: Operation) {
    survives(operation, Points::Changes, OF_THE_DISK);
}

#[track_caller]
fn survives_the_want_of_descriptors(operation: Operation) {
    survives(operation, Points::Descriptors, OF_DESCRIPTORS);
}

#[track_caller]
fn survives(operation: Operation, points: Points, errors: &[Errno]) {
    if !privileged() {
        return;
    }
    let world = World::new();
    let traced = |fault| {
        world.reset(&operation);
        let mut command = world.sandbox.rbuild_command(operation.args);
        // How full this machine's disk is decides whether the cap does anything, and that it could not remember the
        // sizes that it found is nothing to tell.
        command.env("RBUILD_CACHE_CAP", "off");
        tracer::run(&command, &[], &[world.sandbox.path("")], points, fault)
    };
    let count = traced(None).calls.len();
    let (mut tried, mut problems) = (0, Vec::new());
    for (at, errno) in faults(count, errors) {
        let failed = traced(Some(Fault::Fail { at, errno }));
        let call = failed.calls.get(at - 1).map_or("", String::as_str);
        let when = format!("{errno} at {at} of {count}, `{call}`");
        let problem = (untold(&failed, errno, call).or_else(|| left_behind(&world, call)))
            .or_else(|| world.problem_after(&operation));
        problems.extend(problem.map(|problem| format!("{when}: {problem}")));
        tried += 1;
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    println!("{:?}: {tried} errors at {count} points", operation.args);
}

/// Every error at every point if all faults are tried, else the errors in turn at some.
fn faults(count: usize, errors: &[Errno]) -> Vec<(usize, Errno)> {
    let points = some_of(count).enumerate();
    let pairs = points.flat_map(|(number, at)| {
        let errors = match all_faults() {
            true => errors,
            false => std::slice::from_ref(&errors[number % errors.len()]),
        };
        errors.iter().map(move |errno| (at, *errno))
    });
    pairs.collect()
}

/// It fails with the cause, or it does without what failed.
fn untold(failed: &Traced, errno: Errno, call: &str) -> Option<String> {
    let words = match errno {
        Errno::EMFILE => "too many open files".to_owned(),
        _ => errno.desc().to_lowercase(),
    };
    let told = match failed.status {
        // A marker that cannot be a link is a file of its own.
        Some(0) if call.starts_with("link") && call.contains("/unsynced/") => {
            failed.calls.iter().any(|later| later.starts_with("openat") && same_path(later, call))
        }
        // What happened has happened, whether it could be noted or not.
        Some(0) if call.ends_with("/state/events") => true,
        // What was found out is found out again.
        Some(0) if call.ends_with("/state/device-rules") => true,
        Some(0) => !ESSENTIAL.iter().any(|name| call.starts_with(name)),
        // The C library and the kernel's documentation name some differently.
        Some(1 | 125) if errno == Errno::EIO => {
            failed.stderr.contains("nput/output error") || failed.stderr.contains("I/O error")
        }
        Some(1 | 125) if errno == Errno::ENFILE => {
            let text = failed.stderr.to_lowercase();
            text.contains(&words) || text.contains("too many open files in system")
        }
        Some(1 | 125) => failed.stderr.to_lowercase().contains(&words),
        _ => false,
    };
    let panicked = failed.stderr.contains("panicked");
    (!told || panicked).then(|| format!("{failed:?}").replace("\\n", "\n"))
}

fn same_path(one: &str, other: &str) -> bool {
    one.split_once(' ').map(|(_, path)| path) == other.split_once(' ').map(|(_, path)| path)
}

/// What a failed command has not taken away, although only one call failed and that was not the taking away. The files
/// of a container that goes are deleted when its command has ended.
fn left_behind(world: &World, call: &str) -> Option<String> {
    if call.starts_with("unlink") || call.starts_with("rmdir") {
        return None;
    }
    let began = Instant::now();
    loop {
        let left = leftovers_of(world);
        if left.is_none() || began.elapsed() > PATIENCE {
            return left;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn leftovers_of(world: &World) -> Option<String> {
    let names = |dir: &str| -> Vec<String> {
        let Ok(entries) = fs::read_dir(world.sandbox.path(dir)) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    // A container that could not be removed is whole, and whoever looks next removes it.
    let containers = names("state/containers");
    let mut leases = names("store/leases");
    leases.retain(|lease| !containers.iter().any(|id| lease.ends_with(id)));
    let mut left = [names("store/temp"), leases].concat();
    left.extend(names("").into_iter().filter(|name| name.ends_with(".tmp")));
    (!left.is_empty()).then(|| format!("left behind: {left:?}"))
}
