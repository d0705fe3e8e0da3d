//! `rbuild store check --repair`: what it says, what it ends with, and what is left afterwards.

use std::fs;
use std::path::PathBuf;

use crate::support::{Sandbox, privileged};

const DOCKERFILE: &str =
    "FROM busybox\nRUN touch /tmp/x && rm /tmp/x && mkdir /d && echo 1 > /d/a\n";

fn files_in(sandbox: &Sandbox, dir: &str, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(sandbox.root().join(dir)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.to_string_lossy().ends_with(ending)).collect()
}

#[test]
fn a_damaged_step_runs_again() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    sandbox.build(DOCKERFILE, &["-t", "app"]).success();
    sandbox.validate();
    for (ending, words) in [(".json", "the record is damaged"), (".index", "index is damaged")] {
        let steps = files_in(&sandbox, "cache/steps", ending);
        assert!(!steps.is_empty());
        for path in steps {
            let mut bytes = fs::read(&path).unwrap();
            let last = bytes.len() - 3;
            bytes[last] ^= 1;
            fs::write(&path, bytes).unwrap();
        }
        let found = sandbox.rbuild(["store", "check"]).exits(1).says("--repair");
        assert!(found.stdout.contains(words), "{found}");
        let same = sandbox.rbuild(["system", "check"]).exits(1);
        assert_eq!(found.stdout, same.stdout);
        let repaired = sandbox.rbuild(["store", "check", "--repair"]).success();
        assert!(repaired.stdout.contains("runs again"), "{repaired}");
        sandbox.validate();
        sandbox.build(DOCKERFILE, &["-t", "app"]).success();
        sandbox.validate();
    }
}

/// The kernel marks such a directory as hiding what is below it, of which there is nothing.
#[test]
fn a_directory_in_place_of_a_file_is_no_damage() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    let file = "FROM busybox\nRUN echo 1 > /x\nRUN rm /x && mkdir /x && echo 2 > /x/y\n";
    sandbox.build(file, &["-t", "app"]).success();
    sandbox.validate();
    sandbox.rbuild(["rmi", "app"]).success();
    sandbox.validate();
}

#[test]
fn an_image_that_is_lost_is_named_and_can_come_back() {
    let sandbox = Sandbox::with_busybox();
    sandbox.rbuild(["tag", "busybox", "again"]).success();
    sandbox.rbuild(["save", "-o", "busybox.tar", "busybox"]).success();
    sandbox.rbuild(["system", "prune", "-f"]).success();
    let blobs = files_in(&sandbox, "images/blobs/sha256", "");
    let layer = blobs.iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    for form in files_in(&sandbox, "cache/forms", "").iter().chain(&blobs) {
        // Nothing to make the layer again from.
        if form != layer && fs::metadata(form).unwrap().len() > 10_000 {
            fs::remove_file(form).unwrap();
        }
    }
    let mut bytes = fs::read(layer).unwrap();
    bytes[1000] ^= 1;
    fs::write(layer, bytes).unwrap();
    for dir in ["snapshots/chains", "cache/indexes"] {
        files_in(&sandbox, dir, "").iter().for_each(|path| fs::remove_file(path).unwrap());
    }
    let repaired = sandbox.rbuild(["system", "check", "--repair"]).exits(1);
    repaired.stdout.lines().for_each(|line| println!("{line}"));
    let told = |name: &str| repaired.stdout.contains(&format!("image {name}:latest: lost"));
    assert!(told("busybox") && told("again"), "{repaired}");
    sandbox.validate();
    let aside = sandbox.root().join("damaged/1/blobs/sha256").join(layer.file_name().unwrap());
    assert!(aside.exists(), "a damaged layer is not thrown away");
    sandbox.rbuild(["run", "--rm", "busybox", "true"]).says("does not exist");
    sandbox.rbuild(["load", "-i", "busybox.tar"]).success();
    sandbox.validate();
    sandbox.rbuild(["save", "-o", "busybox.tar", "busybox"]).success();
}
