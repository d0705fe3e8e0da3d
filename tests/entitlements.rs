//! What RUN may do only when `--allow` says so: the whole machine, and the machine's network.

use crate::support::{Sandbox, privileged};

const INSECURE: &str = "FROM busybox\n\
    RUN --security=sandbox grep -E 'CapEff|CapAmb|Seccomp:' /proc/self/status >/confined\n\
    RUN --security=insecure grep -E 'CapEff|CapAmb|Seccomp:' /proc/self/status >/whole\n\
    USER 1000\n\
    RUN --security=insecure grep -E 'CapEff|CapAmb|Seccomp:' /proc/self/status >/tmp/user\n";

#[test]
fn insecure_steps_have_the_whole_machine() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    let refused = sandbox.build(INSECURE, &[]).exits(1);
    let refused = refused.says("security.insecure is not allowed").says("Dockerfile:3:5");
    refused.says("allow it with `--allow security.insecure`");
    // Nothing ran.
    assert!(
        !sandbox.root().join("cache/steps").read_dir().is_ok_and(|mut dir| dir.next().is_some())
    );
    let output = ["--allow", "security.insecure", "--output=out"];
    sandbox.build(INSECURE, &output).success();
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    let own = own.lines().find_map(|line| line.strip_prefix("CapEff:\t")).unwrap();
    for file in ["out/whole", "out/tmp/user"] {
        let whole = sandbox.read(file);
        for line in [&format!("CapEff:\t{own}"), &format!("CapAmb:\t{own}"), "Seccomp:\t0"] {
            assert!(whole.contains(line), "{file}: {whole}");
        }
    }
    let confined = sandbox.read("out/confined");
    assert!(confined.contains("CapAmb:\t0000000000000000"), "{confined}");
    assert!(confined.contains("Seccomp:\t2"), "{confined}");
    sandbox.validate();
}

/// The recorded result of an insecure step is not the one of the same command without.
#[test]
fn security_is_part_of_the_key() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    let text =
        |mode: &str| format!("FROM busybox\nRUN --security={mode} grep CapEff /proc/self/status\n");
    sandbox.build(&text("sandbox"), &[]).success();
    let allowed = ["--allow", "security.insecure"];
    sandbox.build(&text("insecure"), &allowed).success().says("CapEff:");
    sandbox.build(&text("insecure"), &allowed).success().says("CACHED");
    // A record of an earlier build is no way around.
    sandbox.build(&text("insecure"), &[]).exits(1).says("security.insecure is not allowed");
}

#[test]
fn insecure_steps_can_mount_and_use_devices() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    let script = "FROM busybox\n\
        RUN --security=insecure mkdir /m && mount -t tmpfs none /m && touch /m/x && umount /m && \\\n\
        test -c /dev/fuse && test -c /dev/net/tun && test -b /dev/loop0 && test -w /proc/sys/kernel/hostname && \\\n\
        mount | grep -q ' /sys type sysfs (rw' && ! mount | grep -q /proc/kcore\n\
        RUN ! mount -t tmpfs none /m && ! test -e /dev/fuse\n";
    sandbox.build(script, &["--allow", "security.insecure"]).success();
}

#[test]
fn the_machines_network_has_to_be_allowed() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    let text = "FROM busybox\nRUN --network=host readlink /proc/self/ns/net >/net\n\
        RUN --network=none test $(wc -l </proc/net/dev) = 3\n";
    let refused = sandbox.build(text, &[]).exits(1).says("network.host is not allowed");
    refused.says("allow it with `--allow network.host`").says("Dockerfile:2:5");
    let own = std::fs::read_link("/proc/self/ns/net").unwrap().display().to_string();
    for allowed in [["--allow", "network.host"], ["--network", "host"]] {
        sandbox.build(text, &[&allowed[..], &["--no-cache", "--output=out"]].concat()).success();
        assert_eq!(sandbox.read("out/net").trim(), own);
        std::fs::remove_dir_all(sandbox.path("out")).unwrap();
    }
}

#[test]
fn what_cannot_be_allowed_is_refused_by_name() {
    let sandbox = Sandbox::new();
    let allow = |value: &str| sandbox.build("FROM scratch\n", &["--allow", value]).exits(1);
    allow("device").says("`--allow device` is not supported");
    allow("device=vendor/x").says("`--allow device=vendor/x` is not supported");
    allow("network")
        .says("unknown entitlement `network`; known are network.host and security.insecure");
    let device = sandbox.build("FROM scratch\nRUN --device=vendor.com/class=x,required ls\n", &[]);
    device.exits(1).says("RUN --device (vendor.com/class=x) is not supported yet");
    // It is right, only not for here.
    sandbox
        .write("context/Dockerfile", "FROM scratch\nRUN --device=x --security=insecure [\"ls\"]\n");
    sandbox.rbuild(["check", "context"]).success();
}
