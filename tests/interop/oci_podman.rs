//! podman, and conmon below it, with our OCI runtime instead of runc.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::podman::Podman;
use crate::support::{Output, Sandbox, busybox_rootfs, installed, privileged};

/// podman's default limits may be above those of this process.
const LIMITS: [&str; 4] = ["--ulimit", "nofile=256:256", "--ulimit", "nproc=1024:1024"];

/// Its images are its own, so only what the runtime does is looked at.
fn with_podman(test: impl FnOnce(&Sandbox, &Podman<'_>)) {
    if !(privileged() && installed("podman")) {
        return;
    }
    let sandbox = Sandbox::new();
    // Where podman does not work with a runtime of its own, nothing is said about ours.
    let Some(_works) = Podman::start(&sandbox) else { return };
    let (link, runtime) = (sandbox.path("rbuild-oci"), sandbox.path("runtime"));
    symlink(env!("CARGO_BIN_EXE_rbuild"), &link).unwrap();
    // podman's `--runtime-flag` does not reach the calls that conmon makes, and the state is to be the test's own.
    let root = sandbox.path("oci");
    let script = format!("#!/bin/sh\nexec {} --root {} \"$@\"\n", link.display(), root.display());
    sandbox.write("runtime", &script);
    fs::set_permissions(&runtime, fs::Permissions::from_mode(0o755)).unwrap();
    let podman = Podman::with_runtime(&sandbox, runtime.to_str().unwrap());
    podman.run(&["import", "-q", busybox_rootfs().to_str().unwrap(), "own"]).success();
    test(&sandbox, &podman);
    podman.run(&["rm", "-af", "-t", "0"]).success();
    sandbox.rbuild(["oci", "--root", root.to_str().unwrap(), "list", "-q"]).success().prints("");
}

fn run(podman: &Podman<'_>, flags: &[&str], command: &[&str]) -> Output {
    let line = [&["run", "--network", "none"], &LIMITS[..], flags, &["own"], command].concat();
    podman.run(&line)
}

#[test]
fn podman_runs_containers() {
    with_podman(|_, podman| {
        let shell = |flags: &[&str], text: &str| {
            run(podman, &[&["--rm"], flags].concat(), &["sh", "-c", text])
        };
        shell(&[], "echo out; echo err >&2; exit 3").exits(3).prints("out\n").says("err");
        let flags = ["-e", "A=b", "-w", "/tmp", "-u", "5:6", "--hostname", "box"];
        shell(&flags, "echo $A $(pwd) $(id -u) $(id -g) $(hostname)")
            .success()
            .prints("b /tmp 5 6 box\n");
        let terminal = shell(&["-t"], "tty; test -t 1 && echo yes").success();
        assert_eq!(terminal.stdout.replace('\r', ""), "/dev/pts/0\nyes\n");
        let flags = ["--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges"];
        let confined = shell(&flags, "touch /x; grep -E 'CapEff|NoNewPrivs' /proc/self/status");
        let confined = confined.success().says("Read-only file system");
        assert_eq!(confined.stdout, "CapEff:\t0000000000000000\nNoNewPrivs:\t1\n");
        let flags = ["--pids-limit", "20", "-v", "/etc:/host:ro", "--tmpfs", "/t"];
        shell(&flags, "test -f /host/passwd && touch /t/x && ! touch /host/x").success();
        shell(&["--privileged"], "test -e /dev/kmsg && echo all").success().prints("all\n");
        run(podman, &["--rm"], &["absent"]).exits(127);
        run(podman, &["--rm"], &["/etc"]).exits(126);
        podman.run(&["ps", "-aq"]).success().prints("");
    });
}

#[test]
fn podman_looks_after_containers() {
    with_podman(|_, podman| {
        let look = |format: &str| podman.run(&["inspect", "-f", format, "c"]).success().stdout;
        let text = "trap 'echo ends; exit 9' TERM; echo begins; while :; do sleep 0.05; done";
        run(podman, &["-d", "--name", "c"], &["sh", "-c", text]).success();
        podman.run(&["exec", "c", "sh", "-c", "echo in; exit 5"]).exits(5).prints("in\n");
        podman
            .run(&["exec", "-e", "A=b", "-u", "7", "c", "sh", "-c", "echo $A $(id -u)"])
            .success()
            .prints("b 7\n");
        let tty = podman.run(&["exec", "-t", "c", "tty"]).success();
        assert_eq!(tty.stdout.trim(), "/dev/pts/0");
        podman.run(&["exec", "c", "absent"]).exits(127);
        podman.run(&["pause", "c"]).success();
        assert_eq!(look("{{.State.Status}}"), "paused\n");
        podman.run(&["unpause", "c"]).success();
        assert_eq!(look("{{.State.Status}}"), "running\n");
        let top = podman.run(&["top", "c", "args"]).success().stdout;
        assert!(top.contains("trap"), "{top}");
        podman.run(&["kill", "-s", "KILL", "c"]).success();
        podman.run(&["wait", "c"]).success().prints("137\n");
        podman.run(&["start", "c"]).success();
        // Until the trap is set.
        while podman.run(&["logs", "c"]).success().stdout.matches("begins").count() < 2 {}
        podman.run(&["stop", "-t", "60", "c"]).success();
        assert_eq!(look("{{.State.Status}} {{.State.ExitCode}}"), "exited 9\n");
        podman.run(&["logs", "c"]).success().prints("begins\nbegins\nends\n");
        podman.run(&["restart", "c"]).success();
        podman.run(&["rm", "-f", "-t", "0", "c"]).success();
        podman.run(&["ps", "-aq"]).success().prints("");
    });
}

/// Whoever is root in there is somebody else outside.
#[test]
fn podman_gives_containers_users_of_their_own() {
    with_podman(|_, podman| {
        let mapped = ["--uidmap", "0:200000:65536", "--gidmap", "0:300000:65536"];
        let shell = |flags: &[&str], text: &str| {
            run(podman, &[&["--rm"], &mapped[..], flags].concat(), &["sh", "-c", text])
        };
        let text = "id -u; tr -s ' ' </proc/self/uid_map; tr -s ' ' </proc/self/gid_map; \
            touch /made && stat -c %u:%g /made; echo x >/dev/null && echo fine";
        shell(&[], text).success().prints("0\n 0 200000 65536\n 0 300000 65536\n0:0\nfine\n");
        shell(&["-u", "5:6"], "id -u; id -g; touch /tmp/x && stat -c %u /tmp/x")
            .success()
            .prints("5\n6\n5\n");
        let terminal = shell(&["-t"], "tty").success();
        assert_eq!(terminal.stdout.trim(), "/dev/pts/0");
        let flags = [&["-d", "--name", "c"], &mapped[..]].concat();
        run(podman, &flags, &["sleep", "1000"]).success();
        let exec = ["exec", "-u", "7", "c", "sh", "-c", "id -u; cat /proc/1/uid_map | tr -s ' '"];
        podman.run(&exec).success().prints("7\n 0 200000 65536\n");
        // Another one in the same namespace, by its path.
        let line = ["--rm", "--userns", "container:c"];
        run(podman, &line, &["sh", "-c", "tr -s ' ' </proc/self/uid_map"])
            .success()
            .prints(" 0 200000 65536\n");
        podman.run(&["stop", "-t", "0", "c"]).success();
    });
}
