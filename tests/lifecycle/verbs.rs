//! Commands about containers and what docker means by them.

use std::fs;

use super::place::Place;
use crate::support::{busybox_rootfs, run};

const WAITS: &str = "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done";

#[test]
fn a_container_lives_by_itself() {
    let Some(place) = Place::new() else { return };
    let id = place.shell("run -d --name web --label a=1", WAITS).success().stdout;
    let id = id.trim_end();
    assert_eq!(id.len(), 64);
    let list = place.rbuild("ps").success().stdout;
    let (titles, line) = list.split_once('\n').unwrap();
    assert_eq!(
        titles.split_whitespace().collect::<Vec<_>>().join(" "),
        "CONTAINER ID IMAGE COMMAND CREATED STATUS PORTS NAMES"
    );
    for part in [&id[..12], "busybox", "\"sh -c 'trap", " Up ", "web"] {
        assert!(line.contains(&part.replace('\'', "")) || line.contains(part), "{part}: {line}");
    }
    place.until("web", "{{.State.Status}}", "running");
    let format = "{{.ID}}|{{.Image}}|{{.Names}}|{{.State}}|{{.Labels}}|{{.Networks}}";
    let shown = place.sandbox.rbuild(["ps", "--format", format]).success();
    shown.prints(&format!("{}|busybox|web|running|a=1|host\n", &id[..12]));
    place.rbuild("exec web touch /written").success();
    place.rbuild("stop web").success().prints("web\n");
    assert_eq!(place.look("web", "{{.State.ExitCode}} {{.State.Status}}"), "3 exited");
    assert!(place.rbuild("ps -a").success().stdout.contains("Exited (3) "));
    place.rbuild("ps -q").success().prints("");
    // What it wrote is still there.
    place.rbuild(&format!("start {}", &id[..10])).success();
    place.rbuild("exec web test -e /written").success();
    place.rbuild("rm web").exits(1).says("container `web` is running; stop it with");
    place.rbuild("rm -f web").success().prints("web\n");
    place.rbuild("ps -aq").success().prints("");
    place.assert_nothing_left();
}

/// With the code taken away one round alone may pass.
#[test]
fn what_was_killed_has_ended_when_that_is_told() {
    let Some(place) = Place::new() else { return };
    place.shell("create --name box", WAITS).success();
    for _ in 0..10 {
        place.rbuild("start box").success();
        place.rbuild("kill box").success();
        assert_eq!(place.state("box")["status"], "exited");
    }
}

#[test]
fn exit_codes_reach_whoever_waits() {
    let Some(place) = Place::new() else { return };
    place.shell("run --name code", "exit 7").exits(7);
    place.rbuild("wait code").success().prints("7\n");
    place.shell("run -d --name loop", WAITS).success();
    place.rbuild("kill -s 9 loop").success();
    place.rbuild("wait loop").success().prints("137\n");
    place.rbuild("kill loop").exits(1).says("cannot kill container `loop`: it is not running");
    place.rbuild("start -a code").exits(7);
    place.rbuild("create --name made busybox echo hello").success();
    assert_eq!(place.look("made", "{{.State.Status}}"), "created");
    place.rbuild("start -a made").success().prints("hello\n");
    place.rbuild("run --name wrong busybox absent").exits(127);
    assert_eq!(place.look("wrong", "{{.State.Status}} {{.State.ExitCode}}"), "created 127");
    place.rbuild("run --rm --name gone busybox /etc/passwd").exits(126);
    place.rbuild("inspect gone").exits(1);
}

/// systemd stops at one of them, to begin with.
#[test]
fn real_time_signals_arrive() {
    let Some(place) = Place::new() else { return };
    let waits = "trap 'exit 5' 37; echo ready; while :; do sleep 0.05; done";
    place.shell("run -d --name box --stop-signal RTMIN+3", waits).success();
    place.until_logs("box", "ready");
    place.rbuild("kill -s SIGRTMIN+3 box").success();
    place.rbuild("wait box").success().prints("5\n");
    place.rbuild("start box").success();
    place.until_logs("box", "ready\nready");
    place.rbuild("stop box").success();
    assert_eq!(place.look("box", "{{.State.ExitCode}}"), "5");
    place.rbuild("kill -s 32 box").exits(1);
}

#[test]
fn containers_have_names_and_beginnings_of_ids() {
    let Some(place) = Place::new() else { return };
    let path = place.sandbox.path("id");
    let id = place.rbuild(&format!("create --name one --cidfile {} busybox true", path.display()));
    let id = id.success().stdout.trim_end().to_owned();
    assert_eq!(fs::read_to_string(&path).unwrap(), id);
    place
        .rbuild(&format!("create --cidfile {} busybox true", path.display()))
        .exits(125)
        .says("exists");
    for text in ["one", "/one", &id, &id[..5]] {
        assert_eq!(place.look(text, "{{.Id}} {{.Name}}"), format!("{id} /one"));
    }
    let taken = place.rbuild("create --name one busybox true").exits(125);
    taken.says(&format!("the name `one` is in use by container {}", &id[..12])).says("hint:");
    place.rbuild("create --name -x busybox true").exits(2);
    place.rbuild("create --name a/b busybox true").exits(125).says("`a/b` cannot name a container");
    place.rbuild("rename one two").success();
    assert_eq!(place.look("two", "{{.Name}}"), "/two");
    place
        .rbuild("stop one")
        .exits(1)
        .says("container `one` does not exist")
        .says("rbuild ps --all");
    place.rbuild("create --name one busybox true").success();
    let listed = place.rbuild("ps -a --filter name=two --format {{.Names}}").success();
    listed.prints("two\n");
    place.rbuild("ps -l --format {{.Names}}").success().prints("one\n");
    place.rbuild("ps -n 5 --format {{.Names}}").success().prints("one\ntwo\n");
    place.rbuild("ps --filter status=created --filter name=o -q").success();
    place.rbuild("ps --filter colour=red").exits(1).says("the filters are");
    place
        .rbuild("run -d --network bridge --name web -p 80 --expose 90/udp busybox sleep 1000")
        .success();
    for (filter, expected) in [
        ("publish=80", "web\n"),
        ("publish=70-85/tcp", "web\n"),
        ("publish=80/udp", ""),
        ("expose=90/udp", "web\n"),
        ("expose=80", "web\n"),
        ("publish=90/udp", ""),
    ] {
        let line = format!("ps -a --filter {filter} --format {{{{.Names}}}}");
        place.rbuild(&line).success().prints(expected);
    }
    let port = place.rbuild("container port web 80").success().stdout;
    assert!(port.starts_with("0.0.0.0:"), "{port}");
    place.rbuild("rm -f web").success();
    for (line, expected) in [
        ("update --kernel-memory 1m web", "`rbuild update --kernel-memory` is not supported"),
        ("container update --cpu-rt-runtime 5 web", "`rbuild update --cpu-rt-runtime` is not"),
        ("rm --link web", "`rbuild rm --link` is not supported"),
        ("start --checkpoint x web", "`rbuild start --checkpoint` is not supported"),
        ("volume update x", "`volume update` is about volumes of a swarm"),
        ("volume ls --cluster", "`--cluster` is about volumes of a swarm"),
    ] {
        let refused = place.rbuild(line).says(expected);
        assert_ne!(refused.status, Some(0), "{line}");
    }
    place.rbuild("container prune -f").success();
    place.rbuild("ps -aq").success().prints("");
}

#[test]
fn images_of_containers_stay() {
    let Some(place) = Place::new() else { return };
    place.rbuild("create --name user busybox true").success();
    place.rbuild("rmi busybox").exits(1).says("is in use by");
    place.rbuild("image prune -af").success();
    place.rbuild("builder prune -af").success();
    place.rbuild("start -a user").success();
    // By force it loses its name only.
    place.rbuild("rmi -f busybox").success();
    place.rbuild("builder prune -af").success();
    place.rbuild("start -a user").success();
    place.rbuild("rm user").success();
    place.rbuild("image prune -af").success();
    assert!(place.rbuild("images -aq").success().stdout.is_empty());
    place.sandbox.validate();
}

#[test]
fn other_programs_run_in_a_container() {
    let Some(place) = Place::new() else { return };
    place.shell("run -d --name box -e A=image -e B=1 -w /tmp", WAITS).success();
    let script =
        "echo $A $B $C; pwd; id -u; grep -c . /proc/1/cmdline; grep CapEff /proc/self/status";
    let line =
        ["exec", "-e", "A=2", "-e", "C=3", "-u", "nobody", "-w", "/var", "box", "sh", "-c", script];
    let none = "CapEff:\t0000000000000000\n";
    place.sandbox.rbuild(line).success().prints(&format!("2 1 3\n/var\n65534\n1\n{none}"));
    let caps = |flags: &[&str]| {
        let words =
            ["exec"].iter().chain(flags).chain(&["box", "grep", "CapEff", "/proc/self/status"]);
        place.sandbox.rbuild(words).success().stdout
    };
    assert_eq!(caps(&[]), "CapEff:\t00000000a80425fb\n");
    assert_ne!(caps(&["--privileged"]), caps(&[]));
    let filter = place.rbuild("exec box grep Seccomp: /proc/self/status").success().stdout;
    assert_eq!(filter, "Seccomp:\t2\n");
    // In the container's cgroups, as its first process.
    let groups = |file: &str| place.rbuild(&format!("exec box cat {file}")).success().stdout;
    assert_eq!(groups("/proc/self/cgroup"), groups("/proc/1/cgroup"));
    place
        .sandbox
        .rbuild_with_input(["exec", "-i", "box", "wc", "-c"], "12345")
        .success()
        .prints("5\n");
    place.rbuild("exec box absent").exits(127).says("absent");
    place.rbuild("exec box /etc/passwd").exits(126);
    place.rbuild("exec -u nobody:absent box true").exits(125);
    place.rbuild("exec -d box touch /tmp/detached").success();
    place.rbuild("kill box").success();
    place.rbuild("wait box").success();
    place.rbuild("exec box true").exits(125).says("container `box` is not running");
    place.rbuild("exec absent true").exits(125).says("container `absent` does not exist");
}

#[test]
fn wrong_flags_say_what_and_leave_nothing() {
    let Some(place) = Place::new() else { return };
    for (line, expected) in [
        ("--restart sometimes", "unknown restart policy `sometimes`"),
        ("--restart always", "`--rm` and `--restart` exclude each other"),
        ("--stop-signal NOPE", "`NOPE` is no signal"),
        ("--stop-timeout -5", "`--stop-timeout -5` is no number of seconds"),
        ("--health-interval soon --health-cmd x", "`--health-interval soon` is no duration"),
        ("--log-driver syslog", "the log driver `syslog` is not supported"),
        ("--log-opt colour=red", "it is not supported; known are max-size"),
        ("--network a=b", "`--network a=b`: `a` is not supported"),
        ("--detach-keys ctrl-", "`--detach-keys ctrl-`"),
        ("--label =x", "the label `=x` has no name"),
        ("-u nobody:absent", "absent"),
        ("--mount type=bind,source=/absent/dir,target=/x", "/absent/dir"),
    ] {
        place.rbuild(&format!("run --rm {line} busybox true")).exits(125).says(expected);
    }
    place.rbuild("run -d absent").exits(125).says("image `absent` does not exist");
    place.rbuild("run -it --rm busybox").exits(125).says("needs a terminal on stdin");
    place.rbuild("kill -s NOPE x").exits(1).says("`NOPE` is no signal");
    place.rbuild("logs --tail some x").exits(1);
    place.assert_nothing_left();
}

/// Where the kernel's part cannot be measured the reason is told, and no group of it stays.
#[test]
fn a_floor_that_cannot_be_measured_leaves_nothing() {
    let Some(place) = Place::new() else { return };
    let script = "set -e; mkdir l u w m
        mount -t overlay overlay -o lowerdir=l,upperdir=u,workdir=w m
        export RBUILD_ROOT=$PWD/m/store
        $0 import $1 busybox
        $0 run --rm --network none --trace-start busybox true
        engine=$(printf %x-%x $(stat -c '%d %i' m/store))
        echo left: $(find /sys/fs/cgroup -path \"*/rbuild/$engine/*.floor\" -prune)";
    let rbuild = place.sandbox.rbuild_command([""; 0].iter());
    let mut command = place.sandbox.command("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(rbuild.get_program()).arg(busybox_rootfs());
    let done = run(&mut command, "").success();
    let done = done.says("cannot measure what the kernel takes").says("mount overlay");
    assert!(done.stdout.ends_with("left:\n"), "{done}");
}

/// Of all three processes, in the order in which they begin.
#[test]
fn a_start_shows_its_phases_and_what_the_kernel_takes() {
    let Some(place) = Place::new() else { return };
    place.rbuild("run --rm busybox true").success();
    let command = "run --rm --network none --trace-start busybox echo done";
    let traced = place.rbuild(command).success();
    assert_eq!(traced.stdout, "done\n");
    let rows: Vec<(f64, f64, Option<f64>, String)> =
        traced.stderr.lines().skip(2).map(row).collect();
    let (last, phases) = rows.split_last().unwrap();
    assert_eq!(last.3, "in all", "{traced}");
    assert!(phases.is_sorted_by(|one, next| one.0 <= next.0), "{traced}");
    let of = |who: &str| phases.iter().filter(|row| row.3.starts_with(who)).count();
    // One less where another cgroup than v2 has device rules.
    assert!([11, 12].contains(&of("shim ")), "{traced}");
    assert_eq!((of("rbuild "), of("container ")), (6, 8), "{traced}");
    for (_, took, floor, what) in phases {
        assert!(*took <= last.1, "{what}: {traced}");
        let expected = ["clone of the shim", "overlay", "filter", "cgroup of the"];
        assert!(floor.is_some() || !expected.iter().any(|it| what.contains(it)), "{traced}");
    }
    let floor: f64 = phases.iter().filter_map(|row| row.2).sum();
    assert!((floor - last.2.unwrap()).abs() < 0.1, "{traced}");
    // Until it runs, of one that is left to itself.
    let traced = place.rbuild("run -d --rm --trace-start busybox true").success();
    let traced = traced.says("overlay").says("in all");
    assert!(!traced.stderr.contains("out of sight"), "{traced}");
    place.assert_nothing_left();
}

/// When it began, how long it took, the floor if there is one, and what it is.
fn row(line: &str) -> (f64, f64, Option<f64>, String) {
    let number = |columns: std::ops::Range<usize>| line[columns].trim().parse().ok();
    let (began, took) = (number(0..8).unwrap_or_default(), number(8..17).unwrap());
    (began, took, number(17..26), line[28..].to_owned())
}
