//! Golden builds: `fixtures/build/NAME/{context/,image.txt}` (the Dockerfile is in the context; lines
//! `#: FLAG` in it are arguments). `image.txt` has the configuration, the history and a listing of
//! every layer above the base. `UPDATE_FIXTURES=1` rewrites them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Archive, Repository, Sandbox, privileged};

#[test]
fn images_are_as_recorded() {
    check("");
}

/// Layers and all.
#[test]
fn images_are_the_same_where_snapshots_are_whole_copies() {
    check("copy");
}

fn check(snapshotter: &'static str) {
    if !privileged() {
        return;
    }
    let update = std::env::vars().any(|(name, value)| name == "UPDATE_FIXTURES" && value == "1");
    let folder = Repository::here().path("fixtures/build");
    let mut cases: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(!cases.is_empty());
    let mut sandbox = Sandbox::with_busybox();
    sandbox.snapshotter = snapshotter;
    let mut wrong = Vec::new();
    for case in cases {
        let actual = build(&sandbox, &case);
        let expected = case.join("image.txt");
        if update {
            fs::write(&expected, &actual).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != actual {
            wrong.push(format!("{}:\n{actual}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "UPDATE_FIXTURES=1 rewrites them:\n{}", wrong.join("\n"));
    sandbox.validate();
}

fn build(sandbox: &Sandbox, case: &Path) -> String {
    let context = case.join("context");
    let dockerfile = fs::read_to_string(context.join("Dockerfile")).unwrap();
    let flags = dockerfile.lines().filter_map(|line| line.strip_prefix("#: "));
    let mut args = vec!["build", "--progress=plain", "--no-cache"];
    args.extend(flags);
    args.push("--output=type=oci,dest=image.tar,compression=uncompressed");
    args.push(context.to_str().unwrap());
    sandbox.rbuild(args).success();
    describe(sandbox, &Archive::open(&sandbox.path("image.tar")))
}

fn describe(sandbox: &Sandbox, archive: &Archive) -> String {
    let config = archive.config();
    let mut text = serde_json::to_string_pretty(&config["config"]).unwrap() + "\n\nhistory\n";
    for step in config["history"].as_array().unwrap() {
        let empty = if step["empty_layer"] == Value::Bool(true) { "-" } else { "L" };
        let by = step["created_by"].as_str().unwrap_or_default();
        writeln!(text, "{empty} {by}").unwrap();
    }
    let base = base_layer(sandbox);
    let ids = config["rootfs"]["diff_ids"].as_array().unwrap();
    for (layer, id) in archive.layers().iter().zip(ids) {
        if *id != base {
            write!(text, "\nlayer\n{}", layer.listing()).unwrap();
        }
    }
    text
}

/// The diff ID of busybox: its layer is not ours to list.
fn base_layer(sandbox: &Sandbox) -> Value {
    let inspected = sandbox.rbuild(["inspect", "busybox"]).success().stdout;
    let images: Value = serde_json::from_str(&inspected).unwrap();
    images[0]["RootFS"]["Layers"][0].clone()
}
