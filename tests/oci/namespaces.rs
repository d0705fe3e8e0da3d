//! Namespaces: made, joined by their files, or shared with the caller.

use std::fs;

use serde_json::{Value, json};

use super::bundle::{Bundle, script};

const KINDS: [(&str, &str); 5] =
    [("pid", "pid"), ("network", "net"), ("ipc", "ipc"), ("uts", "uts"), ("cgroup", "cgroup")];

fn of_process(pid: &str, file: &str) -> String {
    fs::read_link(format!("/proc/{pid}/ns/{file}")).unwrap().display().to_string()
}

#[test]
fn what_is_listed_is_its_own_and_the_rest_the_callers() {
    let Some(bundle) = Bundle::new(|_| ()) else { return };
    bundle.create("own").success();
    let pid = bundle.sandbox.read("pid");
    for (kind, file) in KINDS {
        assert_ne!(of_process(&pid, file), of_process("self", file), "{kind}");
    }
    bundle.configure(|config| {
        config["linux"]["namespaces"] = json!([{ "type": "mount" }]);
        config["hostname"] = Value::Null;
        config["linux"]["readonlyPaths"] = json!([]);
    });
    bundle.create("shared").success();
    let pid = bundle.sandbox.read("pid");
    for (kind, file) in KINDS {
        assert_eq!(of_process(&pid, file), of_process("self", file), "{kind}");
    }
    assert_ne!(of_process(&pid, "mnt"), of_process("self", "mnt"));
}

#[test]
fn others_are_joined_by_their_files() {
    let Some(bundle) = Bundle::new(|config| {
        config["hostname"] = "first".into();
        config["process"]["args"] = script("sleep 1000");
    }) else {
        return;
    };
    bundle.create("first").success();
    bundle.oci("start first").success();
    let first = bundle.sandbox.read("pid");
    bundle.configure(|config| {
        let namespaces = KINDS.map(
            |(kind, file)| json!({ "type": kind, "path": format!("/proc/{first}/ns/{file}") }),
        );
        config["linux"]["namespaces"] =
            namespaces.iter().cloned().chain([json!({ "type": "mount" })]).collect();
        config["hostname"] = Value::Null;
        config["process"]["args"] = script("hostname; ps | grep -c 'sleep 1000'; sleep 1000");
    });
    bundle.create("second").success();
    bundle.oci("start second").success();
    bundle.wait_for_output("first\n");
    let second = bundle.sandbox.read("pid");
    for (kind, file) in KINDS {
        assert_eq!(of_process(&second, file), of_process(&first, file), "{kind}");
    }
    bundle.configure(|config| {
        config["linux"]["namespaces"] =
            json!([{ "type": "mount" }, { "type": "network", "path": "/not/there" }]);
    });
    bundle.create("third").exits(1).says("open the namespace `/not/there`");
    bundle.oci("list -q").success().prints("first\nsecond\n");
}

#[test]
fn programs_join_what_the_container_has() {
    let Some(bundle) = Bundle::new(|config| {
        config["process"]["args"] = script("trap 'exit 0' TERM; while :; do sleep 0.05; done");
        config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{ "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO" }],
        });
    }) else {
        return;
    };
    bundle.create("c1").success();
    bundle.oci("start c1").success();
    let run = |line: &[&str]| crate::support::run(&mut bundle.command(line), "");
    let text = "hostname; echo $A; id -u; id -g; pwd; mkdir /x; readlink /proc/self/ns/pid; exit 5";
    let line = ["exec", "-e", "A=b", "-u", "3:4", "--cwd", "/tmp", "c1", "sh", "-c", text];
    let output = run(&line).exits(5).says("Operation not permitted");
    let pid = bundle.sandbox.read("pid");
    let namespace = of_process(&pid, "pid");
    assert_eq!(output.stdout, format!("box\nb\n3\n4\n/tmp\n{namespace}\n"));
    run(&["exec", "c1", "absent"]).exits(127).says("executable file not found in $PATH");
    run(&["exec", "c1", "/etc/passwd"]).exits(126).says("permission denied");
    bundle.sandbox.write(
        "process.json",
        &json!({
            "user": { "uid": 1, "gid": 2, "additionalGids": [3] },
            "args": ["sh", "-c", "id -G; grep CapBnd /proc/self/status; sleep 1000"],
            "env": ["PATH=/bin"],
            "cwd": "/",
            "capabilities": { "bounding": ["CAP_KILL"] },
        })
        .to_string(),
    );
    let line = ["exec", "--process", "process.json", "--detach", "--pid-file", "exec.pid", "c1"];
    bundle.detached(&line).success();
    bundle.wait_for_output("CapBnd:\t0000000000000020\n");
    assert!(bundle.sandbox.read("out").starts_with("2 3\n"));
    assert_eq!(of_process(&bundle.sandbox.read("exec.pid"), "pid"), namespace);
    let processes = bundle.oci("ps -f json c1").success().stdout;
    assert!(processes.contains(&bundle.sandbox.read("exec.pid")), "{processes}");
    bundle.sandbox.write("process.json", r#"{"args": ["true"], "cwd": "/", "selinuxLabel": "x"}"#);
    run(&["exec", "--process", "process.json", "c1"])
        .exits(255)
        .says("`process.selinuxLabel` is not supported");
}
