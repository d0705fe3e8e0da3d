//! kill -9 at every system call that changes something.

use super::operations::{Operation, World, operation};
use super::points;
use super::tracer::{self, Fault, Points};
use crate::support::privileged;

#[test]
fn opening_a_new_store() {
    survives_kills(Operation { first: true, ..operation(&["images"]) });
}

#[test]
fn build_of_copies() {
    survives_kills(operation(&["build", "-f", "context/copy", "-t", "new", "context"]));
}

#[test]
fn build_with_run() {
    survives_kills(operation(&["build", "-f", "context/run", "-t", "new", "context"]));
}

#[test]
fn build_of_stages() {
    survives_kills(operation(&["build", "-f", "context/stages", "-t", "new", "context"]));
}

#[test]
fn build_from_the_cache_with_an_archive() {
    let args =
        &["build", "-f", "context/old", "-t", "new", "-o", "type=oci,dest=out.tar", "context"];
    survives_kills(Operation { output: Some("out.tar"), ..operation(args) });
}

#[test]
fn load() {
    survives_kills(operation(&["load", "-i", "load.tar"]));
}

#[test]
fn save() {
    let args = &["save", "-o", "out.tar", "kept", "old"];
    survives_kills(Operation { output: Some("out.tar"), ..operation(args) });
}

#[test]
fn save_to_a_directory() {
    let args = &["save", "--format", "oci-dir", "-o", "out", "kept", "old"];
    survives_kills(Operation { output: Some("out"), ..operation(args) });
}

#[test]
fn convert_to_the_store() {
    survives_kills(operation(&[
        "convert",
        "--compression",
        "gzip",
        "oci-archive:load.tar",
        "store:new",
    ]));
}

#[test]
fn prune_of_some_images() {
    survives_kills(operation(&["image", "prune", "-a", "-f", "--filter", "label=x=y"]));
}

#[test]
fn repair() {
    survives_kills(Operation { damaged: true, ..operation(&["store", "check", "--repair"]) });
}

#[test]
fn import() {
    survives_kills(operation(&["import", "context/rootfs.tar", "new"]));
}

#[test]
fn tag() {
    survives_kills(operation(&["tag", "old", "kept-too"]));
}

#[test]
fn rmi() {
    survives_kills(Operation { again: Some(&["rmi", "-f", "old"]), ..operation(&["rmi", "old"]) });
}

#[test]
fn container_with_volumes() {
    survives_kills(operation(&["create", "-v", "filled:/d", "-v", "/own", "old", "true"]));
}

#[test]
fn volume_rm() {
    let again = Some(&["volume", "rm", "-f", "gone"][..]);
    survives_kills(Operation { again, ..operation(&["volume", "rm", "gone"]) });
}

#[test]
fn image_prune() {
    survives_kills(operation(&["image", "prune", "-f"]));
}

#[test]
fn builder_prune() {
    survives_kills(operation(&["builder", "prune", "-a", "-f"]));
}

#[test]
fn system_prune() {
    survives_kills(operation(&["system", "prune", "-f"]));
}

#[test]
fn run_of_what_is_not_unpacked() {
    survives_kills(operation(&["run", "--rm", "packed", "true"]));
}

#[track_caller]
fn survives_kills(operation: Operation) {
    if !privileged() {
        return;
    }
    let world = World::new();
    let traced = |fault| {
        world.reset(&operation);
        let command = world.sandbox.rbuild_command(operation.args);
        tracer::run(&command, &[], &[world.sandbox.path("")], Points::Changes, fault)
    };
    let whole = traced(None);
    assert_eq!(whole.status, Some(0), "{whole:?}");
    let (mut tried, mut problems) = (0, Vec::new());
    for at in points(whole.calls.len()) {
        // Threads may take turns in another order and need fewer calls.
        let killed = traced(Some(Fault::Kill { at }));
        let last = killed.calls.last();
        let problem = world.problem_after(&operation);
        problems.extend(problem.map(|problem| format!("killed at {at}, {last:?}: {problem}")));
        tried += 1;
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    println!("{:?}: {tried} of {} points", operation.args, whole.calls.len());
}
