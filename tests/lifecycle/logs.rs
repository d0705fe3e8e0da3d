//! What containers write, kept and shown.

use std::process::Stdio;

use super::place::Place;

#[test]
fn output_is_kept_and_shown_in_order() {
    let Some(place) = Place::new() else { return };
    place
        .shell("run --name talk", "for i in 1 2 3; do echo line $i; done; echo oops >&2")
        .success();
    let shown = place.rbuild("logs talk").success();
    assert_eq!(
        (shown.stdout.as_str(), shown.stderr.as_str()),
        ("line 1\nline 2\nline 3\n", "oops\n")
    );
    place.rbuild("logs -n 2 talk").success().prints("line 3\n").says("oops");
    place.rbuild("logs --tail 0 talk").success().prints("");
    place.rbuild("logs --since 2100-01-01 talk").success().prints("");
    place.rbuild("logs --until 2000-01-01 talk").success().prints("");
    let timed = place.rbuild("logs -t --tail 4 talk").success().stdout;
    let first = timed.lines().next().unwrap();
    assert_eq!((first.len(), &first[30..]), (37, " line 1"), "{first}");
    // A second run is added.
    place.rbuild("start -a talk").success();
    assert_eq!(place.rbuild("logs talk").success().stdout.lines().count(), 6);
    let path = place.look("talk", "{{.LogPath}}");
    let text = std::fs::read_to_string(path).unwrap();
    let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let keys: Vec<&String> = first.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["log", "stream", "time"]);
}

#[test]
fn logs_are_rotated_followed_or_not_kept() {
    let Some(place) = Place::new() else { return };
    let line = "run --name many --log-opt max-size=2k --log-opt max-file=3";
    place.shell(line, "for i in $(seq 200); do echo line $i; done").success();
    let shown = place.rbuild("logs many").success().stdout;
    let count = shown.lines().count();
    assert!((20..120).contains(&count), "{count}");
    assert!(shown.ends_with("line 199\nline 200\n"));
    place.shell("run --name silent --log-driver none", "echo seen").success().prints("seen\n");
    place.rbuild("logs silent").exits(1).says("keeps no log");

    let script = "echo one; while [ ! -e /go ]; do sleep 0.05; done; echo two; exit 0";
    place.shell("run -d --name slow --log-opt labels=a --label a=b", script).success();
    let mut follow = place.sandbox.rbuild_command(["logs", "-f", "--details", "slow"]);
    let follow = follow.stdout(Stdio::piped()).spawn().unwrap();
    place.rbuild("exec slow touch /go").success();
    let output = follow.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "a=b one\na=b two\n");
}

#[test]
fn a_client_that_is_killed_leaves_the_container_alone() {
    let Some(place) = Place::new() else { return };
    let script = "echo ready; while [ ! -e /go ]; do sleep 0.05; done; echo after";
    let words = ["run", "--name", "stays", "busybox", "sh", "-c", script];
    let mut client = place.sandbox.rbuild_command(words);
    let mut client = client.stdout(Stdio::piped()).spawn().unwrap();
    let mut ready = [0; 6];
    std::io::Read::read_exact(client.stdout.as_mut().unwrap(), &mut ready).unwrap();
    client.kill().unwrap();
    client.wait().unwrap();
    assert_eq!(place.look("stays", "{{.State.Running}}"), "true");
    place.rbuild("exec stays touch /go").success();
    place.rbuild("wait stays").success().prints("0\n");
    place.rbuild("logs stays").success().prints("ready\nafter\n");
}
