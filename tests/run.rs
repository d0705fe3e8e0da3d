//! `rbuild run` from end to end.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{Sandbox, privileged, run};

/// What goes on would do so for ever; this is only how long the tests go on hoping.
const PATIENCE: Duration = Duration::from_secs(120);

fn sandbox() -> Option<Sandbox> {
    privileged().then(Sandbox::with_busybox)
}

#[test]
fn exit_statuses_are_dockers() {
    let Some(sandbox) = sandbox() else { return };
    sandbox.rbuild(["run", "--rm", "busybox", "echo", "hi"]).success().prints("hi\n");
    sandbox.rbuild(["run", "--rm", "busybox", "sh", "-c", "exit 7"]).exits(7);
    sandbox.rbuild(["run", "--rm", "busybox", "absent"]).exits(127).says("absent");
    sandbox.rbuild(["run", "--rm", "busybox", "/etc/passwd"]).exits(126);
    sandbox.rbuild(["run", "--rm", "absent"]).exits(125).says("image `absent` does not exist");
}

#[test]
fn the_arguments_reach_the_container() {
    let Some(sandbox) = sandbox() else { return };
    sandbox.write("shared/file", "from outside\n");
    let volume = format!("{}:/mnt:ro", sandbox.path("shared").display());
    let script =
        "cat /mnt/file; id -u; pwd; hostname; echo $A; touch /mnt/x 2>/dev/null || echo ro";
    let flags = ["run", "--rm", "-v", &volume, "-u", "nobody", "-w", "/var/tmp"];
    let rest = ["--hostname", "box", "-e", "A=1", "busybox", "sh", "-c", script];
    let expected = "from outside\n65534\n/var/tmp\nbox\n1\nro\n";
    sandbox.rbuild(flags.iter().chain(&rest)).success().prints(expected);
    let output = sandbox.rbuild_with_input(["run", "--rm", "-i", "busybox", "wc", "-c"], "12345");
    output.success().prints("5\n");
}

#[test]
fn streams_are_the_containers_own() {
    let Some(sandbox) = sandbox() else { return };
    let args = ["run", "--rm", "-u", "nobody", "busybox", "sh", "-c"];
    let script = "echo out > /dev/stdout; echo err > /dev/stderr";
    let output = sandbox.rbuild(args.iter().chain(&[script])).success();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("out\n", "err\n"));
    let rbuild = env!("CARGO_BIN_EXE_rbuild");
    let line = format!("{rbuild} run --rm busybox yes | head -n 1; {rbuild} run --rm busybox true");
    run(sandbox.command("bash").args(["-c", &line]), "").success().prints("y\n");
}

#[test]
fn nothing_of_a_container_is_kept() {
    let Some(sandbox) = sandbox() else { return };
    sandbox.rbuild(["run", "--rm", "busybox", "touch", "/written"]).success();
    sandbox.rbuild(["run", "--rm", "busybox", "test", "-e", "/written"]).exits(1);
    sandbox.validate();
}

#[test]
fn a_terminal_is_a_terminal() {
    let Some(sandbox) = sandbox() else { return };
    let rbuild = env!("CARGO_BIN_EXE_rbuild");
    let line = format!("{rbuild} run --rm -it busybox sh -c 'test -t 0 && stty size && exit 4'");
    let mut script = sandbox.command("script");
    script.args(["-qec", &format!("stty rows 33 cols 77; {line}"), "/dev/null"]);
    let output = run(&mut script, "");
    assert!(output.stdout.contains("33 77"), "{output}");
    output.exits(4);
    let refused = sandbox.rbuild(["run", "--rm", "-it", "busybox", "true"]);
    refused.exits(125).says("needs a terminal on stdin");
}

#[test]
fn signals_are_forwarded() {
    let Some(sandbox) = sandbox() else { return };
    let script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done";
    let mut command = sandbox.rbuild_command(["run", "--rm", "busybox", "sh", "-c", script]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut ready = [0; 6];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(9));
}

/// Root in a container could otherwise write to what it was given to read, and make a program of
/// root's out of what it writes.
#[test]
fn files_of_the_host_stay_out_of_reach() {
    let Some(sandbox) = sandbox() else { return };
    sandbox.write("in", "untouched\n");
    let (input, output) = (sandbox.path("in"), sandbox.path("out"));
    let script = "cat; echo mine >/proc/self/fd/0; chmod 4755 /proc/self/fd/0 /proc/self/fd/1";
    let mut command = sandbox.rbuild_command(["run", "--rm", "-i", "busybox", "sh", "-c", script]);
    command.stdin(File::open(&input).unwrap()).stdout(File::create(&output).unwrap());
    command.stderr(Stdio::null()).status().unwrap();
    assert_eq!(sandbox.read("in"), "untouched\n");
    assert_eq!(sandbox.read("out"), "untouched\n");
    for path in [input, output] {
        assert_eq!(fs::metadata(path).unwrap().mode() & 0o7111, 0);
    }
}

/// The first process of a container may ignore a signal, and does when it has no handler for it.
#[test]
fn asking_three_times_ends_every_container() {
    let Some(sandbox) = sandbox() else { return };
    let script = "trap '' INT; echo ready; exec sleep 100000";
    let mut command = sandbox.rbuild_command(["run", "--rm", "busybox", "sh", "-c", script]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut ready = [0; 6];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
    let started = Instant::now();
    let pid = rustix::process::Pid::from_child(&child);
    while child.try_wait().unwrap().is_none() {
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        std::thread::sleep(Duration::from_millis(200));
        assert!(started.elapsed() < PATIENCE, "it goes on");
    }
    assert_eq!(child.wait().unwrap().code(), Some(137));
}

#[test]
fn a_terminal_that_nobody_reads_ends_its_container() {
    let Some(sandbox) = sandbox() else { return };
    let mut command = sandbox.rbuild_command(["run", "--rm", "-t", "busybox", "yes"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(50));
        if started.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("it goes on");
        }
    }
}
