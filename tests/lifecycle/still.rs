//! Containers that stand still, whose limits change, and what they use.

use std::time::{Duration, Instant};

use super::place::Place;

const COUNTS: &str = "trap 'exit 4' TERM; while :; do echo . >>/count; sleep 0.02; done";

#[test]
fn processes_stand_still_and_go_on() {
    let Some(place) = Place::new() else { return };
    place.shell("run -d --name box", COUNTS).success();
    let count = || place.sandbox.root().join("containers").join(place.look("box", "{{.Id}}"));
    let file = count().join("upper/count");
    let length = || std::fs::metadata(&file).map_or(0, |found| found.len());
    let grows = || {
        let (before, began) = (length(), Instant::now());
        while length() == before {
            assert!(began.elapsed() < Duration::from_secs(30), "it stands still");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    grows();
    place.rbuild("pause box").success().prints("box\n");
    let before = length();
    assert_eq!(
        place.look("box", "{{.State.Status}} {{.State.Paused}} {{.State.Running}}"),
        "paused true true"
    );
    let list = place.rbuild("ps --format {{.Status}}|{{.State}}").success().stdout;
    assert!(list.starts_with("Up ") && list.ends_with(" (Paused)|paused\n"), "{list}");
    place.rbuild("ps -q --filter status=paused --format {{.Names}}").success().prints("box\n");
    place.rbuild("pause box").exits(1).says("already paused");
    place.rbuild("exec box true").exits(125).says("is paused").says("rbuild unpause");
    place.rbuild("rm box").exits(1).says("container `box` is paused");
    assert_eq!(length(), before);
    place.rbuild("container unpause box").success().prints("box\n");
    grows();
    place.rbuild("unpause box").exits(1).says("is not paused");
    // To end it has to go on.
    place.rbuild("pause box").success();
    place.rbuild("stop box").success();
    assert_eq!(place.look("box", "{{.State.Status}} {{.State.ExitCode}}"), "exited 4");
    place.rbuild("pause box").exits(1).says("is not running");
    place.rbuild("start box").success();
    place.rbuild("pause box").success();
    place.rbuild("kill box").success();
    place.rbuild("wait box").success().prints("137\n");
    place.rbuild("start box").success();
    place.rbuild("pause box").success();
    place.rbuild("rm -f box").success();
    place.assert_nothing_left();
}

#[test]
fn a_check_of_health_waits_for_one_that_stands_still() {
    let Some(place) = Place::new() else { return };
    let flags = "run -d --name box --health-cmd true --health-interval 50ms --health-timeout 1s --health-retries 1";
    place.shell(flags, "while :; do sleep 0.05; done").success();
    place.until("box", "{{.State.Health.Status}}", "healthy");
    place.rbuild("pause box").success();
    let runs = || place.look("box", "{{json .State.Health.Log}}");
    let before = runs();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(runs(), before);
    place.rbuild("unpause box").success();
    let began = Instant::now();
    while runs() == before {
        assert!(began.elapsed() < Duration::from_secs(30), "no check any more");
    }
    assert_eq!(place.look("box", "{{.State.Health.Status}}"), "healthy");
    place.rbuild("rm -f box").success();
}

#[test]
fn limits_change_while_it_runs() {
    let Some(place) = Place::new() else { return };
    let group = |name: &str| {
        format!("cat /sys/fs/cgroup/{name} /sys/fs/cgroup/*/{name} 2>/dev/null | head -n 1")
    };
    let read = |v1: &str, v2: &str| {
        let script = format!("{}; {}", group(v1), group(v2));
        place.sandbox.rbuild(["exec", "box", "sh", "-c", &script]).success().stdout
    };
    place
        .shell(
            "run -d --name box -m 64m --pids-limit 50 --restart no",
            "while :; do sleep 0.05; done",
        )
        .success();
    assert_eq!(read("memory.limit_in_bytes", "memory.max"), "67108864\n");
    place.rbuild("update -m 128m --memory-swap 256m --pids-limit 70 box").success().prints("box\n");
    assert_eq!(read("memory.limit_in_bytes", "memory.max"), "134217728\n");
    assert_eq!(read("pids.max", "none"), "70\n");
    place.rbuild("update -m 32m --memory-swap 64m box").success();
    assert_eq!(read("memory.limit_in_bytes", "memory.max"), "33554432\n");
    place.rbuild("update --pids-limit -1 --cpus 0.5 box").success();
    assert_eq!(read("pids.max", "none"), "max\n");
    let quota = read("cpu.cfs_quota_us", "cpu.max");
    assert!(quota.starts_with("50000"), "{quota}");
    place.rbuild("update -m 1k box").exits(1).says("6 MiB");
    place.rbuild("update --cpuset-cpus 4000 box").exits(1);
    place.rbuild("update box").exits(1).says("nothing is to be changed");
    // What it would not take is not kept either.
    place.rbuild("update --restart on-failure:3 box").success();
    assert_eq!(place.look("box", "{{.HostConfig.RestartPolicy}}"), "{on-failure 3}");
    place.rbuild("restart -t 0 box").success();
    assert_eq!(read("memory.limit_in_bytes", "memory.max"), "33554432\n");
    place.rbuild("run -d --rm --name goes busybox sleep 100").success();
    place.rbuild("update --restart always goes").exits(1).says("goes when it ends");
    place.rbuild("rm -f box goes").success();
    place.assert_nothing_left();
}

#[test]
fn processes_and_usage_are_shown() {
    let Some(place) = Place::new() else { return };
    place.shell("run -d --name box", "sleep 100 & while :; do sleep 0.05; done").success();
    place.until("box", "{{.State.Status}}", "running");
    let began = Instant::now();
    let top = loop {
        let top = place.rbuild("top box").success().stdout;
        if top.contains("sleep 100") {
            break top;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{top}");
    };
    let titles: Vec<&str> = top.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(titles, ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]);
    assert!(top.contains("root") && top.contains("sh -c sleep 100"), "{top}");
    let pids = place.rbuild("top box -o pid,comm").success().stdout;
    let first = place.look("box", "{{.State.Pid}}");
    assert!(pids.lines().any(|line| line.starts_with(&first) && line.ends_with("sh")), "{pids}");
    place.rbuild("top box -Z").exits(1).says("the option `-Z` of `ps`");
    let stats = place
        .rbuild(
            "stats --no-stream --format {{.Name}}|{{.PIDs}}|{{.CPUPerc}}|{{.MemUsage}}|{{.NetIO}}",
        )
        .success()
        .stdout;
    let fields: Vec<&str> = stats.trim_end().split('|').collect();
    assert_eq!(fields[0], "box");
    assert!(
        fields[1].parse::<u64>().is_ok_and(|count| count >= 2) && fields[2].ends_with('%'),
        "{stats}"
    );
    assert!(fields[3].contains("B / ") && fields[4] == "0B / 0B", "{stats}");
    place.rbuild("stats --no-stream absent").exits(1).says("container `absent` does not exist");
    place.rbuild("rm -f box").success();
    place.rbuild("create --name box busybox true").success();
    place.rbuild("top box").exits(1).says("is not running");
    let all = place.rbuild("stats --no-stream -a --format {{.Name}}:{{.PIDs}}").success();
    all.prints("box:--\n");
    place.rbuild("rm box").success();
}
