//! Restart policies, health checks, and what a reboot does.

use std::fs;

use super::place::Place;

const WAITS: &str = "while :; do sleep 0.05; done";

#[test]
fn what_fails_is_started_again_as_often_as_it_may() {
    let Some(place) = Place::new() else { return };
    let script = "echo run >> /runs; exit 4";
    place.shell("run -d --name fails --restart on-failure:2", script).success();
    place.until("fails", "{{.State.Status}} {{.RestartCount}}", "exited 2");
    assert_eq!(place.look("fails", "{{.State.ExitCode}}"), "4");
    place.shell("run -d --name fine --restart on-failure:2", "exit 0").success();
    place.until("fine", "{{.State.Status}} {{.RestartCount}}", "exited 0");
}

#[test]
fn what_was_stopped_by_hand_stays_stopped() {
    let Some(place) = Place::new() else { return };
    place.shell("run -d --name again --restart always", "exit 1").success();
    place.until("again", "{{ge .RestartCount 2}}", "true");
    place.rbuild("stop again").success();
    assert_eq!(place.look("again", "{{.State.Status}}"), "exited");
    place.shell("run -d --name killed --restart unless-stopped", WAITS).success();
    place.rbuild("kill killed").success();
    place.rbuild("wait killed").success().prints("137\n");
    assert_eq!(place.look("killed", "{{.State.Status}}"), "exited");
}

#[test]
fn health_is_what_the_check_says() {
    let Some(place) = Place::new() else { return };
    let flags =
        "run -d --name sick --health-interval 100ms --health-retries 2 --health-timeout 10s";
    let words = flags.split(' ').chain(["--health-cmd", "echo looked; test ! -e /sick"]);
    place.sandbox.rbuild(words.chain(["busybox", "sh", "-c", WAITS])).success();
    place.until("sick", "{{.State.Health.Status}}", "healthy");
    assert!(place.rbuild("ps").success().stdout.contains("(healthy)"));
    place.rbuild("exec sick touch /sick").success();
    place.until("sick", "{{.State.Health.Status}}", "unhealthy");
    let runs = place.look("sick", "{{json .State.Health.Log}}");
    let runs: serde_json::Value = serde_json::from_str(&runs).unwrap();
    let last = runs.as_array().unwrap().last().unwrap();
    assert_eq!((&last["ExitCode"], &last["Output"]), (&1.into(), &"looked\n".into()), "{last}");
    place.rbuild("ps -q --filter health=unhealthy").success();
    place.rbuild("rm -f sick").success();
    let words =
        "run -d --name slow --health-interval 100ms --health-retries 1 --health-timeout 200ms";
    let words = words.split(' ').chain(["--health-cmd", "sleep 60"]);
    place.sandbox.rbuild(words.chain(["busybox", "sh", "-c", WAITS])).success();
    place.until("slow", "{{.State.Health.Status}}", "unhealthy");
    assert!(place.look("slow", "{{json .State.Health.Log}}").contains("exceeded timeout (200ms)"));
}

/// Another boot ID and an empty state directory are what a reboot leaves, once the processes are gone.
#[test]
fn after_a_reboot_containers_wait_to_be_started() {
    let Some(place) = Place::new() else { return };
    for (name, policy) in [
        ("never", "no"),
        ("always", "always"),
        ("unless", "unless-stopped"),
        ("asked", "unless-stopped"),
    ] {
        place.shell(&format!("run -d --name {name} --restart {policy}"), WAITS).success();
    }
    place.rbuild("stop -t 0 asked").success();
    place.shell("run -d --rm --name temporary", WAITS).success();
    let shims: Vec<i32> =
        ["never", "always", "unless", "temporary"].map(|name| place.shim(name)).to_vec();
    for shim in shims {
        let pid = rustix::process::Pid::from_raw(shim).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        while fs::metadata(format!("/proc/{shim}/root")).is_ok() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
    let state = place.sandbox.path("state");
    fs::remove_dir_all(&state).unwrap();
    fs::create_dir(&state).unwrap();
    fs::write(state.join("boot_id"), "11111111-2222-3333-4444-555555555555\n").unwrap();
    let list = place.sandbox.rbuild(["ps", "-a", "--format", "{{.Names}} {{.Status}}"]).success();
    for name in ["never", "always", "unless"] {
        assert!(list.stdout.contains(&format!("{name} Exited (255) ")), "{list}");
    }
    assert!(list.stdout.contains("asked Exited (137) "), "{list}");
    // It was to go when it ends.
    assert!(!list.stdout.contains("temporary"), "{list}");
    let status = place.rbuild("system status").success().stdout;
    assert!(status.contains("to be started by `rbuild system start`: 2"), "{status}");
    let mut started: Vec<String> =
        place.rbuild("system start").success().stdout.lines().map(str::to_owned).collect();
    started.sort();
    assert_eq!(started, ["always", "unless"]);
    assert_eq!(place.look("always", "{{.State.Running}}"), "true");
    place.rbuild("system start").success().prints("");
    let unit = place.rbuild("system install --print").success().stdout;
    assert!(unit.contains("system start\n") && unit.contains("KillMode=none"), "{unit}");
}
