//! Hooks: in which order, where, told what, and what their failures do.

use serde_json::{Value, json};

use super::bundle::{Bundle, script};

/// Writes its name, its namespace of names and what it is told. What is run in the container writes where that is seen.
fn hook(name: &str, log: &str) -> Value {
    let text = format!("printf '%s %s ' {name} $(hostname) >>{log}; cat >>{log}; echo >>{log}");
    json!([{ "path": "/bin/sh", "args": ["sh", "-c", text], "env": ["PATH=/bin:/usr/bin"] }])
}

#[test]
fn hooks_run_in_order_and_where_they_belong() {
    let Some(bundle) = Bundle::new(|_| ()) else { return };
    let log = bundle.path("log");
    let log = log.to_str().unwrap();
    bundle.configure(|config| {
        for name in ["prestart", "createRuntime", "createContainer", "poststart", "poststop"] {
            config["hooks"][name] = hook(name, log);
        }
        config["hooks"]["startContainer"] = hook("startContainer", "/inner");
        config["annotations"] = json!({ "a": "b" });
        config["process"]["args"] = script("cat /inner; sleep 1000");
    });
    bundle.create("c1").success();
    let told = |bundle: &Bundle| -> Vec<(String, String, Value)> {
        let lines = bundle.sandbox.read("log");
        let lines = lines.lines().map(|line| {
            let mut parts = line.splitn(3, ' ');
            let mut next = || parts.next().unwrap().to_owned();
            (next(), next(), serde_json::from_str(&next()).unwrap())
        });
        lines.collect()
    };
    let created = told(&bundle);
    let names: Vec<&str> = created.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["prestart", "createRuntime", "createContainer"]);
    let pid = bundle.sandbox.read("pid");
    for (name, _, state) in &created {
        assert_eq!((&state["status"], &state["id"]), (&json!("creating"), &json!("c1")), "{name}");
        assert_eq!(state["bundle"], bundle.path("bundle").to_str().unwrap());
        assert_eq!(state["annotations"]["a"], "b");
    }
    // The maker's number of the process; in the container it is the first.
    assert_eq!(created[1].2["pid"].to_string(), pid);
    assert_eq!(created[2].2["pid"], 1);
    assert!(!bundle.path("bundle/rootfs/inner").exists(), "startContainer comes with `start`");
    bundle.oci("start c1").success();
    bundle.wait_for_output("startContainer box");
    assert!(bundle.sandbox.read("out").contains("\"status\":\"created\""));
    let started = told(&bundle);
    assert_eq!((started[3].0.as_str(), &started[3].2["status"]), ("poststart", &json!("running")));
    assert_eq!(started.len(), 4);
    bundle.oci("kill c1 KILL").success();
    bundle.wait_for("c1", "stopped");
    assert_eq!(told(&bundle).len(), 4);
    bundle.oci("delete c1").success();
    let stopped = told(&bundle);
    assert_eq!((stopped[4].0.as_str(), &stopped[4].2["status"]), ("poststop", &json!("stopped")));
}

fn failing(name: &str) -> Value {
    let text = format!("echo {name} says no >&2; exit 3");
    json!([{ "path": "/bin/sh", "args": ["sh", "-c", text] }])
}

#[test]
fn a_hook_that_fails_before_the_program_ends_the_container() {
    let Some(bundle) = Bundle::new(|_| ()) else { return };
    let log = bundle.path("log");
    for name in ["prestart", "createRuntime", "createContainer"] {
        bundle.configure(|config| {
            config["hooks"][name] = failing(name);
            config["hooks"]["poststop"] = hook("poststop", log.to_str().unwrap());
        });
        let output = bundle.create("c1").exits(1);
        let why = format!("run hook `/bin/sh`: it failed with exit code 3: {name} says no");
        output.says(&why);
        bundle.oci("state c1").exits(1).says("does not exist");
        assert!(bundle.sandbox.read("log").starts_with("poststop "), "{name}");
        std::fs::remove_file(&log).unwrap();
    }
    bundle.configure(|config| config["hooks"]["startContainer"] = failing("startContainer"));
    bundle.create("c1").success();
    bundle.oci("start c1").exits(1).says("startContainer says no");
    bundle.wait_for("c1", "stopped");
    bundle.oci("delete c1").success();
    bundle.configure(|config| {
        config["hooks"]["createRuntime"] =
            json!([{ "path": "/bin/sleep", "args": ["sleep", "100"], "timeout": 1 }]);
    });
    bundle.create("c1").exits(1).says("it was not done after 1 s");
    bundle.oci("list -q").success().prints("");
}

#[test]
fn a_hook_that_fails_later_is_a_warning_and_the_others_run() {
    let Some(bundle) = Bundle::new(|_| ()) else { return };
    let log = bundle.path("log");
    let log = log.to_str().unwrap();
    bundle.configure(|config| {
        for name in ["poststart", "poststop"] {
            let both = [failing(name), hook(name, log)].map(|list| list[0].clone());
            config["hooks"][name] = both.to_vec().into();
        }
        config["process"]["args"] = script("sleep 1000");
    });
    bundle.create("c1").success();
    bundle.oci("start c1").success().says("poststart says no");
    assert_eq!(bundle.status("c1"), "running");
    let deleted = bundle.oci("--log warnings --log-format json delete -f c1").success();
    assert_eq!(deleted.stderr, "");
    let warning: Value = serde_json::from_str(bundle.sandbox.read("warnings").trim()).unwrap();
    assert_eq!(warning["level"], "warning");
    assert!(warning["msg"].as_str().unwrap().contains("poststop says no"));
    let ran = bundle.sandbox.read("log");
    let names: Vec<_> = ran.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(names, ["poststart", "poststop"]);
}
