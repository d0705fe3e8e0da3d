//! Changes of files here come into the containers.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::stack::Stack;

/// A `watch` that runs, and the lines it writes.
struct Watching {
    child: Child,
    lines: Receiver<String>,
}

impl Watching {
    #[track_caller]
    fn start(stack: &Stack, line: &str) -> Watching {
        let mut command = stack.command(line);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (tell, lines) = channel();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let other = tell.clone();
        let read = |stream: Box<dyn std::io::Read + Send>,
                    tell: std::sync::mpsc::Sender<String>| {
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _over = tell.send(line);
                }
            });
        };
        read(Box::new(stdout), tell);
        read(Box::new(stderr), other);
        let mut watching = Watching { child, lines };
        watching.hears("Watch enabled");
        watching
    }

    #[track_caller]
    fn hears(&mut self, text: &str) {
        let mut heard = Vec::new();
        loop {
            match self.lines.recv_timeout(Duration::from_secs(60)) {
                Ok(line) if line.contains(text) => return,
                Ok(line) => heard.push(line),
                Err(_) => panic!("not heard: {text}; but:\n{}", heard.join("\n")),
            }
        }
    }

    #[track_caller]
    fn ends(mut self) -> i32 {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::SIGINT).unwrap();
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // Of a failed test.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

const COMPOSE: &str = "
services:
  app:
    image: busybox
    command: sh -c 'echo up >> /starts; exec sleep 1000'
    stop_grace_period: 0s
    develop:
      watch:
        - {path: ./src, action: sync, target: /app/src, ignore: ['*.log'], initial_sync: true}
        - {path: ./conf, action: sync+restart, target: /app/conf}
        - {path: ./hot, action: sync+exec, target: /app/hot, exec: {command: [sh, -c, 'cat /app/hot/* > /reloaded']}}
        - {path: ./trigger, action: restart}
  other: {image: busybox, command: sleep 1000, stop_grace_period: 0s}
";

#[test]
fn files_are_synced_programs_run_and_containers_restarted() {
    let Some(stack) = Stack::new(COMPOSE) else { return };
    stack.sandbox.write("shop/src/first", "first");
    let mut watching = Watching::start(&stack, "watch app");
    assert_eq!(stack.ask("ps --services"), "app");
    assert_eq!(stack.ask("exec -T app cat /app/src/first"), "first");

    stack.sandbox.write("shop/src/deep/new", "new");
    stack.sandbox.write("shop/src/noise.log", "noise");
    watching.hears("Syncing service \"app\"");
    stack.until("exec -T app sh -c cat</app/src/deep/new||true", "new");
    stack.rcompose("exec -T app test -e /app/src/noise.log").exits(1);
    fs::remove_dir_all(stack.sandbox.path("shop/src/deep")).unwrap();
    stack.until("exec -T app ls /app/src", "first");

    stack.sandbox.write("shop/hot/a", "hot");
    stack.until("exec -T app sh -c cat</reloaded||true", "hot");
    assert_eq!(stack.ask("exec -T app cat /starts"), "up");

    stack.sandbox.write("shop/conf/a", "one");
    watching.hears("service(s) [\"app\"] restarted");
    assert_eq!(stack.ask("exec -T app cat /app/conf/a /starts"), "oneup\nup");
    stack.sandbox.write("shop/trigger", "");
    watching.hears("service(s) [\"app\"] restarted");
    assert_eq!(stack.ask("exec -T app cat /starts"), "up\nup\nup");
    assert_eq!(watching.ends(), 0);
    assert_eq!(stack.ask("ps --format {{.State}}"), "running");
    stack.assert_goes();
}

const REBUILT: &str = "
services:
  app:
    build: .
    command: sleep 1000
    stop_grace_period: 0s
    depends_on: [db]
    develop: {watch: [{path: ./version, action: rebuild}]}
  db: {image: busybox, command: sleep 1000, stop_grace_period: 0s}
";

#[test]
fn a_change_builds_anew_and_leaves_dependencies_alone() {
    let Some(stack) = Stack::new(REBUILT) else { return };
    stack.sandbox.write("shop/Dockerfile", "FROM busybox\nCOPY version /version\n");
    stack.sandbox.write("shop/version", "1");
    let mut watching = Watching::start(&stack, "up --watch");
    assert_eq!(stack.ask("exec -T app cat /version"), "1");
    let db = stack.ask("ps -q db");
    let images = || stack.sandbox.rbuild(["images", "-a", "-q"]).success().stdout.lines().count();
    let before = images();
    stack.sandbox.write("shop/version", "2");
    watching.hears("Rebuilding service(s) [\"app\"]");
    watching.hears("successfully built");
    stack.until("exec -T app cat /version", "2");
    assert_eq!(stack.ask("ps -q db"), db);
    // A mistake is told, and the next change is built.
    stack.sandbox.write("shop/Dockerfile", "FROM busybox\nCOPY absent /version\n");
    stack.sandbox.write("shop/version", "3");
    watching.hears("cannot build the image of service `app`");
    stack.sandbox.write("shop/Dockerfile", "FROM busybox\nCOPY version /version\n");
    stack.sandbox.write("shop/version", "4");
    watching.hears("successfully built");
    stack.until("exec -T app cat /version", "4");
    assert_eq!(images(), before, "old images are pruned");
    assert_eq!(watching.ends(), 130);
    assert_eq!(stack.ask("ps -q"), "");
    stack.assert_goes();
}

#[test]
fn what_cannot_be_watched_is_told_before_anything_is_done() {
    let Some(stack) = Stack::new("services: {a: {image: busybox, command: sleep 1000}}") else {
        return;
    };
    stack.rcompose("watch").exits(1).says("consider setting a 'develop' section");
    let rebuild = "services: {a: {image: busybox, develop: {watch: [{path: ., action: rebuild}]}}}";
    stack.write(rebuild);
    stack.rcompose("up --watch").exits(1).says("without a build context");
    stack.assert_goes();
}
