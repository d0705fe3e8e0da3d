//! Stacks that are hit at random: commands, shims and services are killed while a project comes up, changes and goes. After every
//! blow the next `up` makes it as it should be, and nothing of it stays when it goes.
//!
//! `RBUILD_TEST_KILLS` is the number of blows, `RBUILD_TEST_SEED` repeats those of a failure.

use std::fs;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::stack::Stack;
use crate::support::leftovers;

const COMPOSE: &str = "
services:
  a: {image: busybox, command: sleep 1000, stop_grace_period: 0s, volumes: [kept:/kept], environment: {X: '${X:-1}'}}
  b: {image: busybox, command: sleep 1000, stop_grace_period: 0s, depends_on: [a], environment: {X: '${X:-1}'}}
  c: {image: busybox, command: sleep 1000, stop_grace_period: 0s, depends_on: [b], deploy: {replicas: 2}}
  done: {image: busybox, command: 'true', depends_on: [a], networks: [other, default]}
  watched:
    image: busybox
    command: sleep 1000
    stop_grace_period: 0s
    restart: always
    tmpfs: [/scratch]
    healthcheck: {test: 'true', interval: 50ms}
volumes: {kept: {}}
networks: {other: {}}
";

const UP: &str = "shop-a-1:running\nshop-b-1:running\nshop-c-1:running\nshop-c-2:running\nshop-done-1:exited\nshop-watched-1:running";

/// The same numbers every time, unless another seed is named.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize]
    }
}

fn number(name: &str) -> Option<u64> {
    let named = std::env::vars_os().find(|(known, _)| known == name);
    named.and_then(|(_, text)| text.to_str()?.parse().ok())
}

const COMMANDS: [&str; 6] = [
    "up -d -t 0",
    "up -d -t 0 --force-recreate",
    "down -t 0",
    "restart -t 0",
    "stop -t 0",
    "up -d -t 0 --scale c=4",
];

#[derive(Clone, Copy, Debug)]
enum Blow {
    Command,
    Shim,
    Service,
    /// Two commands at once, none of which is killed.
    Two,
}

#[test]
fn whatever_is_killed_the_next_up_makes_it_good() {
    let Some(stack) = Stack::new(COMPOSE) else { return };
    let seed = number("RBUILD_TEST_SEED").unwrap_or(20_261_128);
    let mut chance = Chance(seed.max(1));
    stack.rcompose("up -d").success();
    stack.rcompose("exec -T a touch /kept/file").success();
    for round in 0..number("RBUILD_TEST_KILLS").unwrap_or(8) {
        let line = chance.of(&COMMANDS);
        let blow = chance.of(&[Blow::Command, Blow::Shim, Blow::Service, Blow::Two]);
        let about = format!("round {round} of seed {seed}: {blow:?} during `{line}`");
        let mut child = begin(&stack, line, round);
        let moment =
            Duration::from_millis(chance.below(if line.starts_with("down") { 80 } else { 160 }));
        thread::sleep(moment);
        strike(&stack, blow, &mut child, &mut chance);
        child.wait().unwrap();
        let up = stack.rcompose("up -d -t 0");
        assert_eq!(up.status, Some(0), "{about}: {up}");
        stack.until("ps -a --format {{.Name}}:{{.State}}", UP);
        stack.rcompose("exec -T a test -f /kept/file").success();
        stack.rcompose("exec -T c ping -c1 -W5 a").success();
        if round % 8 == 7 {
            stack.rcompose("down -t 0").success();
            assert_nothing_is_left(&stack, &about);
        }
    }
    stack.rcompose("up -d -t 0").success();
    stack.rcompose("exec -T a test -f /kept/file").success();
    stack.assert_goes();
    assert_nothing_is_left(&stack, "at the end");
}

fn begin(stack: &Stack, line: &str, round: u64) -> Child {
    let mut command = stack.command(line);
    command.env("X", (round % 3).to_string());
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn strike(stack: &Stack, blow: Blow, child: &mut Child, chance: &mut Chance) {
    match blow {
        Blow::Command => child.kill().unwrap(),
        Blow::Two => {
            stack.rcompose("up -d -t 0").success();
        }
        Blow::Shim | Blow::Service => {
            let containers = stack.sandbox.root().join("containers");
            let states = fs::read_dir(containers).into_iter().flatten().flatten();
            let states = states.filter_map(|it| fs::read(it.path().join("state.json")).ok());
            let key = if matches!(blow, Blow::Shim) { "shim" } else { "process" };
            let pid =
                |text: Vec<u8>| serde_json::from_slice::<Value>(&text).ok()?[key]["pid"].as_i64();
            let mut pids: Vec<i64> = states.filter_map(pid).collect();
            pids.sort_unstable();
            if !pids.is_empty() {
                let pid = Pid::from_raw(i32::try_from(chance.of(&pids)).unwrap());
                // It may have ended by itself.
                if is_of(stack, pid) {
                    let _gone = kill(pid, Signal::SIGKILL);
                }
            }
        }
    }
}

/// Whether a process is one of this stack's: a shim names the store, a service has it as its root.
fn is_of(stack: &Stack, pid: Pid) -> bool {
    let root = stack.sandbox.root();
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
    let text = root.to_str().unwrap();
    String::from_utf8_lossy(&command).contains(text) || mounts.contains(text)
}

#[track_caller]
fn assert_nothing_is_left(stack: &Stack, about: &str) {
    let began = std::time::Instant::now();
    loop {
        let left = leftovers(&stack.sandbox);
        if left.is_empty() {
            return;
        }
        // What was killed takes a moment to go, and the next command to clean up after it.
        assert!(began.elapsed() < Duration::from_secs(30), "{about}: {left:#?}");
        thread::sleep(Duration::from_millis(50));
        stack.sandbox.rbuild(["ps", "-aq"]).success();
        stack.sandbox.rbuild(["run", "--rm", "busybox", "true"]).success();
    }
}
