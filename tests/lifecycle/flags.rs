//! Flags of `run` whose meaning shows in a container's life: limits, ends, health, the host's boot.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::place::Place;

const WAITS: &str = "while :; do sleep 0.05; done";
const PATIENCE: Duration = Duration::from_secs(60);

/// What a file of the container's group says, by the name that it has with one version of cgroups or with the other; what is said
/// where no controller of this machine has it.
fn limit(place: &Place, flags: &str, v1: &str, v2: &str) -> Result<String, String> {
    let script = format!(
        "cat /sys/fs/cgroup/{v1} /sys/fs/cgroup/{v2} /sys/fs/cgroup/*/{v2} 2>/dev/null; true"
    );
    let output = place.shell(&format!("run --rm {flags}"), &script);
    match output.status {
        Some(0) => Ok(output.stdout.trim_end().to_owned()),
        _ => Err(output.stderr),
    }
}

#[test]
fn limits_reach_their_controllers() {
    let Some(place) = Place::new() else { return };
    let disks = fs::read_dir("/sys/block").unwrap().flatten();
    let disk = disks.map(|entry| entry.file_name().into_string().unwrap()).find(|name| {
        std::path::Path::new("/dev").join(name).exists() && name.chars().all(char::is_alphanumeric)
    });
    let mut cases = vec![
        (
            "-m 64m --memory-reservation 20m".to_owned(),
            "memory/memory.soft_limit_in_bytes",
            "memory.low",
            "20971520".to_owned(),
        ),
        ("--cpu-shares 2048".to_owned(), "cpu/cpu.shares", "cpu.weight", "2048".to_owned()),
        ("--blkio-weight 300".to_owned(), "blkio/blkio.bfq.weight", "io*.weight", "300".to_owned()),
    ];
    for (flag, v1, rate) in [
        ("--device-read-bps", "blkio/blkio.throttle.read_bps_device", "2mb"),
        ("--device-write-bps", "blkio/blkio.throttle.write_bps_device", "2mb"),
        ("--device-read-iops", "blkio/blkio.throttle.read_iops_device", "300"),
        ("--device-write-iops", "blkio/blkio.throttle.write_iops_device", "300"),
    ] {
        let Some(disk) = &disk else { continue };
        let number = fs::read_to_string(format!("/sys/block/{disk}/dev")).unwrap();
        let number = number.trim();
        let shown = if rate == "2mb" { "2097152" } else { "300" };
        cases.push((
            format!("{flag} /dev/{disk}:{rate}"),
            v1,
            "io.max",
            format!("{number} {shown}"),
        ));
    }
    for (flags, v1, v2, expected) in cases {
        match limit(&place, &flags, v1, v2) {
            Ok(found) if found == expected => {}
            // Of version 2, whose numbers are others.
            Ok(found) if fs::metadata("/sys/fs/cgroup/cgroup.controllers").is_ok() => {
                let (device, rate) = expected.split_once(' ').unwrap_or(("", &expected));
                let weights = match flags.split(' ').next() {
                    Some("--cpu-shares") => vec!["174"],
                    // Of a scheduler that weighs, or of the model of what a disk can do.
                    Some("--blkio-weight") => vec![rate, "2930"],
                    _ => vec![rate],
                };
                let right = weights.iter().any(|weight| found.contains(weight));
                assert!(found.contains(device) && right, "{flags}: `{found}`");
            }
            Ok(found) => panic!("{flags}: `{found}`, not `{expected}`"),
            // Some kernels have no scheduler that weighs; that is said, with the controller's name.
            Err(error) => {
                let named = error.contains("blkio") || error.contains("no cgroup here controls it");
                assert!(named && error.contains("cannot limit"), "{flags}: {error}");
                println!("not here: {flags}: {error}");
            }
        }
    }
    let script = "stat -f -c '%S %b' /dev/shm";
    place.shell("run --rm --shm-size 3m", script).success().prints("4096 768\n");
    place.assert_nothing_left();
}

#[test]
fn who_had_too_little_memory_is_said_to() {
    let Some(place) = Place::new() else { return };
    let script = "exec dd if=/dev/zero of=/dev/null bs=100M count=1";
    let started = place.shell("run -d --name big -m 24m --memory-swap 24m", script);
    if started.stderr.contains("no cgroup here controls it") {
        return println!("skipped: {}", started.stderr);
    }
    started.success();
    place.rbuild("wait big").success().prints("137\n");
    assert_eq!(place.look("big", "{{.State.OOMKilled}} {{.State.ExitCode}}"), "true 137");
    let told = "events --since 1h --until 0s --filter container=big --format {{.Action}}";
    let told = place.rbuild(told).success().stdout;
    let ends: Vec<&str> = told.lines().filter(|it| ["oom", "die"].contains(it)).collect();
    assert_eq!(ends, ["oom", "die"], "{told}");
    // And it is not what it was before.
    place.rbuild("run -d --name small -m 24m busybox true").success();
    place.rbuild("wait small").success().prints("0\n");
    assert_eq!(place.look("small", "{{.State.OOMKilled}}"), "false");
    place.rbuild("rm big small").success();
    place.assert_nothing_left();
}

#[test]
fn variables_come_from_files_and_stops_have_their_time() {
    let Some(place) = Place::new() else { return };
    place.sandbox.write("variables", "# of ours\nA=one two\nB=\n\nC=three\n");
    let script = "echo \"$A|$B|$C\"";
    let line = "run --rm --env-file variables -e C=four";
    place.shell(line, script).success().prints("one two||four\n");
    place.rbuild("run --rm --env-file absent busybox true").exits(125).says("`absent`");
    // With docker's ten seconds it would end by itself.
    let slow = "trap 'sleep 8; exit 5' TERM; echo ready; while :; do sleep 0.05; done";
    place.shell("run -d --stop-timeout 0 --name slow", slow).success();
    place.until_logs("slow", "ready");
    assert_eq!(place.look("slow", "{{.Config.StopTimeout}}"), "0");
    place.rbuild("stop slow").success();
    assert_eq!(place.look("slow", "{{.State.ExitCode}}"), "137");
    place.rbuild("rm slow").success();
    place.assert_nothing_left();
}

/// A signal that is for the command alone.
#[test]
fn without_the_proxy_signals_end_the_command_alone() {
    let Some(place) = Place::new() else { return };
    let script = format!("trap 'exit 9' TERM; echo ready; {WAITS}");
    let words = ["run", "--sig-proxy=false", "--name", "box", "busybox", "sh", "-c", &script];
    let mut client = place.sandbox.spawn(&words);
    let began = Instant::now();
    while place.sandbox.rbuild(["logs", "box"]).stdout != "ready\n" {
        assert!(began.elapsed() < PATIENCE, "it does not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
    kill_process(Pid::from_child(&client), Signal::TERM).unwrap();
    client.wait().unwrap();
    assert_eq!(place.look("box", "{{.State.Running}}"), "true");
    place.rbuild("rm -f box").success();
    place.assert_nothing_left();
}

#[test]
fn the_images_check_is_looked_at_unless_that_is_not_wanted() {
    let Some(place) = Place::new() else { return };
    place.sandbox.write(
        "context/Dockerfile",
        "FROM busybox\nHEALTHCHECK --interval=100ms --timeout=30s --retries=1 CMD test ! -e /sick\n",
    );
    place.rbuild("build -t checked context").success();
    let run = |flags: &str| {
        let words = format!("run -d {flags} checked sh -c");
        place.sandbox.rbuild(words.split(' ').chain([WAITS])).success();
    };
    run("--name own");
    place.until("own", "{{.State.Health.Status}}", "healthy");
    place.rbuild("exec own touch /sick").success();
    place.until("own", "{{.State.Health.Status}}", "unhealthy");
    run("--no-healthcheck --name none");
    assert_eq!(place.look("none", "{{json .State.Health}}"), "null");
    // While it starts up it is looked at more often, and what fails does not count.
    let words = "run -d --name starts --health-start-period 1h --health-start-interval 50ms --health-interval 1h \
                 --health-retries 1 --health-timeout 30s --health-cmd false checked sh -c";
    place.sandbox.rbuild(words.split_whitespace().chain([WAITS])).success();
    place.until("starts", "{{len .State.Health.Log}}", "5");
    let health = "{{.State.Health.Status}} {{.State.Health.FailingStreak}}";
    assert_eq!(place.look("starts", health), "starting 0");
    place.rbuild("rm -f own none starts").success();
    place.rbuild("rmi checked").success();
    place.assert_nothing_left();
}

/// Each time it waits twice as long, whatever the machine does besides.
#[test]
fn restarts_come_later_and_later() {
    let Some(place) = Place::new() else { return };
    place.rbuild("run -d --name fails --restart on-failure:4 busybox false").success();
    place.until("fails", "{{.State.Status}} {{.RestartCount}}", "exited 4");
    let line =
        "events --since 1h --until 0s --filter container=fails --format {{.Action}}|{{.TimeNano}}";
    let told = place.rbuild(line).success().stdout;
    let times = |action: &str| -> Vec<u64> {
        let named = told.lines().filter_map(|line| line.strip_prefix(action)?.strip_prefix('|'));
        named.map(|time| time.parse().unwrap()).collect()
    };
    let (starts, ends) = (times("start"), times("die"));
    assert_eq!((starts.len(), ends.len()), (5, 5), "{told}");
    for (number, (end, start)) in ends.iter().zip(&starts[1..]).enumerate() {
        let least = 100_000_000 << number;
        let Some(later) = start.checked_sub(*end) else {
            panic!("the machine's clock went back before restart {number}: {told}");
        };
        assert!(later >= least, "restart {number} comes {later} ns later: {told}");
    }
    place.rbuild("rm fails").success();
    place.assert_nothing_left();
}

#[test]
fn a_unit_is_written_where_units_are() {
    let Some(place) = Place::new() else { return };
    fs::create_dir(place.sandbox.path("units")).unwrap();
    let installed = place.rbuild("system install --unit-dir units").success();
    let unit = installed.stdout.lines().next().unwrap().to_owned();
    assert!(installed.stdout.contains("systemctl daemon-reload"), "{installed}");
    let text = place.sandbox.read(&unit);
    assert_eq!(text, place.rbuild("system install --print").success().stdout);
    let root = place.sandbox.root().display().to_string();
    assert!(text.contains(&format!("\"RBUILD_ROOT={root}\"")), "{text}");
    place
        .rbuild("system install --unit-dir absent")
        .exits(1)
        .says("there is no directory `absent`");
}
