//! What the flags of `run` make of a container, seen from inside; and what is wrong with flags.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::support::{Output, Sandbox, leftovers, privileged, until};

fn sandbox() -> Option<Sandbox> {
    privileged().then(Sandbox::with_busybox)
}

/// `run --rm --network none FLAGS busybox sh -c SCRIPT`
fn inside(sandbox: &Sandbox, flags: &[&str], script: &str) -> Output {
    let first = ["run", "--rm", "--network", "none"];
    let last = ["busybox", "sh", "-c", script];
    sandbox.rbuild(first.iter().chain(flags).chain(&last))
}

#[track_caller]
fn check(sandbox: &Sandbox, flags: &[&str], script: &str, expected: &str) {
    inside(sandbox, flags, script).success().prints(expected);
}

#[test]
fn mounts_are_made_as_asked() {
    let Some(sandbox) = sandbox() else { return };
    sandbox.write("shared/file", "outside\n");
    fs::create_dir(sandbox.path("shared/below")).unwrap();
    let shared = sandbox.path("shared");
    let shared = shared.to_str().unwrap();
    let made = sandbox.path("made/by/run");
    let bind = |rest: &str| format!("{shared}:{rest}");
    check(
        &sandbox,
        &["-v", &bind("/m:ro")],
        "cat /m/file; touch /m/x 2>/dev/null || echo ro",
        "outside\nro\n",
    );
    check(&sandbox, &["-v", &format!("{}:/m", made.display())], "touch /m/new", "");
    assert!(made.join("new").exists());
    let mount = format!("type=bind,src={shared},dst=/m,readonly");
    check(
        &sandbox,
        &["--mount", &mount],
        "cat /m/file; rm /m/file 2>/dev/null || echo ro",
        "outside\nro\n",
    );
    check(&sandbox, &["-v", "./shared:/m"], "cat /m/file", "outside\n");
    // One inside the other, whatever the order of the flags.
    let flags = ["--tmpfs", "/m/below", "-v", &bind("/m")];
    check(&sandbox, &flags, "touch /m/below/x; ls /m", "below\nfile\n");
    assert_eq!(fs::read_dir(sandbox.path("shared/below")).unwrap().count(), 0);
    // A volume without a name is the container's own and can be written in a read-only container.
    let flags = ["--read-only", "-v", "/data", "--tmpfs", "/tmp"];
    let script = "touch /data/x /tmp/x && echo yes; touch /x 2>/dev/null || echo no";
    check(&sandbox, &flags, script, "yes\nno\n");
}

#[test]
fn volumes_of_the_image_stay_writable() {
    let Some(sandbox) = sandbox() else { return };
    let dockerfile = "FROM busybox\nRUN mkdir /data && echo first >/data/f && chown 7:8 /data\nVOLUME /data /new\n";
    sandbox.build(dockerfile, &["-t", "volumes"]).success();
    let script =
        "cat /data/f; stat -c %u:%g /data; echo more >/data/g; touch /new/x; ls /data /new";
    let output = sandbox.rbuild(["run", "--rm", "--read-only", "volumes", "sh", "-c", script]);
    output.success().prints("first\n7:8\n/data:\nf\ng\n\n/new:\nx\n");
    let output = sandbox.rbuild(["run", "--rm", "--tmpfs", "/data", "volumes", "ls", "/data"]);
    output.success().prints("");
    sandbox.validate();
}

#[test]
fn tmpfs_has_its_options() {
    let Some(sandbox) = sandbox() else { return };
    // Some kernels add how they count files.
    let script =
        "grep ' /t ' /proc/mounts | cut -d' ' -f4 | sed s/,inode64//; stat -c '%a %u:%g' /t";
    let flags = ["--tmpfs", "/t:size=64k,mode=1770,uid=3,gid=4,exec,ro"];
    let expected = "ro,nosuid,nodev,relatime,size=64k,mode=1770,uid=3,gid=4\n1770 3:4\n";
    check(&sandbox, &flags, script, expected);
    // Without a mode that of the directory it covers.
    check(&sandbox, &["--tmpfs", "/root"], "stat -c %a /root", "700\n");
    check(&sandbox, &["--tmpfs", "/absent"], "stat -c %a /absent", "1777\n");
    let mount = "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=700";
    check(
        &sandbox,
        &["--mount", mount],
        "df -k /t | tail -n 1 | awk '{print $2}'; stat -c %a /t",
        "1024\n700\n",
    );
}

#[test]
fn capabilities_and_privileges() {
    let Some(sandbox) = sandbox() else { return };
    let bounding = "grep CapBnd /proc/self/status | cut -f2";
    for (flags, expected) in [
        (&["--cap-drop", "ALL"][..], "0000000000000000\n"),
        (&["--cap-drop", "ALL", "--cap-add", "chown"], "0000000000000001\n"),
        (&["--cap-drop", "CAP_MKNOD"], "00000000a00425fb\n"),
    ] {
        check(&sandbox, flags, bounding, expected);
    }
    check(&sandbox, &["--cap-add", "SYS_ADMIN"], "mount -t tmpfs x /tmp && echo yes", "yes\n");
    let script = "grep -E 'NoNewPrivs|Seccomp:' /proc/self/status";
    let flags = ["--security-opt", "no-new-privileges", "--security-opt", "seccomp=unconfined"];
    check(&sandbox, &flags, script, "NoNewPrivs:\t1\nSeccomp:\t0\n");
    let script = "mount -t tmpfs x /tmp && test -w /sys/kernel && test -b /dev/loop0 -o -c /dev/kmsg && \
                  ! grep -q ' /proc/sys ' /proc/mounts && echo all; su -s /bin/sh nobody -c 'grep CapEff /proc/self/status'";
    check(&sandbox, &["--privileged"], script, "all\nCapEff:\t0000000000000000\n");
    let script = "id -u; id -g; id -G";
    check(
        &sandbox,
        &["-u", "65534:7", "--group-add", "9", "--group-add", "root"],
        script,
        "65534\n7\n7 0 9\n",
    );
}

#[test]
fn seccomp_profiles_are_the_users() {
    let Some(sandbox) = sandbox() else { return };
    let profile = r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28},
        {"name": "rmdir", "action": "SCMP_ACT_KILL_PROCESS"}]}"#;
    sandbox.write("profile.json", profile);
    let path = sandbox.path("profile.json");
    let option = format!("seccomp={}", path.display());
    let script = "mkdir /x 2>&1; rmdir /tmp; echo $?";
    let output = inside(&sandbox, &["--security-opt", &option], script).success();
    assert!(output.stdout.contains("/x'") && output.stdout.contains("No space left"), "{output}");
    // Killed by SIGSYS.
    assert!(output.stdout.ends_with("159\n"), "{output}");
    sandbox.write("profile.json", "{\n \"defaultAction\": \"SCMP_ACT_PERHAPS\"\n}");
    let output = inside(&sandbox, &["--security-opt", &option], "true");
    output.exits(125).says("unknown variant `SCMP_ACT_PERHAPS`").says("line 2");
}

#[test]
fn devices_of_the_host() {
    let Some(sandbox) = sandbox() else { return };
    let denied = "mknod /z c 1 11; head -c 0 /z 2>/dev/null && echo yes || echo no";
    // With which /dev/kmsg can be read, where the device rules allow it.
    let syslog = ["--cap-add", "SYSLOG"];
    check(&sandbox, &syslog, denied, "no\n");
    if !Path::new("/dev/kmsg").exists() {
        return println!("skipped in part: /dev/kmsg is not there");
    }
    let with = |flags: [&'static str; 2]| [&syslog[..], &flags].concat();
    check(&sandbox, &with(["--device-cgroup-rule", "c 1:11 r"]), denied, "yes\n");
    let script = "stat -c %t:%T /dev/log/k; head -c 0 /dev/log/k && echo r; \
                  (: >/dev/log/k) 2>/dev/null && echo w; stat -c %a:%u:%g /dev/log/k";
    let found = fs::metadata("/dev/kmsg").unwrap();
    let mode = std::os::unix::fs::MetadataExt::mode(&found) & 0o777;
    let expected = format!("1:b\nr\n{mode:o}:0:0\n");
    check(&sandbox, &with(["--device", "/dev/kmsg:/dev/log/k:r"]), script, &expected);
    // All devices below a directory, at the same places.
    fs::create_dir_all(sandbox.path("nodes/sub")).unwrap();
    let node = sandbox.path("nodes/sub/k");
    let mut mknod = sandbox.command("mknod");
    assert!(mknod.arg(&node).args(["c", "1", "11"]).status().unwrap().success());
    let device = format!("{}:/dev/all", sandbox.path("nodes").display());
    check(
        &sandbox,
        &[&syslog[..], &["--device", &device]].concat(),
        "head -c 0 /dev/all/sub/k && echo r",
        "r\n",
    );
}

#[test]
fn kernel_settings_and_namespaces() {
    let Some(sandbox) = sandbox() else { return };
    let flags = ["--sysctl", "net.ipv4.ip_forward=1", "--sysctl", "kernel.shmmni=77"];
    let script = "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni \
                  /proc/sys/net/ipv4/ip_unprivileged_port_start";
    check(&sandbox, &flags, script, "1\n77\n0\n");
    let own = |name: &str| fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
    for (flag, name) in [("--ipc", "ipc"), ("--uts", "uts"), ("--cgroupns", "cgroup")] {
        let expected = format!("{}\n", own(name).display());
        let script = format!("readlink /proc/self/ns/{name}");
        check(&sandbox, &[flag, "host"], &script, &expected);
        let output = inside(&sandbox, &[], &script).success();
        assert_ne!(output.stdout, expected, "{name}");
    }
    check(&sandbox, &["--oom-score-adj", "321"], "cat /proc/self/oom_score_adj", "321\n");
}

#[test]
fn names_and_resolvers() {
    let Some(sandbox) = sandbox() else { return };
    let flags = [
        "-h",
        "box",
        "--domainname",
        "example.org",
        "--dns",
        "192.0.2.1",
        "--dns-search",
        "x.example",
        "--dns-option",
        "rotate",
        "--add-host",
        "db:192.0.2.7",
    ];
    let script = "hostname; cat /proc/sys/kernel/domainname /etc/hostname; sed -n 1p /etc/hosts; \
                  tail -n 1 /etc/hosts; cat /etc/resolv.conf";
    let expected = "box\nexample.org\nbox\n127.0.0.1\tlocalhost box.example.org box\n192.0.2.7\tdb\n\
                    nameserver 192.0.2.1\nsearch x.example\noptions rotate\n";
    check(&sandbox, &flags, script, expected);
    let flags = ["run", "--rm", "--network", "host", "--add-host", "me:host-gateway", "busybox"];
    let output =
        sandbox.rbuild(flags.iter().chain(&["sh", "-c", "hostname; tail -n 1 /etc/hosts"]));
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    output.success().prints(&format!("{name}127.0.0.1\tme\n"));
}

#[test]
fn limits_are_in_force() {
    let Some(sandbox) = sandbox() else { return };
    let output = inside(
        &sandbox,
        &["-m", "24m", "--memory-swap", "24m"],
        "exec dd if=/dev/zero of=/dev/null bs=100M count=1",
    );
    if output.stderr.contains("no cgroup here controls it") {
        return println!("skipped: {}", output.stderr);
    }
    output.exits(137);
    let script = "for i in 1 2 3 4 5 6; do sleep 2 & done 2>&1; wait";
    let output = inside(&sandbox, &["--pids-limit", "3"], script);
    assert!(output.stdout.contains("fork") || output.stderr.contains("fork"), "{output}");
    let output = inside(&sandbox, &["--cpuset-cpus", "0"], "nproc");
    if !output.stderr.contains("no cgroup here controls it") {
        output.success().prints("1\n");
        let output = inside(&sandbox, &["--cpuset-cpus", "900"], "true");
        output.exits(125).says("cannot limit cpuset to `900`").says("there are `0");
    }
    // What one version of cgroups has of this and the other has not is an error by name.
    let output = inside(&sandbox, &["-m", "24m", "--memory-swappiness", "10"], "echo fine");
    let v2 = output.stderr.contains("which cgroup v2's memory controller does not have");
    assert!(v2 != (output.stdout == "fine\n"), "{output}");
}

#[test]
fn a_cgroup_parent_is_used_and_left_as_it_was() {
    let Some(sandbox) = sandbox() else { return };
    let parent = format!("rbuild-test-{}", std::process::id());
    let script = "cat /proc/self/cgroup";
    let flags = ["--cgroupns", "host", "--cgroup-parent", &parent];
    let output = inside(&sandbox, &flags, script).success();
    assert!(output.stdout.contains(&format!(":/{parent}/rbuild-")), "{output}");
    for entry in fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
        assert!(!entry.path().join(&parent).exists(), "{}", entry.path().display());
    }
}

#[test]
fn an_init_passes_signals_on_and_collects_orphans() {
    let Some(sandbox) = sandbox() else { return };
    let script = "(sleep 0.1 &); sleep 0.4; ps -o stat,args | grep -c '^Z'; echo $$";
    check(&sandbox, &["--init"], script, "0\n2\n");
    inside(&sandbox, &["--init"], "exit 7").exits(7);
    inside(&sandbox, &["--init"], "kill -9 $$").exits(137);
    sandbox.rbuild(["run", "--rm", "--init", "busybox", "absent"]).exits(127);
    let script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done";
    let mut command =
        sandbox.rbuild_command(["run", "--rm", "--init", "busybox", "sh", "-c", script]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut ready = [0; 6];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(9));
}

/// Each says what is wrong, and none leaves anything.
#[test]
fn mistakes_are_named_and_leave_nothing() {
    let Some(sandbox) = sandbox() else { return };
    let before = traces(&sandbox);
    for (flags, expected) in [
        (&["-u", "stranger"][..], "user `stranger` is not in the image's /etc/passwd"),
        (&["-u", "0:strangers"], "group `strangers` is not in the image's /etc/group"),
        (&["-u", "4294967296"], "`4294967296` is not between 0 and 2147483647"),
        (&["--group-add", "strangers"], "group `strangers` is not in"),
        (&["--device", "/dev/absent"], "cannot find `/dev/absent`"),
        (&["--device", "/dev/null:/dev/x:rwx"], "no device access"),
        (&["--device-cgroup-rule", "c 1 r"], "no device rule"),
        (&["-m", "lots"], "`lots` is not a size"),
        (&["-m", "4k"], "no container starts below 6 MiB"),
        (&["--memory-swap", "64m"], "a limit on swap needs one on memory too"),
        (&["--cpus", "none"], "write a number of processors"),
        (&["--cpus", "4096"], "the processors of this machine"),
        (&["--cpuset-cpus", "x"], "no list of processors"),
        (
            &["--mount", "type=bind,src=/absent/source,dst=/x"],
            "cannot mount `/absent/source` on `/x`: it does not exist",
        ),
        (&["-v", "da ta:/x"], "`da ta` cannot name a volume"),
        (&["--volumes-from", "stranger"], "container `stranger` does not exist"),
        (&["-v", "/tmp:/x", "--tmpfs", "/x/"], "two mounts have the same target `/x`"),
        (&["-w", "relative"], "it must be an absolute path"),
        (&["--cap-add", "EVERYTHING"], "unknown capability `EVERYTHING`"),
        (&["--security-opt", "apparmor=strict"], "AppArmor profiles cannot be set yet"),
        (&["--sysctl", "kernel.core_pattern=x"], "is not the container's own"),
        (
            &["--sysctl", "kernel.shmmni=1", "--ipc", "host"],
            "would change the host's IPC namespace",
        ),
        (&["--ulimit", "files=1"], "unknown ulimit `files`"),
        (&["--pid", "container:stranger"], "container `stranger` does not exist"),
        (&["--uts", "container:x"], "`--uts container:x` is not supported"),
        (&["--userns", "keep-id"], "`--userns keep-id` is not supported"),
        (&["--uts", "host", "-h", "x"], "shares the host's names"),
        (&["--dns", "dns.example"], "not an IP address"),
        (&["--add-host", "me:host-gateway"], "has no way to the host"),
        (&["--oom-score-adj", "2000"], "from -1000 to 1000"),
        (&["--cgroup-parent", "/a/../b"], "without `..`"),
        (&["--env-file", "/absent"], "cannot read `/absent`"),
        (&["-e", "=x"], "has no name"),
    ] {
        inside(&sandbox, flags, "true").exits(125).says(expected);
        // The shim may begin and end after the command has reported.
        until("nothing is left of a container that was not started", || {
            traces(&sandbox) == before && leftovers(&sandbox).is_empty()
        });
    }
    for (flag, value) in [("annotation", "a=b"), ("gpus", "all"), ("runtime", "runc")] {
        let flag = format!("--{flag}");
        inside(&sandbox, &[&flag, value], "true")
            .exits(1)
            .says(&format!("{flag}` is not supported"));
    }
    assert_eq!(traces(&sandbox), before);
    sandbox.validate();
}

/// What a container leaves while it is there: cgroups, mounts, a directory.
fn traces(sandbox: &Sandbox) -> (usize, usize, usize) {
    let root = fs::metadata(sandbox.root()).unwrap();
    use std::os::unix::fs::MetadataExt;
    let engine = format!("rbuild/{:x}-{:x}", root.dev(), root.ino());
    let hierarchies = fs::read_dir("/sys/fs/cgroup").map(|entries| entries.flatten().collect());
    let hierarchies: Vec<_> = hierarchies.unwrap_or_default();
    let groups = hierarchies.iter().filter(|entry| entry.path().join(&engine).exists()).count();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mounts =
        mounts.lines().filter(|line| line.contains(sandbox.root().to_str().unwrap())).count();
    let containers = fs::read_dir(sandbox.root().join("snapshots/active"));
    (groups, mounts, containers.map_or(0, Iterator::count))
}
