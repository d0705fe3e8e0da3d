//! Programs of services around the lives of their containers.

use super::stack::Stack;

fn compose(service: &str) -> String {
    format!(
        "services:\n  a:\n    image: busybox\n    command: sleep 1000\n    stop_grace_period: 0s\n    volumes: [notes:/notes]\n{service}  b: {{image: busybox, command: sleep 1000, volumes: [notes:/notes], stop_grace_period: 0s}}\nvolumes: {{notes: {{}}}}\n"
    )
}

#[test]
fn a_program_runs_after_the_start_and_before_the_stop() {
    let Some(stack) = Stack::new(&compose(
        "    post_start:
      - {command: [sh, -c, 'echo started $$WORD as $$(id -u) in $$(pwd) >> /notes/log'], user: '1000', working_dir: /tmp, environment: {WORD: well}}
      - {command: [sh, -c, 'echo second >> /notes/log'], privileged: true}
    pre_stop:
      - {command: [sh, -c, 'echo stopping >> /notes/log']}
",
    )) else {
        return;
    };
    stack.rcompose("up -d --no-deps b").success();
    stack.rcompose("exec -T b chmod 777 /notes").success();
    let log = || stack.ask("exec -T b cat /notes/log");
    stack.rcompose("up -d").success();
    assert_eq!(log(), "started well as 1000 in /tmp\nsecond");
    stack.rcompose("up -d").success();
    assert_eq!(log(), "started well as 1000 in /tmp\nsecond", "nothing was started");
    stack.rcompose("stop a").success();
    assert_eq!(log(), "started well as 1000 in /tmp\nsecond\nstopping");
    stack.rcompose("stop a").success();
    stack.rcompose("start a").success();
    stack.rcompose("restart a").success();
    let twice = "started well as 1000 in /tmp\nsecond\nstopping\n".repeat(2);
    assert_eq!(log(), twice + "started well as 1000 in /tmp\nsecond");
    stack.assert_goes();
}

#[test]
fn a_program_that_fails_fails_up_and_says_what_it_wrote() {
    let Some(stack) =
        Stack::new(&compose("    post_start: [{command: [sh, -c, 'echo no luck; exit 3']}]\n"))
    else {
        return;
    };
    let up = stack.rcompose("up -d a").exits(1);
    up.says("a hook exited with status 3").says("no luck");
    assert_eq!(stack.ask("ps --format {{.State}} a"), "running");
    stack.write(&compose("    post_start: [{command: [no-such-program]}]\n"));
    stack.rcompose("up -d -t 0 a").exits(1).says("no-such-program");
    stack.write(&compose(""));
    stack.assert_goes();
}

#[test]
fn a_program_that_fails_before_the_stop_keeps_the_container() {
    let Some(stack) = Stack::new(&compose("    pre_stop: [{command: [sh, -c, 'exit 4']}]\n"))
    else {
        return;
    };
    stack.rcompose("up -d").success();
    stack.rcompose("down").exits(1).says("a hook exited with status 4");
    assert_eq!(stack.ask("ps --format {{.State}} a"), "running");
    stack.write(&compose(""));
    stack.assert_goes();
}

/// A program that leaves another one behind is over when it ends itself.
#[test]
fn what_a_program_leaves_behind_is_not_waited_for() {
    let Some(stack) = Stack::new(&compose(
        "    post_start: [{command: [sh, -c, 'sleep 500 & echo $$! > /notes/pid']}]\n",
    )) else {
        return;
    };
    stack.rcompose("up -d").success();
    let pid = stack.ask("exec -T b cat /notes/pid");
    assert!(pid.parse::<u32>().is_ok(), "{pid}");
    stack.assert_goes();
}

#[test]
fn attached_output_has_what_programs_write() {
    let Some(stack) = Stack::new(
        "services:
  a:
    image: busybox
    command: sh -c 'sleep 0.3; exit 0'
    post_start: [{command: [echo, hello]}]
  b:
    image: busybox
    command: sleep 1000
    stop_grace_period: 0s
    pre_stop: [{command: [echo, goodbye]}]
",
    ) else {
        return;
    };
    let up = stack.rcompose("up --abort-on-container-exit").success();
    assert!(up.stdout.contains("a-1 ->  | hello\n"), "{up}");
    assert!(up.stdout.contains("b-1 ->  | goodbye\n"), "{up}");
    stack.assert_goes();
}
