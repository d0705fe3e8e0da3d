//! Operations and states: what is allowed when, and what it changes.

use std::fs;

use serde_json::{Value, json};

use super::bundle::{Bundle, script};

const WAITS: &str = "touch /started; trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done";

fn waiting() -> Option<Bundle> {
    Bundle::new(|config| config["process"]["args"] = script(WAITS))
}

#[test]
fn a_container_is_created_started_killed_and_deleted() {
    let Some(bundle) = waiting() else { return };
    bundle.oci("state c1").exits(1).says("container `c1` does not exist");
    bundle.create("c1").success().prints("");
    let state = bundle.state("c1");
    assert_eq!((&state["status"], &state["id"]), (&json!("created"), &json!("c1")));
    assert_eq!(state["ociVersion"], "1.0.2");
    assert_eq!(state["bundle"], bundle.path("bundle").to_str().unwrap());
    assert_eq!(state["pid"].to_string(), bundle.sandbox.read("pid"));
    // Creating does not run the program.
    assert!(!bundle.path("bundle/rootfs/started").exists());
    bundle.create("c1").exits(1).says("container `c1` exists already");
    bundle.oci("delete c1").exits(1).says("cannot delete container `c1`: it is created");
    assert_eq!(bundle.status("c1"), "created");
    // What becomes of the bundle's files later changes nothing.
    bundle.configure(|config| config["process"]["args"] = json!(["false"]));
    bundle.oci("start c1").success();
    assert_eq!(bundle.status("c1"), "running");
    bundle.oci("start c1").exits(1).says("cannot start container `c1`: it is running");
    bundle.oci("delete c1").exits(1).says("it is running");
    assert_eq!(bundle.status("c1"), "running");
    assert_eq!(bundle.state("c1")["pid"].to_string(), bundle.sandbox.read("pid"));
    let proc = format!("/proc/{}/cgroup", bundle.sandbox.read("pid"));
    let cgroups = fs::read_to_string(proc).unwrap();
    assert!(cgroups.contains("/rbuild-oci/") && cgroups.contains("-c1\n"), "{cgroups}");
}

#[test]
fn a_stopped_container_is_only_to_be_deleted() {
    let Some(bundle) = waiting() else { return };
    bundle.create("c1").success();
    bundle.oci("start c1").success();
    bundle.wait_for_output("up");
    let cgroups =
        fs::read_to_string(format!("/proc/{}/cgroup", bundle.sandbox.read("pid"))).unwrap();
    let group =
        cgroups.lines().find_map(|line| line.split_once(":/rbuild-oci/")).unwrap().1.to_owned();
    bundle.oci("kill c1 SIGTERM").success();
    bundle.wait_for("c1", "stopped");
    assert_eq!(bundle.state("c1")["pid"], 0);
    bundle.oci("kill c1 KILL").exits(1).says("container not running");
    bundle.oci("kill --all c1 KILL").success();
    bundle.oci("start c1").exits(1).says("it is stopped");
    bundle.oci("exec c1 true").exits(255).says("it is stopped");
    bundle.oci("pause c1").exits(1).says("it is stopped");
    bundle.oci("delete c1").success();
    bundle.oci("delete c1").exits(1).says("does not exist");
    bundle.oci("delete --force c1").success();
    bundle.oci("kill c1").exits(1).says("does not exist");
    for hierarchy in ["pids", "unified"] {
        let group = format!("/sys/fs/cgroup/{hierarchy}/rbuild-oci/{group}");
        assert!(!std::path::Path::new(&group).exists(), "{group}");
    }
    assert_eq!(fs::read_dir(bundle.path("oci")).unwrap().count(), 0);
    // Its name is free again.
    bundle.create("c1").success();
    bundle.oci("kill c1 9").success();
    bundle.wait_for("c1", "stopped");
    bundle.oci("delete c1").success();
}

#[test]
fn force_deletes_what_runs() {
    let Some(bundle) = waiting() else { return };
    for start in [true, false] {
        bundle.create("c1").success();
        if start {
            bundle.oci("start c1").success();
        }
        let pid = bundle.sandbox.read("pid");
        bundle.oci("delete --force c1").success();
        bundle.oci("state c1").exits(1).says("does not exist");
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(stat.is_empty() || stat.contains(") Z "), "{stat}");
    }
}

#[test]
fn all_processes_stand_still_and_go_on() {
    let Some(bundle) = waiting() else { return };
    bundle.create("c1").success();
    bundle.oci("start c1").success();
    bundle.oci("pause c1").success();
    assert_eq!(bundle.status("c1"), "paused");
    bundle.oci("pause c1").exits(1).says("it is paused");
    bundle.oci("exec c1 true").exits(255).says("it is paused");
    bundle.oci("resume c1").success();
    assert_eq!(bundle.status("c1"), "running");
    bundle.oci("resume c1").exits(1).says("it is running");
    // One that stands still can be removed all the same.
    bundle.oci("pause c1").success();
    bundle.oci("delete -f c1").success();
}

#[test]
fn what_is_known_of_containers_is_shown() {
    let Some(bundle) = waiting() else { return };
    bundle
        .oci("list")
        .success()
        .prints("ID        PID       STATUS    BUNDLE    CREATED   OWNER\n");
    bundle.oci("list -q").success().prints("");
    bundle.oci("list --format json").success().prints("[]\n");
    bundle.create("b").success();
    bundle.configure(|config| {
        config["annotations"] = json!({ "a": "b" });
        config["process"]["args"] = script("sleep 1000 & wait");
    });
    bundle.create("a").success();
    bundle.oci("start a").success();
    bundle.oci("list -q").success().prints("a\nb\n");
    let list: Value = serde_json::from_str(&bundle.oci("list -f json").success().stdout).unwrap();
    assert_eq!((&list[0]["status"], &list[1]["status"]), (&json!("running"), &json!("created")));
    assert_eq!((&list[0]["annotations"]["a"], &list[0]["owner"]), (&json!("b"), &json!("root")));
    let pid = bundle.sandbox.read("pid");
    let processes = || {
        let text = bundle.oci("ps --format json a").success().stdout;
        serde_json::from_str::<Vec<i32>>(&text).unwrap()
    };
    while processes().len() < 2 {}
    assert!(processes().contains(&pid.parse().unwrap()));
    let table = bundle.oci("ps a").success().stdout;
    assert!(table.starts_with("UID ") && table.contains("sleep 1000"), "{table}");
    let events = bundle.oci("events --stats a").success().stdout;
    let event: Value = serde_json::from_str(&events).unwrap();
    assert_eq!((&event["type"], &event["id"]), (&json!("stats"), &json!("a")));
    assert!(event["data"]["pids"]["current"].as_u64().unwrap() >= 2, "{event}");
    let features: Value = serde_json::from_str(&bundle.oci("features").success().stdout).unwrap();
    assert_eq!(features["hooks"].as_array().unwrap().len(), 6);
    assert_eq!(features["linux"]["cgroup"]["systemd"], false);
}

#[test]
fn limits_change_while_it_runs() {
    let Some(bundle) = Bundle::new(|config| {
        config["process"]["args"] = script("sleep 1000");
        config["linux"]["cgroupsPath"] = "/rbuild-oci-test/limits".into();
        config["linux"]["resources"]["pids"] = json!({ "limit": 50 });
        config["linux"]["resources"]["memory"] = json!({ "limit": 64 << 20 });
    }) else {
        return;
    };
    bundle.create("c1").success();
    bundle.oci("start c1").success();
    bundle.sandbox.write("new.json", r#"{"pids": {"limit": 20}}"#);
    bundle.oci("update --resources new.json c1").success();
    let limit = std::path::Path::new("/sys/fs/cgroup/pids/rbuild-oci-test/limits/pids.max");
    if limit.exists() {
        assert_eq!(fs::read_to_string(limit).unwrap(), "20\n");
    }
    bundle.sandbox.write("new.json", r#"{"unified": {"a": "b"}}"#);
    let refused = bundle.oci("update --resources new.json c1").exits(1);
    refused.says("`linux.resources.unified` is not supported");
    let memory = crate::support::run(
        bundle.command(&["update", "-r", "-", "c1"]).stdin(std::process::Stdio::piped()),
        r#"{"memory": {"limit": 134217728, "swap": 268435456}}"#,
    );
    memory.success();
    let events = bundle.oci("events --stats c1").success().stdout;
    assert!(events.contains("\"limit\":134217728"), "{events}");
}

#[test]
fn errors_are_written_where_callers_look() {
    let Some(bundle) = waiting() else { return };
    bundle.oci("--log log --log-format json state absent").exits(1).says("does not exist");
    let line: Value = serde_json::from_str(bundle.sandbox.read("log").trim()).unwrap();
    assert_eq!(line["level"], "error");
    assert_eq!(line["msg"], "container `absent` does not exist");
    assert!(line["time"].as_str().unwrap().ends_with('Z'));
    bundle.oci("--log text --debug state absent").exits(1);
    let text = bundle.sandbox.read("text");
    assert!(text.contains("level=debug msg=\"State(") && text.contains("level=error"), "{text}");
    bundle.oci("--systemd-cgroup state x").exits(1).says("`--systemd-cgroup` is not supported");
    bundle.oci("create --no-pivot x").exits(1).says("`--no-pivot` is not supported");
    bundle.oci("create --no-new-keyring x").exits(1).says("`--no-new-keyring` is not");
    bundle.oci("exec --apparmor x y true").exits(255).says("`--apparmor` is not supported");
    bundle.oci("state ../x").exits(1).says("`../x` cannot name a container");
    bundle.oci("create --bundle nowhere x").exits(1).says("cannot read").says("config.json");
    bundle.oci("frobnicate").exits(2);
    bundle.configure(|config| config["root"]["path"] = "absent".into());
    bundle.create("x").exits(1).says("absent` is no directory");
    bundle.configure(|config| config["linux"]["intelRdt"] = json!({ "closID": "x" }));
    bundle.create("x").exits(1).says("`linux.intelRdt` is not supported by this runtime");
    bundle.oci("list -q").success().prints("");
}

#[test]
fn the_name_of_the_file_makes_it_a_runtime() {
    let Some(bundle) = waiting() else { return };
    let link = bundle.path("rbuild-oci");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_rbuild"), &link).unwrap();
    let version = crate::support::run(bundle.sandbox.command(&link).arg("--version"), "");
    assert!(version.success().stdout.starts_with("rbuild-oci version "));
    bundle.oci("spec --bundle .").success();
    let example: Value = serde_json::from_str(&bundle.sandbox.read("config.json")).unwrap();
    assert_eq!(example["process"]["args"], json!(["sh"]));
    bundle.oci("spec").exits(1).says("cannot make");
    // The example itself runs.
    bundle.configure(|config| {
        *config = example;
        config["process"]["terminal"] = false.into();
        config["process"]["args"] = json!(["echo", "fine"]);
    });
    bundle.run().success().prints("fine\n");
}
