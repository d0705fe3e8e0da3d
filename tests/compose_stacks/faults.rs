//! Commands that are cut short, run beside each other, or meet a host that is not as they need it.

use std::thread;
use std::time::Duration;

use super::stack::Stack;
use crate::support::{Sandbox, SmallDisk, busybox_rootfs, privileged};

const COMPOSE: &str = "
services:
  a: {image: busybox, command: sleep 1000, environment: {X: '${X:-1}'}, volumes: [kept:/kept]}
  b: {image: busybox, command: sleep 1000, environment: {X: '${X:-1}'}, depends_on: [a]}
  c: {image: busybox, command: sleep 1000, environment: {X: '${X:-1}'}, depends_on: [b], deploy: {replicas: 2}}
volumes: {kept: {}}
";

/// `RBUILD_TEST_KILLS`, or a few.
fn rounds() -> u64 {
    let named = std::env::vars_os().find(|(name, _)| name == "RBUILD_TEST_KILLS");
    named.and_then(|(_, text)| text.to_str()?.parse().ok()).unwrap_or(6)
}

#[test]
fn what_a_killed_up_has_left_the_next_one_completes() {
    let Some(stack) = Stack::new(COMPOSE) else { return };
    stack.rcompose("up -d").success();
    stack.rcompose("exec -T a touch /kept/file").success();
    for round in 0..rounds() {
        let mut up = stack.command("up -d -t 0 --force-recreate");
        let mut child = up.env("X", round.to_string()).spawn().unwrap();
        thread::sleep(Duration::from_millis(15 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        stack.rcompose("up -d -t 0").success();
        let names = stack.ask("ps -a --format {{.Name}}:{{.State}}");
        let expected = ["a-1", "b-1", "c-1", "c-2"].map(|name| format!("shop-{name}:running"));
        assert_eq!(names, expected.join("\n"), "after round {round}");
        stack.rcompose("exec -T a test -f /kept/file").success();
    }
    stack.assert_goes();
}

#[test]
fn what_a_killed_down_has_left_the_next_one_takes() {
    let Some(stack) = Stack::new(COMPOSE) else { return };
    for round in 0..rounds() {
        stack.rcompose("up -d").success();
        let mut child = stack.command("down -t 0").spawn().unwrap();
        thread::sleep(Duration::from_millis(10 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        stack.assert_goes();
    }
}

#[test]
fn two_that_change_one_project_do_so_one_after_the_other() {
    let Some(stack) = Stack::new(COMPOSE) else { return };
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| stack.rcompose("up -d -t 0").success());
        }
    });
    assert_eq!(stack.ask("ps -a --format {{.Name}}"), "shop-a-1\nshop-b-1\nshop-c-1\nshop-c-2");
    stack.assert_goes();
}

#[test]
fn containers_whose_shim_was_killed_come_back() {
    let Some(stack) = Stack::new(COMPOSE) else { return };
    stack.rcompose("up -d").success();
    let id = stack.ask("ps -q b");
    let state = stack.sandbox.root().join("containers").join(&id).join("state.json");
    let state: serde_json::Value = serde_json::from_slice(&std::fs::read(state).unwrap()).unwrap();
    let shim = i32::try_from(state["shim"]["pid"].as_i64().unwrap()).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(shim), nix::sys::signal::SIGKILL).unwrap();
    stack.until("ps -a b --format {{.State}}", "exited");
    stack.rcompose("up -d").success();
    assert_eq!(stack.ask("ps -q b"), id);
    stack.assert_goes();
}

#[test]
fn a_port_that_is_taken_is_named_with_its_holder() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let compose = format!(
        "services: {{a: {{image: busybox, command: sleep 1000, ports: ['127.0.0.1:{port}:80']}}}}"
    );
    let Some(stack) = Stack::new(&compose) else { return };
    let up = stack.rcompose("up -d").exits(1);
    up.says(&format!("port {port}/tcp of 127.0.0.1 is in use"));
    drop(holder);
    stack.rcompose("up -d").success();
    assert_eq!(stack.ask("port a 80"), format!("127.0.0.1:{port}"));
    stack.assert_goes();
}

/// Between the plan and the moment when its container starts.
#[test]
fn a_port_that_is_taken_meanwhile_is_named_and_the_next_up_goes_on() {
    let compose = |port: u16| {
        format!(
            "services:
  db:
    image: busybox
    command: sleep 1000
    stop_grace_period: 0s
    healthcheck: {{test: test -f /ready, interval: 50ms, retries: 100000}}
  web: {{image: busybox, command: sleep 1000, ports: ['127.0.0.1:{port}:80'], depends_on: {{db: {{condition: service_healthy}}}}}}
"
        )
    };
    let listen = |port| std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let port = listen(0).local_addr().unwrap().port();
    let Some(stack) = Stack::new(&compose(port)) else { return };
    let up = stack.command("up -d").stderr(std::process::Stdio::piped()).spawn().unwrap();
    stack.until("ps --format {{.Name}}", "shop-db-1");
    let holder = listen(port);
    stack.rcompose("exec -T db touch /ready").success();
    let up = up.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&up.stderr);
    assert_eq!(up.status.code(), Some(1), "{text}");
    assert!(text.contains(&format!("port {port}/tcp of 127.0.0.1 is in use")), "{text}");
    drop(holder);
    stack.rcompose("up -d").success();
    assert_eq!(stack.ask("port web 80"), format!("127.0.0.1:{port}"));
    stack.assert_goes();
}

/// A service that writes until nothing fits does not take others along.
#[test]
fn a_disk_that_its_logs_have_filled_keeps_the_stack_in_hand() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::new();
    let disk = SmallDisk::new(&sandbox);
    let rootfs = busybox_rootfs();
    sandbox.rbuild(["import".as_ref(), rootfs.as_os_str(), "busybox".as_ref()]).success();
    let stack = Stack::within(
        sandbox,
        "services:
  loud: {image: busybox, command: sh -c 'while :; do head -c 4000 /dev/zero | tr \\\\0 x; echo; done', stop_grace_period: 0s}
  calm: {image: busybox, command: sh -c 'echo kept > /data/note; exec sleep 1000', volumes: [data:/data], stop_grace_period: 0s}
volumes: {data: {}}
",
    );
    stack.rcompose("up -d calm").success();
    stack.until("exec -T calm cat /data/note", "kept");
    disk.resize(disk.used() + 8192);
    stack.rcompose("up -d").success();
    let began = std::time::Instant::now();
    while disk.free() > 64 {
        assert!(began.elapsed() < Duration::from_secs(60), "{} KiB are left", disk.free());
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(stack.ask("exec -T calm cat /data/note"), "kept");
    assert!(stack.ask("ps --format {{.Service}}:{{.State}}").contains("calm:running"));
    assert!(stack.ask("logs -n 1 --no-log-prefix loud").starts_with("xxx"));
    stack.rcompose("down -t 0").success();
    disk.resize(64 << 10);
    stack.rcompose("up -d calm").success();
    assert_eq!(stack.ask("exec -T calm cat /data/note"), "kept");
    stack.assert_goes();
}
