//! What is done to a container from several sides at once.

use std::fs::File;
use std::io::Read as _;
use std::process::Stdio;
use std::time::Duration;

use super::place::Place;

const WAITS: &str = "while :; do sleep 0.05; done";

/// CVE-2016-9962: a program on its way into a container shows nothing of the host to those who are there.
#[test]
fn programs_that_join_bring_nothing_of_the_host() {
    let Some(place) = Place::new() else { return };
    let watch = "touch /seen; while [ ! -e /stop ]; do ls -l /proc/[0-9]*/fd 2>/dev/null; done >>/seen; sleep 60";
    place.shell("run -d --name box", watch).success();
    for _ in 0..30 {
        place.rbuild("exec box true").success();
    }
    place.rbuild("exec box touch /stop").success();
    let seen = place.rbuild("exec box cat /seen").success().stdout;
    assert!(seen.contains("/seen"), "the watch saw nothing");
    for path in ["rbuild", "cgroup", "memfd", "fd/pidfd"] {
        let lines: Vec<&str> = seen.lines().filter(|line| line.contains(path)).collect();
        assert!(lines.is_empty(), "{path}: {lines:?}");
    }
    place.rbuild("rm -f box").success();
}

#[test]
fn who_stops_reading_ends_only_what_was_made_for_it() {
    let Some(place) = Place::new() else { return };
    let talks = "while :; do echo line; sleep 0.01; done";
    place.shell("run -d --name box", talks).success();
    let mut reader =
        place.sandbox.rbuild_command(["attach", "box"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = reader.stdout.take().unwrap();
    output.read_exact(&mut [0; 5]).unwrap();
    drop(output);
    reader.wait().unwrap();
    assert_eq!(place.look("box", "{{.State.Status}}"), "running");
    let before = place.rbuild("logs box").success().stdout.len();
    place.rbuild("exec box sleep 0.3").success();
    assert!(place.rbuild("logs box").success().stdout.len() > before, "it is heard no more");
    place.rbuild("rm -f box").success();
}

#[test]
fn a_client_that_does_not_read_holds_up_nobody() {
    let Some(place) = Place::new() else { return };
    let mut command = place.sandbox.rbuild_command(["run", "--name", "box", "busybox", "yes"]);
    let mut reader = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut output = reader.stdout.take().unwrap();
    output.read_exact(&mut [0; 2]).unwrap();
    place.rbuild("stop -t 1 box").success();
    assert_eq!(place.look("box", "{{.State.Status}}"), "exited");
    drop(output);
    reader.wait().unwrap();
    place.rbuild("rm box").success();
    place.assert_nothing_left();
}

#[test]
fn a_name_belongs_to_who_has_it_now() {
    let Some(place) = Place::new() else { return };
    place.shell("run -d --rm --name first", WAITS).success();
    place.rbuild("rename first second").success();
    place.shell("run -d --name first", WAITS).success();
    place.rbuild("rm -f second").success();
    assert_eq!(place.look("first", "{{.State.Status}}"), "running");
    place.rbuild("rm -f first").success();
    place.assert_nothing_left();
}

#[test]
fn a_file_for_the_id_that_cannot_be_written_leaves_no_container() {
    let Some(place) = Place::new() else { return };
    for line in ["run --rm", "run -d", "create"] {
        let line = format!("{line} --cidfile /absent/x/id busybox true");
        place.rbuild(&line).exits(125).says("cannot write `/absent/x/id`");
    }
    place.assert_nothing_left();
}

#[test]
fn stopping_for_ever_is_no_time_that_overflows() {
    let Some(place) = Place::new() else { return };
    place.shell("run -d --name box", "trap 'exit 3' TERM; while :; do sleep 0.05; done").success();
    place.rbuild("stop -t 9223372036854775807 box").success();
    assert_eq!(place.look("box", "{{.State.ExitCode}}"), "3");
    place.rbuild("rm box").success();
}

/// As with docker: what a program leaves behind in the container holds its streams, but not whoever started it.
#[test]
fn a_program_in_the_background_does_not_hold_up_exec() {
    let Some(place) = Place::new() else { return };
    place.shell("run -d --name box", WAITS).success();
    let leaves = "(sleep 30; touch /late) & echo started; echo error >&2";
    let output = place.shell("exec box", leaves).success();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("started\n", "error\n"));
    place.rbuild("exec box test -e /late").exits(1);
    place.rbuild("rm -f box").success();
    place.assert_nothing_left();
}

/// A shim is there a moment longer than its container; one that stays has begun anew.
#[test]
fn a_shim_that_is_about_to_go_is_waited_for() {
    let Some(place) = Place::new() else { return };
    let locked = |name: &str| {
        place.shell(&format!("run --name {name}"), "true").success();
        let directory = place.sandbox.path("state/containers").join(place.look(name, "{{.Id}}"));
        std::fs::create_dir_all(&directory).unwrap();
        let file = File::create(directory.join("lock")).unwrap();
        file.lock().unwrap();
        file
    };
    let shim = locked("goes");
    let goes = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        drop(shim);
    });
    place.rbuild("rm goes").success();
    goes.join().unwrap();
    let shim = locked("stays");
    place.rbuild("rm stays").exits(1).says("is being started or ended");
    drop(shim);
    place.rbuild("rm stays").success();
    place.assert_nothing_left();
}
