//! A disk that is full, of every size up to the one that suffices: the command says so, leaves nothing half-made and no
//! damage, and succeeds when there is room.

use crate::support::{Sandbox, SmallDisk, privileged, until};

const ENOUGH: u64 = 64 << 10;
const STEPS: u64 = 12;

#[test]
fn every_command_survives_a_disk_of_every_size() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::new();
    let disk = SmallDisk::new(&sandbox);
    let rootfs = crate::support::busybox_rootfs();
    sandbox.rbuild(["import".as_ref(), rootfs.as_os_str(), "busybox".as_ref()]).success();
    sandbox.write("context/big", &"0123456789\n".repeat(60_000));
    sandbox.write("context/copy", "FROM busybox\nCOPY big /a\nCOPY big /b/\n");
    sandbox.write("context/run", "FROM busybox\nRUN head -c 2000000 /dev/urandom > /x\n");
    sandbox.rbuild(["build", "-f", "context/copy", "-t", "app", "context"]).success();
    sandbox.rbuild(["save", "--uncompressed", "-o", "app.tar", "app"]).success();
    sandbox.rbuild(["rmi", "app"]).success();
    let commands: [&[&str]; 5] = [
        &["load", "-i", "app.tar"],
        &["build", "--no-cache", "-f", "context/copy", "-t", "app", "context"],
        &["build", "--no-cache", "-f", "context/run", "-t", "app", "context"],
        &["run", "--rm", "busybox", "true"],
        &["save", "-o", "store/out.tar", "busybox"],
    ];
    for args in commands {
        sandbox.rbuild(["builder", "prune", "-a", "-f"]).success();
        let before = disk.used();
        sandbox.rbuild(args).success();
        let needed = disk.used().saturating_sub(before) + 1024;
        let mut failures = 0;
        for step in 0..STEPS {
            start_over(&sandbox);
            disk.resize(disk.used() + needed * step / STEPS);
            let output = sandbox.rbuild(args);
            if output.status != Some(0) {
                failures += 1;
                let full = output.stderr.to_lowercase().contains("no space left on device");
                // Of what a container wrote, its program says why it failed, in its own words.
                let by_program = output.stderr.contains("exit code: 1");
                assert!(full || by_program, "step {step}: {output}");
                assert!(!full || output.stderr.contains("rbuild system prune"), "{output}");
            }
            deleted(&sandbox);
            let tmp = files_in(&sandbox, "store").into_iter().find(|name| name.ends_with(".tmp"));
            assert!(tmp.is_none(), "{args:?} at step {step}: {tmp:?}");
            disk.resize(ENOUGH);
            sandbox.validate();
            sandbox.rbuild(["run", "--rm", "busybox", "true"]).success();
        }
        assert!(failures > 0, "{args:?} never ran out of space");
        start_over(&sandbox);
        sandbox.rbuild(args).success();
        sandbox.validate();
    }
}

#[test]
fn it_says_what_needed_how_much() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::new();
    let disk = SmallDisk::new(&sandbox);
    let rootfs = crate::support::busybox_rootfs();
    sandbox.rbuild(["import".as_ref(), rootfs.as_os_str(), "busybox".as_ref()]).success();
    sandbox.rbuild(["run", "--rm", "busybox", "true"]).success();
    sandbox.write("context/big", &"0123456789\n".repeat(300_000));
    sandbox.write("context/copy", "FROM busybox\nCOPY big /a\n");
    let half = "FROM busybox\nRUN head -c 2500000 /dev/urandom > /x\n";
    sandbox.write("context/half", half);
    sandbox.write("context/run", &half.replace("/x", "/x || { rm /x; exit 7; }"));
    sandbox.rbuild(["build", "-f", "context/copy", "-t", "app", "context"]).success();
    sandbox.rbuild(["save", "--uncompressed", "-o", "app.tar", "app"]).success();
    start_over(&sandbox);
    let cases: [(&[&str], u64, &[&str]); 5] = [
        (&["load", "-i", "app.tar"], 1000, &["blobs/sha256/", "needs 330", " could be written"]),
        (&["import", "app.tar", "app"], 1000, &["the layer, which needs more than the "]),
        (
            &["build", "-f", "context/copy", "-t", "app", "context"],
            1000,
            &["COPY big /a", "the layer that the step made, which needs about 3300"],
        ),
        // Written by the program, and then no room for the layer.
        (
            &["build", "-f", "context/half", "-t", "app", "context"],
            3500,
            &["[2/2] RUN head -c 2500000", "which needs about 25"],
        ),
        (
            &["build", "-f", "context/run", "-t", "app", "context"],
            1000,
            &["exit code: 7", "the disk of the store was full when it ended: "],
        ),
    ];
    for (args, room, words) in cases {
        disk.resize(disk.used() + room);
        let output = sandbox.rbuild(args);
        assert_eq!(output.status, Some(1), "{output}");
        for word in words.iter().chain(&["rbuild system prune"]) {
            assert!(output.stderr.contains(word), "no `{word}`: {output}");
        }
        disk.resize(ENOUGH);
        start_over(&sandbox);
    }
}

/// Only the base image.
fn start_over(sandbox: &Sandbox) {
    deleted(sandbox);
    sandbox.rbuild(["rmi", "-f", "app"]).success();
    sandbox.rbuild(["system", "prune", "-f"]).success();
    sandbox.rbuild(["builder", "prune", "-a", "-f"]).success();
    let _absent = std::fs::remove_file(sandbox.path("store/out.tar"));
}

/// The files of a container that goes are deleted when its command has ended.
fn deleted(sandbox: &Sandbox) {
    until("nothing is in `temp`", || files_in(sandbox, "store/temp").is_empty());
}

fn files_in(sandbox: &Sandbox, dir: &str) -> Vec<String> {
    let entries = std::fs::read_dir(sandbox.path(dir)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
