//! dockerd, and containerd-shim-runc-v2 below it, with our OCI runtime beside runc.

use std::os::unix::fs::symlink;

use serde_json::json;

use super::daemon::Daemon;
use crate::support::{Output, Sandbox, busybox_rootfs, privileged};

/// How dockerd is told of the runtime `ours`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    /// By the path of a link that is named as a runtime.
    AddRuntime,
    /// By the program, and the word that makes it one.
    RuntimeArgs,
}

fn with_docker(told: Told, test: impl FnOnce(&Daemon<'_>)) {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::new();
    let (runtime, program) = (sandbox.path("rbuild-oci"), env!("CARGO_BIN_EXE_rbuild"));
    symlink(program, &runtime).unwrap();
    let ours = format!("ours={}", runtime.display());
    let config = json!({ "runtimes": { "ours": { "path": program, "runtimeArgs": ["oci"] } } });
    sandbox.write("daemon.json", &config.to_string());
    let file = sandbox.path("daemon.json");
    let flags = match told {
        Told::AddRuntime => ["--add-runtime", &ours],
        Told::RuntimeArgs => ["--config-file", file.to_str().unwrap()],
    };
    let Some(daemon) = Daemon::start_with(&sandbox, &flags) else { return };
    daemon.docker(&["import", busybox_rootfs().to_str().unwrap(), "own"]).success();
    test(&daemon);
    daemon.docker(&["ps", "-aq"]).success().prints("");
}

fn run(daemon: &Daemon<'_>, flags: &[&str], command: &[&str]) -> Output {
    let line = [&["run", "--runtime", "ours", "--network", "none"], flags, &["own"], command];
    daemon.docker(&line.concat())
}

#[test]
fn docker_runs_containers() {
    with_docker(Told::AddRuntime, |daemon| {
        let shell = |flags: &[&str], text: &str| {
            run(daemon, &[&["--rm"], flags].concat(), &["sh", "-c", text])
        };
        shell(&[], "echo out; echo err >&2; exit 3").exits(3).prints("out\n").says("err");
        let flags = ["-e", "A=b", "-w", "/tmp", "-u", "5:6", "--hostname", "box"];
        let text = "echo $A $(pwd) $(id -u) $(id -g) $(hostname) $(ls /sys/class/net)";
        shell(&flags, text).success().prints("b /tmp 5 6 box lo\n");
        let terminal = shell(&["-t"], "tty").success();
        assert_eq!(terminal.stdout.trim(), "/dev/pts/0");
        let flags = ["--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges"];
        let text = "touch /x; grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/self/status";
        let confined = shell(&flags, text).success().says("Read-only file system");
        assert_eq!(confined.stdout, "CapEff:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n");
        let flags = ["--pids-limit", "20", "-v", "/etc:/host:ro", "--tmpfs", "/t", "--init"];
        shell(&flags, "test -f /host/passwd && touch /t/x && ! touch /host/x").success();
        shell(&["--privileged"], "test -e /dev/kmsg && echo all").success().prints("all\n");
        run(daemon, &["--rm"], &["absent"]).exits(127);
        run(daemon, &["--rm"], &["/etc"]).exits(126);
    });
}

#[test]
fn docker_looks_after_containers() {
    with_docker(Told::RuntimeArgs, |daemon| {
        let docker = |line: &str| daemon.docker(&line.split(' ').collect::<Vec<_>>());
        let look = |format: &str| daemon.docker(&["inspect", "-f", format, "c1"]).success().stdout;
        let text = "trap 'echo ends; exit 9' TERM; echo begins; while :; do sleep 0.05; done";
        run(daemon, &["-d", "--name", "c1"], &["sh", "-c", text]).success();
        assert_eq!(look("{{.HostConfig.Runtime}}"), "ours\n");
        daemon.docker(&["exec", "c1", "sh", "-c", "echo in; exit 5"]).exits(5).prints("in\n");
        daemon
            .docker(&["exec", "-e", "A=b", "-u", "7", "c1", "sh", "-c", "echo $A $(id -u)"])
            .success()
            .prints("b 7\n");
        assert_eq!(docker("exec -t c1 tty").success().stdout.trim(), "/dev/pts/0");
        // As with runc: 20.10 has one code for all that cannot be run.
        docker("exec c1 absent").exits(126);
        docker("pause c1").success();
        assert_eq!(look("{{.State.Status}}"), "paused\n");
        docker("unpause c1").success();
        assert!(docker("top c1").success().stdout.contains("trap"));
        docker("update --pids-limit 30 c1").success();
        let pids =
            daemon.docker(&["stats", "--no-stream", "--format", "{{.PIDs}}", "c1"]).success();
        assert!(pids.stdout.trim().parse::<u32>().unwrap() >= 1, "{pids}");
        docker("kill -s KILL c1").success();
        docker("wait c1").success().prints("137\n");
        docker("start c1").success();
        // Until the trap is set.
        while docker("logs c1").success().stdout.matches("begins").count() < 2 {}
        docker("stop -t 60 c1").success();
        assert_eq!(look("{{.State.Status}} {{.State.ExitCode}}"), "exited 9\n");
        docker("logs c1").success().prints("begins\nbegins\nends\n");
        docker("restart c1").success();
        docker("rm -f c1").success();
    });
}
