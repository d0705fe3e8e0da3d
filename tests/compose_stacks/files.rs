//! Files in and out of stacks, what happens in them, and what they use.

use std::fs;

use serde_json::Value;

use super::stack::Stack;
use crate::support::run;

const THREE: &str = "services: {a: {image: busybox, command: sleep 1000, deploy: {replicas: 3}, labels: {colour: red}}}";

#[test]
fn files_go_to_all_containers_and_come_from_one() {
    let Some(stack) = Stack::new(THREE) else { return };
    stack.rcompose("up -d").success();
    stack.sandbox.write("shop/note", "hello");
    stack.rcompose("cp note a:/tmp/note").success();
    for index in 1..=3 {
        assert_eq!(stack.ask(&format!("exec -T --index {index} a cat /tmp/note")), "hello");
    }
    stack.sandbox.write("shop/note", "second");
    stack.rcompose("cp --index 2 note a:/tmp/note").success();
    assert_eq!(stack.ask("exec -T --index 1 a cat /tmp/note"), "hello");
    assert_eq!(stack.ask("exec -T --index 2 a cat /tmp/note"), "second");
    stack.rcompose("cp a:/tmp/note first").success();
    stack.rcompose("cp --index 2 a:/tmp/note second").success();
    assert_eq!(stack.sandbox.read("shop/first"), "hello");
    assert_eq!(stack.sandbox.read("shop/second"), "second");
    stack.rcompose("cp --index 7 note a:/tmp").exits(1).says("no container with index 7");
    stack.rcompose("cp note b:/tmp").exits(1).says("no such service: b");
    stack.rcompose("cp a:/tmp/note a:/tmp/other").exits(1).says("from service to service");
    stack.rcompose("cp note other").exits(1).says("SERVICE:PATH");
    stack.rcompose("cp - a:/tmp").exits(1).says("name one with `--index`");
    stack.rcompose("cp a:/absent here").exits(1).says("`/absent` does not exist");
    stack.assert_goes();
}

#[test]
fn archives_go_through_pipes() {
    let Some(stack) = Stack::new(THREE) else { return };
    stack.rcompose("up --no-start").success();
    stack.sandbox.write("shop/files/a", "a");
    let mut tar = stack.sandbox.command("tar");
    run(tar.args(["-cf", "in.tar", "-C", "shop", "files"]), "").success();
    let mut copy = stack.command("cp --index 1 - a:/tmp");
    copy.stdin(fs::File::open(stack.sandbox.path("in.tar")).unwrap());
    run(&mut copy, "").success();
    let out = fs::File::create(stack.sandbox.path("out.tar")).unwrap();
    let status = stack.command("cp a:/tmp/files -").stdout(out).status().unwrap();
    assert!(status.success());
    let mut list = stack.sandbox.command("tar");
    run(list.args(["-tf", "out.tar"]), "").success().prints("files/\nfiles/a\n");
    stack.assert_goes();
}

#[test]
fn what_happens_is_told() {
    let Some(stack) = Stack::new(THREE) else { return };
    stack.rcompose("up -d").success();
    stack.rcompose("run --rm -T a true").success();
    stack.rcompose("kill a").success();
    let lines = stack.ask("events --json --since 1h --until 0s");
    let events: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |action: &str| events.iter().filter(|event| event["action"] == action).count();
    assert_eq!((of("create"), of("start"), of("die")), (3, 3, 3), "{lines}");
    for event in &events {
        assert_eq!((&event["service"], &event["type"]), (&"a".into(), &"container".into()));
        assert_eq!(event["attributes"]["colour"], "red");
        assert!(event["attributes"]["com.docker.compose.project"].is_null(), "{event}");
    }
    let lines = stack.ask("events --since 1h --until 0s a");
    assert!(lines.contains(" container start ") && lines.contains("name=shop-a-1"), "{lines}");
    stack.rcompose("events b").exits(1).says("no such service: b");
    stack.assert_goes();
}

#[test]
fn what_is_used_is_told() {
    let Some(stack) = Stack::new(THREE) else { return };
    stack.rcompose("up -d --scale a=2").success();
    let names = stack.ask("stats --no-stream --format {{.Name}}");
    assert_eq!(names, "shop-a-1\nshop-a-2");
    let table = stack.ask("stats --no-stream a");
    assert!(table.starts_with("CONTAINER ID") && table.contains("shop-a-2"), "{table}");
    stack.rcompose("stop -t 0").success();
    assert_eq!(stack.ask("stats --no-stream --format {{.Name}}"), "");
    assert_eq!(stack.ask("stats -a --no-stream --format {{.Name}}"), names);
    stack.assert_goes();
}

#[test]
fn a_container_of_run_is_found_when_there_is_no_other() {
    let Some(stack) = Stack::new(THREE) else { return };
    stack.rcompose("run -d --name one a sleep 1000").success();
    assert_eq!(stack.ask("exec -T a cat /proc/1/cmdline").replace('\0', " ").trim(), "sleep 1000");
    stack.rcompose("exec -T --index 1 a true").exits(1).says("no container with index 1");
    stack.rcompose("up -d").success();
    let hostname = stack.ask("exec -T a hostname");
    assert_eq!(stack.ask("exec -T --index 1 a hostname"), hostname);
    stack.assert_goes();
}
