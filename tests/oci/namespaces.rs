//! Namespaces: made, joined by their files, or shared with the caller.

use std::fs;
use std::os::unix::fs::MetadataExt;

use serde_json::{Value, json};

use super::bundle::{Bundle, script};
use crate::support::run;

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

const FIRST: u32 = 300_000;

fn with_users(config: &mut Value, path: Option<&str>) {
    let mut user = json!({ "type": "user" });
    match path {
        Some(path) => user["path"] = path.into(),
        None => {
            let map = json!([{ "containerID": 0, "hostID": FIRST, "size": 65_536 }]);
            config["linux"]["uidMappings"] = map.clone();
            config["linux"]["gidMappings"] = map;
        }
    }
    config["linux"]["namespaces"].as_array_mut().unwrap().push(user);
}

/// The files of the root belong to whom the maps say; those of a mount can be mapped.
#[test]
fn users_may_be_its_own() {
    let Some(bundle) = Bundle::new(|_| ()) else { return };
    let owner = format!("{FIRST}:{FIRST}");
    let chown = ["-R", &owner, "bundle/rootfs"];
    run(bundle.sandbox.command("chown").args(chown), "").success();
    bundle.sandbox.write("host/file", "");
    let host = bundle.path("host").display().to_string();
    bundle.configure(|config| {
        with_users(config, None);
        let mounts = config["mounts"].as_array_mut().unwrap();
        for (destination, option) in [("/plain", "bind"), ("/mapped", "idmap")] {
            let options = ["bind", option];
            mounts.push(json!({ "destination": destination, "type": "bind", "source": host, "options": options }));
        }
        let text = "id -u; tr -s ' ' </proc/self/uid_map; stat -c %u /bin/sh /plain/file /mapped/file; \
            touch /mapped/made && echo x >/dev/null; hostname; ls /dev/null /dev/pts/ptmx";
        config["process"]["args"] = script(text);
        config["process"]["oomScoreAdj"] = json!(100);
    });
    let expected = format!("0\n 0 {FIRST} 65536\n0\n65534\n0\nbox\n/dev/null\n/dev/pts/ptmx\n");
    bundle.run().success().prints(&expected);
    let made = fs::metadata(bundle.path("host/made")).unwrap();
    assert_eq!((made.uid(), made.gid()), (0, 0));

    bundle.configure(|config| {
        with_users(config, None);
        config["process"]["args"] = script("sleep 1000");
    });
    bundle.create("first").success();
    bundle.oci("start first").success();
    let first = bundle.sandbox.read("pid");
    assert_ne!(of_process(&first, "user"), of_process("self", "user"));
    assert_eq!(fs::metadata(format!("/proc/{first}/root/bin")).unwrap().uid(), FIRST);
    let look = ["exec", "first", "sh", "-c", "id -u; kill -0 1 && echo signals"];
    run(&mut bundle.command(&look), "").success().prints("0\nsignals\n");
    let as_five = ["exec", "--user", "5:6", "first", "sh", "-c", "id -u; id -g"];
    run(&mut bundle.command(&as_five), "").success().prints("5\n6\n");

    let path = format!("/proc/{first}/ns/user");
    bundle.configure(|config| {
        with_users(config, Some(&path));
        config["process"]["args"] = script("sleep 1000");
    });
    bundle.create("second").success();
    bundle.oci("start second").success();
    let second = bundle.sandbox.read("pid");
    assert_eq!(of_process(&first, "user"), of_process(&second, "user"));
    assert_ne!(of_process(&first, "pid"), of_process(&second, "pid"));
    run(&mut bundle.command(&["exec", "second", "id", "-u"]), "").success().prints("0\n");

    // With the processes too, its number is still the one that it has out here.
    let other_maps = json!([{ "containerID": 0, "hostID": FIRST + 1, "size": 65_536 }]);
    for (given, ends) in [(Some(other_maps), false), (None, true)] {
        bundle.configure(|config| {
            with_users(config, Some(&path));
            for list in ["uidMappings", "gidMappings"].iter().filter(|_| given.is_some()) {
                config["linux"][*list] = given.clone().unwrap();
            }
            let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
            let pid = namespaces.iter_mut().find(|entry| entry["type"] == "pid").unwrap();
            pid["path"] = format!("/proc/{first}/ns/pid").into();
            config["process"]["args"] = script("sleep 1000");
        });
        let created = bundle.create("third");
        if !ends {
            created.exits(1).says("its maps are not linux.uidMappings and linux.gidMappings");
            continue;
        }
        created.success();
        bundle.oci("start third").success();
        let third = bundle.sandbox.read("pid");
        for kind in ["pid", "user"] {
            assert_eq!(of_process(&third, kind), of_process(&first, kind), "{kind}");
        }
        let command = fs::read_to_string(format!("/proc/{third}/cmdline")).unwrap();
        assert!(command.contains("sleep"), "{command:?}");
    }
}

#[test]
fn maps_that_cannot_be_are_refused() {
    let map = |inside: u32| json!([{ "containerID": inside, "hostID": FIRST, "size": 10 }]);
    for (users, groups, listed, expected) in [
        (map(0), map(0), false, "no user namespace"),
        (map(0), json!([]), true, "no gidMappings"),
        (json!([]), json!([]), true, "linux.uidMappings"),
        (map(1), map(1), true, "no ID for root"),
    ] {
        let Some(bundle) = Bundle::new(|config| {
            config["linux"]["uidMappings"] = users;
            config["linux"]["gidMappings"] = groups;
            if listed {
                let user = json!({ "type": "user" });
                config["linux"]["namespaces"].as_array_mut().unwrap().push(user);
            }
        }) else {
            return;
        };
        bundle.run().exits(1).says(expected);
    }
}
