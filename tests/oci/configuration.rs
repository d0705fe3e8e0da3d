//! What config.json says, as the program finds it.

use std::fs;

use serde_json::{Value, json};

use super::bundle::{Bundle, script};

/// What a script prints in a container that is configured by `change`.
#[track_caller]
fn printed(change: impl FnOnce(&mut Value), text: &str) -> Option<String> {
    let bundle = Bundle::new(|config| {
        config["process"]["args"] = script(text);
        change(config);
    })?;
    Some(bundle.run().success().stdout)
}

#[test]
fn the_process_is_what_it_says() {
    let change = |config: &mut Value| {
        let process = &mut config["process"];
        process["args"] = json!([
            "sh",
            "-c",
            "echo $0 $1; env; pwd; umask; id -u; id -g; id -G; \
            ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj; hostname; cat /proc/sys/kernel/domainname; \
            grep -E 'NoNewPrivs|Seccomp:' /proc/self/status",
            "a b",
            "c"
        ]);
        process["env"] = json!(["PATH=/bin", "A=1 2", "HOME=/x"]);
        process["cwd"] = "/made/for/it".into();
        process["user"] = json!({ "uid": 7, "gid": 8, "umask": 0o27, "additionalGids": [9, 4000] });
        process["rlimits"] = json!([{ "type": "RLIMIT_NOFILE", "soft": 100, "hard": 200 }]);
        process["oomScoreAdj"] = 300.into();
        process["noNewPrivileges"] = true.into();
        config["domainname"] = "example".into();
    };
    let Some(text) = printed(change, "") else { return };
    let expected = "a b c\nPATH=/bin\nA=1 2\nHOME=/x\nPWD=/made/for/it\n/made/for/it\n0027\n7\n8\n8 9 4000\n\
        100\n200\n300\nbox\nexample\nNoNewPrivs:\t1\nSeccomp:\t0\n";
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    // The shell adds to the environment what it likes.
    let text = text.replace("SHLVL=1\n", "");
    assert_eq!(sorted(&text), sorted(expected));
}

#[test]
fn capabilities_are_the_five_sets() {
    let change = |config: &mut Value| {
        config["process"]["user"] = json!({ "uid": 7, "gid": 8 });
        config["process"]["capabilities"] = json!({
            "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID"],
            "permitted": ["CAP_CHOWN", "CAP_KILL"],
            "effective": ["CAP_CHOWN"],
            "inheritable": ["CAP_KILL"],
            "ambient": ["CAP_KILL", "CAP_OF_TOMORROW"],
        });
    };
    let show = "grep ^Cap /proc/self/status | tr '\\n\\t' '  '";
    let Some(text) = printed(change, show) else { return };
    // An exec leaves a user other than root what is ambient.
    let expected = "CapInh: 0000000000000020 CapPrm: 0000000000000020 CapEff: 0000000000000020 \
        CapBnd: 00000000000000a1 CapAmb: 0000000000000020 ";
    assert_eq!(text, expected);
    let none = |config: &mut Value| {
        config["process"].as_object_mut().unwrap().remove("capabilities");
    };
    let Some(text) = printed(none, show) else { return };
    assert!(text.contains("CapBnd: 0000000000000000"), "{text}");
}

#[test]
fn names_of_capabilities_that_nobody_knows_are_warned_of() {
    let Some(bundle) = Bundle::new(|config| {
        config["process"]["capabilities"]["bounding"] = json!(["CAP_OF_TOMORROW"]);
    }) else {
        return;
    };
    bundle.run().success().says("unknown capability `CAP_OF_TOMORROW` is left out");
}

#[test]
fn the_root_is_the_bundles_and_can_be_read_only() {
    let Some(bundle) = Bundle::new(|config| {
        config["root"] = json!({ "path": "rootfs", "readonly": true });
        config["process"]["args"] =
            script("touch /x; touch /dev/shm/y && ls /dev/shm; cat /etc/own; ls /proc/1/root/");
    }) else {
        return;
    };
    bundle.sandbox.write("bundle/rootfs/etc/own", "mine\n");
    let output = bundle.run().success().says("/x: Read-only file system");
    assert!(output.stdout.starts_with("y\nmine\nbin\n"), "{output}");
}

#[test]
fn mounts_are_made_in_their_order_with_their_options() {
    let Some(bundle) = Bundle::new(|config| {
        let mounts = config["mounts"].as_array_mut().unwrap();
        mounts.extend([
            json!({ "destination": "/a", "type": "tmpfs", "source": "tmpfs",
                "options": ["nosuid", "noexec", "size=64k", "mode=700"] }),
            json!({ "destination": "/a/b", "type": "bind", "source": "files", "options": ["bind", "ro"] }),
            json!({ "destination": "/file", "source": "files/f", "options": ["rbind", "nodev"] }),
            json!({ "destination": "/etc", "type": "tmpfs", "options": ["tmpcopyup", "ro"] }),
            json!({ "destination": "/link/x", "type": "tmpfs" }),
        ]);
        config["process"]["args"] = script(
            "cat /a/b/f /file; touch /a/b/g; echo new >/file; stat -c %a /a; cat /etc/kept; stat -c %u:%a /etc/kept; \
             grep -E ' (/a|/a/b|/file|/etc|/target/x) ' /proc/self/mountinfo | cut -d' ' -f5,6 | sort",
        );
    }) else {
        return;
    };
    bundle.sandbox.write("bundle/files/f", "text\n");
    bundle.sandbox.write("bundle/rootfs/etc/kept", "old\n");
    // A link of the image's leads nowhere but into the image.
    std::os::unix::fs::symlink("/target", bundle.path("bundle/rootfs/link")).unwrap();
    let output = bundle.run().success().says("/a/b/g: Read-only");
    let expected = "text\ntext\n700\nold\n0:644\n/a rw,nosuid,noexec,relatime\n/a/b ro,relatime\n\
        /etc ro,relatime\n/file rw,nodev,relatime\n/target/x rw,relatime\n";
    assert_eq!(output.stdout, expected);
    assert_eq!(bundle.sandbox.read("bundle/files/f"), "new\n");
}

#[test]
fn masked_and_read_only_paths_are() {
    let text = "cat /proc/keys; ls /sys/firmware; cat /proc/kcore; echo 1 >/proc/sys/net/ipv4/ip_forward; echo $?";
    let Some(bundle) = Bundle::new(|config| config["process"]["args"] = script(text)) else {
        return;
    };
    bundle.run().success().says("Read-only file system").prints("1\n");
}

#[test]
fn devices_and_their_links_are_there() {
    let Some(bundle) = Bundle::new(|config| {
        config["linux"]["devices"] = json!([
            { "path": "/dev/deep/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o640, "uid": 3, "gid": 4 },
        ]);
        config["linux"]["resources"]["devices"] = json!([
            { "allow": false, "access": "rwm" },
            { "allow": true, "type": "c", "major": 1, "minor": 11, "access": "r" },
        ]);
        config["process"]["args"] = script(
            "cd /dev; ls -d full null random tty urandom zero; for f in fd stdin stdout stderr ptmx; do readlink $f; done; \
             stat -c '%a %u %g %t:%T' deep/fuse; mknod /kmsg c 1 11; mknod /mem c 1 1; head -c 0 /kmsg && echo allowed; \
             head -c 1 /mem; echo x >null && head -c 2 zero | wc -c",
        );
        for set in ["bounding", "effective", "permitted"] {
            config["process"]["capabilities"][set] = json!(["CAP_MKNOD", "CAP_SYSLOG"]);
        }
    }) else {
        return;
    };
    let output = bundle.run().success().says("/mem: Operation not permitted");
    let expected = "full\nnull\nrandom\ntty\nurandom\nzero\n/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n\
        /proc/self/fd/2\npts/ptmx\n640 3 4 a:e5\nallowed\n2\n";
    assert_eq!(output.stdout, expected);
}

#[test]
fn settings_limits_and_filters_hold() {
    let Some(bundle) = Bundle::new(|config| {
        config["linux"]["sysctl"] = json!({ "net.ipv4.ip_forward": "1", "kernel.shmmax": "4096" });
        config["linux"]["cgroupsPath"] = "/rbuild-oci-test/pod/x".into();
        config["linux"]["resources"]["pids"] = json!({ "limit": 33 });
        config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
            "syscalls": [{ "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38 }],
        });
        config["process"]["args"] = script(
            "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmax; mkdir /x; grep Seccomp: /proc/self/status",
        );
    }) else {
        return;
    };
    let output = bundle.run().success().says("Function not implemented");
    assert_eq!(output.stdout, "1\n4096\nSeccomp:\t2\n");
    bundle.configure(|config| {
        config["linux"]["cgroupsPath"] = "/rbuild-oci-test/pod/x".into();
        config["linux"]["resources"]["pids"] = json!({ "limit": 33 });
        config["process"]["args"] = script("sleep 1000");
    });
    bundle.create("limited").success();
    let cgroup = fs::read_to_string(format!("/proc/{}/cgroup", bundle.sandbox.read("pid")));
    assert!(cgroup.unwrap().contains("/rbuild-oci-test/pod/x\n"));
    let limit = "/sys/fs/cgroup/pids/rbuild-oci-test/pod/x/pids.max";
    if std::path::Path::new(limit).exists() {
        assert_eq!(fs::read_to_string(limit).unwrap(), "33\n");
    }
    // Whose group it is, that one's processes are ended with it: two cannot have the same.
    bundle.create("other").exits(1).says("has processes already");
    bundle.oci("delete -f limited").success();
    for hierarchy in fs::read_dir("/sys/fs/cgroup").unwrap() {
        let hierarchy = hierarchy.unwrap().path();
        // Not every one has it.
        let _absent = fs::remove_dir(hierarchy.join("rbuild-oci-test/pod"));
        let _absent = fs::remove_dir(hierarchy.join("rbuild-oci-test"));
    }
}

#[test]
fn cgroups_are_shown_with_and_without_a_namespace_of_its_own() {
    for own in [true, false] {
        let Some(bundle) = Bundle::new(|config| {
            config["mounts"].as_array_mut().unwrap().push(json!({
                "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
                "options": ["ro", "nosuid", "noexec", "nodev"],
            }));
            if !own {
                let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
                namespaces.retain(|namespace| namespace["type"] != "cgroup");
            }
            // The shell itself is in the group that is shown as the first.
            config["process"]["args"] = script(
                "for f in /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/pids/cgroup.procs; do \
                 test ! -e $f || grep -qx 1 $f && echo seen; done; touch /sys/fs/cgroup/x",
            );
        }) else {
            return;
        };
        let output = bundle.run().exits(1);
        assert!(output.stdout.contains("seen"), "{own}: {output}");
    }
}

#[test]
fn programs_that_cannot_be_run_are_told_when_the_container_is_made() {
    let Some(bundle) = Bundle::new(|config| config["process"]["args"] = json!(["absent"])) else {
        return;
    };
    bundle.create("c1").exits(1).says("executable file not found in $PATH");
    bundle.run().exits(127);
    bundle.configure(|config| config["process"]["args"] = json!(["/etc/passwd"]));
    bundle.run().exits(126).says("permission denied");
    // What only an exec finds out is told by `start`.
    bundle.sandbox.write("bundle/rootfs/bin/odd", "#!/no/such/interpreter\n");
    let odd = bundle.path("bundle/rootfs/bin/odd");
    fs::set_permissions(odd, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    bundle.configure(|config| config["process"]["args"] = json!(["odd"]));
    bundle.create("c1").success();
    bundle.oci("start c1").exits(1).says("no such file or directory");
    bundle.wait_for("c1", "stopped");
    bundle.oci("delete c1").success();
    bundle.oci("list -q").success().prints("");
}
