//! kill -9 of anything at any moment: the next command finds a true state, and nothing is left.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::moments::shims_of;
use super::place::Place;
use crate::support::{installed, leftovers, until};

const WAITS: &str = "while :; do sleep 0.05; done";

pub(super) fn kill(pid: i32) {
    // It may be gone, which is as good.
    let _gone = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
    // On a busy machine a signal takes its time.
    let began = Instant::now();
    while runs(pid) && began.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Neither gone nor a zombie.
fn runs(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z')))
}

#[test]
fn who_kills_the_shim_or_the_first_process_leaves_a_true_state() {
    let Some(place) = Place::new() else { return };
    place.shell("run -d --name box", WAITS).success();
    kill(place.shim("box"));
    place.until("box", "{{.State.Status}} {{.State.ExitCode}}", "exited 137");
    place.rbuild("start box").success();
    place.rbuild("exec box true").success();
    let first = place.look("box", "{{.State.Pid}}").parse().unwrap();
    kill(first);
    place.until("box", "{{.State.Status}} {{.State.ExitCode}}", "exited 137");
    place.rbuild("start box").success();
    place.rbuild("rm -f box").success();
    // One that was to go when it ends.
    place.shell("run -d --rm --name gone", WAITS).success();
    kill(place.shim("gone"));
    place.shell("run -d --rm --name gone", WAITS).success();
    kill(place.shim("gone"));
    place.rbuild("ps -aq").success().prints("");
    place.assert_nothing_left();
}

/// Two megabytes at most when nothing happens; as it is built for tests, with neither optimisation nor one unit of code, more of
/// the program stays.
#[test]
fn an_idle_shim_is_small() {
    let Some(place) = Place::new() else { return };
    place.rbuild("run -d --name box busybox sleep 600").success();
    let rollup = format!("/proc/{}/smaps_rollup", place.shim("box"));
    let kilobytes = || -> u64 {
        let text = std::fs::read_to_string(&rollup).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        line.unwrap().trim().trim_end_matches(" kB").parse().unwrap()
    };
    let most = if cfg!(debug_assertions) { 8 << 10 } else { 2 << 10 };
    // It lets go of what it needs no more when nothing has happened for a second.
    let began = Instant::now();
    while kilobytes() > most {
        assert!(began.elapsed() < Duration::from_secs(60), "{} kB, not {most}", kilobytes());
        std::thread::sleep(Duration::from_millis(100));
    }
    println!("PSS of an idle shim: {} kB", kilobytes());
    place.rbuild("rm -f box").success();
    place.assert_nothing_left();
}

/// Clients that come, go and are killed leave the shim with the descriptors that it had.
#[test]
fn a_shim_keeps_no_descriptor_of_who_is_gone() {
    let Some(place) = Place::new() else { return };
    let check = "run -d --name box --health-cmd true --health-interval 100ms";
    place.shell(check, WAITS).success();
    place.until("box", "{{.State.Health.Status}}", "healthy");
    let directory = format!("/proc/{}/fd", place.shim("box"));
    // A check that is going on has some, too.
    let fewest = || {
        let counts = (0..20).map(|_| {
            std::thread::sleep(Duration::from_millis(20));
            std::fs::read_dir(&directory).unwrap().count()
        });
        counts.min().unwrap()
    };
    let before = fewest();
    for words in [&["attach", "--no-stdin", "box"][..], &["logs", "-f", "box"], &["wait", "box"]] {
        let mut clients: Vec<_> = (0..8).map(|_| place.sandbox.spawn(words)).collect();
        std::thread::sleep(Duration::from_millis(200));
        for client in &mut clients {
            client.kill().unwrap();
            client.wait().unwrap();
        }
    }
    for _ in 0..4 {
        place.rbuild("exec box true").success();
        place.rbuild("pause box").success();
        place.rbuild("unpause box").success();
        place.rbuild("update --pids-limit 50 box").success();
    }
    let began = Instant::now();
    while fewest() > before {
        assert!(began.elapsed() < Duration::from_secs(30), "{before} became {}", fewest());
    }
    place.rbuild("rm -f box").success();
    place.assert_nothing_left();
}

#[test]
fn many_starts_leak_nothing() {
    let Some(place) = Place::new() else { return };
    let wanted = std::env::vars().find(|(name, _)| name == "RBUILD_TEST_STARTS");
    let starts = wanted.and_then(|(_, value)| value.parse().ok()).unwrap_or(32);
    let mut begun = 0;
    while begun < starts {
        let run = || place.sandbox.spawn(&["run", "--rm", "busybox", "true"]);
        let children: Vec<_> = (0..8).map(|_| run()).collect();
        begun += children.len();
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
    }
    place.assert_nothing_left();
    println!("{begun} starts");
}

/// Its programs are not in a PID namespace that would end with it.
#[test]
fn programs_of_the_hosts_pid_namespace_end_when_their_shim_was_killed() {
    let Some(place) = Place::new() else { return };
    place.shell("run -d --pid host --name box", WAITS).success();
    let first = place.look("box", "{{.State.Pid}}").parse().unwrap();
    assert!(runs(first));
    kill(place.shim("box"));
    place.rbuild("ps -aq").success();
    let began = Instant::now();
    while runs(first) {
        assert!(began.elapsed() < Duration::from_secs(30), "process {first} is still there");
        std::thread::sleep(Duration::from_millis(20));
    }
    place.until("box", "{{.State.Status}} {{.State.ExitCode}}", "exited 137");
    place.rbuild("rm box").success();
    place.assert_nothing_left();
}

/// In the first moments of a start: nothing else would end it, and nobody may come to look what is left.
#[test]
fn who_waits_for_device_rules_ends_with_its_shim() {
    let Some(place) = Place::new() else { return };
    if !installed("strace") {
        return;
    }
    // What this machine can do about devices is found out.
    place.shell("run --rm --pid host", "true").success();
    let mut strace = place.sandbox.command("strace");
    strace.args(["-f", "-o", "/dev/null", "-e", "trace=bpf", "-e", "inject=bpf:signal=KILL"]);
    strace.arg(env!("CARGO_BIN_EXE_rbuild")).args("run --rm --pid host busybox true".split(' '));
    let mut strace = strace.stderr(Stdio::null()).spawn().unwrap();
    // It ends with the last of those that it follows.
    let began = Instant::now();
    let status = loop {
        match strace.try_wait().unwrap() {
            Some(status) => break status,
            None if began.elapsed() > Duration::from_secs(60) => {
                strace.kill().unwrap();
                panic!("the container's process waits for a shim that is gone");
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    if status.success() {
        println!("skipped: device rules are no programs here");
    }
    place.assert_nothing_left();
}

/// Whoever is trusted with groups makes some below its own: systemd, or another engine.
#[test]
fn groups_that_a_container_made_go_with_it() {
    let Some(place) = Place::new() else { return };
    let script = "for g in $(grep -E ' cgroup2? ' /proc/mounts | cut -d ' ' -f 2); do \
                  mkdir -p $g/made/below && { sleep 600 & echo $! >$g/made/below/cgroup.procs; } \
                  && echo made; done";
    let output = place.shell("run --rm --privileged", script).success();
    if output.stdout.is_empty() {
        println!("skipped: no cgroups are mounted here");
    }
    until("all groups are gone", || {
        // Those whose processes took long to die are left to the next command.
        place.rbuild("ps").success();
        leftovers(&place.sandbox).is_empty()
    });
    // Nor do they stay where the shim was killed.
    let run = format!("{script}; {WAITS}");
    place.shell("run -d --privileged --name box", &run).success();
    place.until_logs("box", output.stdout.trim_end());
    kill(place.shim("box"));
    place.until("box", "{{.State.Status}}", "exited");
    place.rbuild("rm box").success();
    place.assert_nothing_left();
}

/// Also those that nobody sends often: else we would end and leave it alone.
#[test]
fn a_signal_to_us_is_one_to_the_container() {
    let Some(place) = Place::new() else { return };
    for (signal, name) in [(Signal::ALARM, "ALRM"), (Signal::VTALARM, "VTALRM")] {
        let script = format!("trap 'exit 7' {name}; echo ready; {WAITS}");
        let words = ["run", "--name", name, "busybox", "sh", "-c", &script];
        let mut client = place.sandbox.spawn(&words);
        let began = Instant::now();
        while place.sandbox.rbuild(["logs", name]).stdout != "ready\n" {
            assert!(began.elapsed() < Duration::from_secs(60), "{name}: it does not begin");
            std::thread::sleep(Duration::from_millis(20));
        }
        kill_process(Pid::from_child(&client), signal).unwrap();
        assert_eq!(client.wait().unwrap().code(), Some(7), "{name}");
    }
}

/// Somebody looks at the container, and holds its lock for as long, just when its shim wants to have it.
#[test]
fn a_start_that_meets_a_look_is_tried_once_more() {
    let Some(place) = Place::new() else { return };
    place.rbuild("create --name box busybox sleep 600").success();
    let directory = place.sandbox.path("state/containers").join(place.look("box", "{{.Id}}"));
    let mut met = 0;
    // A shim may be quicker than we are.
    for _ in 0..200 {
        let before = shims_of(&place);
        let mut start = place.sandbox.spawn(&["start", "box"]);
        met += usize::from(meets_a_look(&place, &directory, &before, &mut start));
        assert!(start.wait().unwrap().success());
        place.until("box", "{{.State.Status}}", "running");
        place.rbuild("kill box").success();
        place.until("box", "{{.State.Status}}", "exited");
        if met == 3 {
            break;
        }
    }
    assert!(met > 0, "no shim ever met us");
    place.rbuild("rm box").success();
    place.assert_nothing_left();
}

/// Whether its first shim has found the lock held by us, and given up.
fn meets_a_look(place: &Place, directory: &Path, before: &[i32], start: &mut Child) -> bool {
    let first = loop {
        match shims_of(place).iter().find(|shim| !before.contains(shim)) {
            Some(shim) => break *shim,
            None if start.try_wait().unwrap().is_some() => return false,
            None => {}
        }
    };
    std::fs::create_dir_all(directory).unwrap();
    let Ok(lock) = File::create(directory.join("lock")) else { return false };
    if lock.try_lock().is_err() {
        return false;
    }
    let began = Instant::now();
    while runs(first) {
        assert!(began.elapsed() < Duration::from_secs(60), "the shim does not give up");
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

/// Its shim, and the process made ahead, were there before it was known that there is no such image.
#[test]
fn a_run_that_comes_to_nothing_has_left_nothing_when_it_ends() {
    let Some(place) = Place::new() else { return };
    let before = leftovers(&place.sandbox);
    for _ in 0..20 {
        place.sandbox.rbuild(["run", "--rm", "absent"]).exits(125);
        assert_eq!(leftovers(&place.sandbox), before);
    }
}
