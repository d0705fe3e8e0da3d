//! The cache after a build: no larger than it may be, nothing in it that is too old.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use crate::support::{Sandbox, run};

/// How long layers and records are: what they take on the disk is for the file system to say.
fn bytes_of(sandbox: &Sandbox) -> u64 {
    let dirs = ["cache/steps", "images/blobs/sha256"]
        .map(|dir| fs::read_dir(sandbox.root().join(dir)).unwrap());
    let files = dirs.into_iter().flatten().map(|entry| entry.unwrap().metadata().unwrap());
    files.map(|file| file.len()).sum()
}

#[test]
fn nothing_is_forgotten_before_it_is_old() {
    let sandbox = Sandbox::new();
    let records = || sandbox.rbuild(["cache", "ls", "-q"]).success().stdout.lines().count();
    let build = |text: &str, flags: &[&str]| {
        sandbox.write("context/file", text);
        sandbox.build("FROM scratch\nCOPY file /\n", flags).success();
    };
    build("one", &[]);
    build("two", &["--cache-max-age", "1h"]);
    assert_eq!(records(), 2);
    let steps = fs::read_dir(sandbox.root().join("cache/steps")).unwrap();
    for path in steps.map(|entry| entry.unwrap().path()) {
        let long_ago = SystemTime::now() - Duration::from_secs(2 * 3600);
        File::open(path).unwrap().set_modified(long_ago).unwrap();
    }
    // The step that is found is used by that.
    build("one", &["--cache-max-age", "off"]);
    assert_eq!(records(), 2);
    let mut command = sandbox.rbuild_command(["build", "--explain", "context"]);
    run(command.env("RBUILD_CACHE_AGE", "1h"), "").success().says("hit  [1/1] COPY file /");
    assert_eq!(records(), 1);
    for wrong in ["", "much", "-1h"] {
        let flag = format!("--cache-max-age={wrong}");
        sandbox.rbuild(["build", &flag, "context"]).exits(1).says("--cache-max-age");
    }
    sandbox.validate();
}

#[test]
fn a_build_brings_the_cache_within_the_size_it_is_given() {
    let sandbox = Sandbox::new();
    let text = "FROM scratch AS a\nCOPY big /\nFROM scratch\nCOPY --from=a /big /\n";
    let kept = || sandbox.rbuild(["cache", "ls", "-q"]).success().stdout.lines().count();
    for number in 0..4 {
        sandbox.write("context/big", &format!("{number:08}").repeat(12_500));
        sandbox.build(text, &[]).success();
        sandbox.rbuild(["image", "prune", "-f"]).success();
    }
    let before = kept();
    assert!(bytes_of(&sandbox) > 4 * 100_000);
    sandbox.write("context/big", "small");
    sandbox.build(text, &["--cache-max-size", "150k"]).success();
    assert!((1..before).contains(&kept()), "{} of {before}", kept());
    // One of the four is left. The layers of its own image do not count, and are small.
    let bytes = bytes_of(&sandbox);
    assert!((100_000..2 * 100_000).contains(&bytes), "{bytes}");
    sandbox.build(text, &["--cache-max-size", "much"]).exits(1).says("--cache-max-size");
}
