//! Each line of the security checklist that a container can see.
use std::fs;
use std::os::unix::fs::MetadataExt;

use runtime::{CapabilitySet, MachineAccess, Outcome, Seccomp};

use super::Case;
use super::support::{World, success};

pub(crate) const CASES: &[Case] = &[
    ("security::capabilities_and_seccomp_are_on", capabilities_and_seccomp_are_on),
    ("security::forbidden_calls", forbidden_calls),
    ("security::masked_and_read_only_paths", masked_and_read_only_paths),
    ("security::the_hosts_null_device_stays_as_it_is", the_hosts_null_device_stays_as_it_is),
    ("security::devices", devices),
    ("security::namespaces_and_descriptors", namespaces_and_descriptors),
    ("security::no_new_privileges", no_new_privileges),
    ("security::a_container_with_the_whole_machine", a_container_with_the_whole_machine),
];

fn capabilities_and_seccomp_are_on(world: &World) {
    let status = success(world.run(&world.command(&["cat", "/proc/self/status"])));
    let degraded = !world.zygote.warnings().unwrap().is_empty();
    let capabilities = if degraded { "00000000a00425fb" } else { "00000000a80425fb" };
    for kind in ["CapPrm", "CapEff", "CapBnd"] {
        assert!(status.contains(&format!("{kind}:\t{capabilities}")), "{status}");
    }
    for expected in [
        "CapInh:\t0000000000000000",
        "CapAmb:\t0000000000000000",
        "NoNewPrivs:\t0",
        "Seccomp:\t2",
        "SigIgn:\t0000000000000000",
        "SigBlk:\t0000000000000000",
    ] {
        assert!(status.contains(expected), "{expected}: {status}");
    }
}

fn forbidden_calls(world: &World) {
    for question in ["keyctl", "af_alg", "af_vsock", "unshare", "bpf", "mount", "fsopen"] {
        let text = success(world.run(&world.probe(question)));
        assert_eq!(text, "Operation not permitted (os error 1)\n", "{question}");
    }
    assert_eq!(success(world.run(&world.probe("af_inet"))), "fine\n");
    let mut spec = world.probe("keyctl");
    spec.seccomp = Seccomp::Unconfined;
    assert_eq!(success(world.run(&spec)), "fine\n");
}

fn masked_and_read_only_paths(world: &World) {
    let text = world.output(
        "for f in /proc/kcore /proc/keys /proc/timer_list /proc/interrupts; do \
           test -e $f && wc -c <$f; done; ls /proc/acpi /proc/scsi /sys/firmware 2>/dev/null; true",
    );
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('/')) {
        assert_eq!(line.trim(), "0", "{text}");
    }
    for path in
        ["/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/proc/irq/default_smp_affinity"]
    {
        if !std::path::Path::new(path).exists() {
            continue;
        }
        let output = world.run(&world.shell(&format!("echo x >{path}")));
        assert!(output.stderr.contains("Read-only file system"), "{path}: {output:?}");
    }
    let mut spec = world.shell("mkdir /sys/fs/cgroup/memory/x /sys/fs/cgroup/x /sys/x");
    for pids in [None, Some(100)] {
        spec.limits.pids = pids;
        let output = world.run(&spec);
        assert!(output.outcome != Outcome::Exited(0), "{output:?}");
    }
}

/// What covers a file of /proc, and what an absent input is, may not be the host's /dev/null in
/// a form that the container's root can change.
fn the_hosts_null_device_stays_as_it_is(world: &World) {
    let before = fs::metadata("/dev/null").unwrap();
    for path in ["/proc/keys", "/proc/timer_list", "/dev/stdin"] {
        let output = world.run(&world.shell(&format!("chmod 667 {path}; chown 1 {path}")));
        let after = fs::metadata("/dev/null").unwrap();
        // Before anything else: the machine needs it.
        std::os::unix::fs::chown("/dev/null", Some(before.uid()), None).unwrap();
        fs::set_permissions("/dev/null", before.permissions()).unwrap();
        let same = (after.mode(), after.uid()) == (before.mode(), before.uid());
        assert!(same, "{path}: {output:?}");
    }
    assert_eq!(world.output("echo x >/proc/keys; cat; cat /dev/null"), "");
}

fn devices(world: &World) {
    if !world.zygote.warnings().unwrap().is_empty() {
        let output = world.run(&world.shell("echo x >/dev/null && mknod /n c 1 3"));
        assert!(output.stderr.contains("mknod: /n: Operation not permitted"), "{output:?}");
        return;
    }
    let text = world.output(
        "mknod /n c 1 3 && echo x >/n && echo null; mknod /disk b 254 0 && \
         head -c 1 /disk 2>&1; mknod /mem c 1 1 && head -c 1 /mem 2>&1; \
         mknod /fuse c 10 229 && head -c 0 </fuse 2>&1; true",
    );
    assert!(text.starts_with("null\n"), "{text}");
    assert_eq!(text.matches("Operation not permitted").count(), 2, "{text}");
    let output = world.run(&world.shell("mknod /fuse c 10 229; : </fuse"));
    assert!(output.stderr.contains("Operation not permitted"), "{output:?}");
}

fn namespaces_and_descriptors(world: &World) {
    let text = world.output(
        "echo $$; ls /proc | grep -c '^[0-9]'; ls /proc/self/fd | wc -l; cat /proc/self/cgroup; \
         cat /proc/1/sessionid >/dev/null; for n in pid mnt uts ipc net cgroup; do \
         readlink /proc/self/ns/$n; done",
    );
    assert!(text.starts_with("1\n"), "{text}");
    // 0, 1, 2 and the directory that ls reads.
    assert_eq!(text.lines().nth(2), Some("4"), "{text}");
    for name in ["pid", "mnt", "uts", "ipc", "net", "cgroup"] {
        let ours = fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
        assert!(!text.contains(ours.to_str().unwrap()), "{name}: {text}");
    }
    let cgroups = text.lines().filter(|line| line.contains(":/")).collect::<Vec<_>>();
    assert!(!cgroups.is_empty() && !text.contains("rbuild"), "{text}");
}

fn no_new_privileges(world: &World) {
    let mut spec = world.shell("cat /proc/self/status");
    spec.no_new_privileges = true;
    spec.capabilities = CapabilitySet::default();
    spec.user = "web".to_owned();
    let status = success(world.run(&spec));
    for expected in ["NoNewPrivs:\t1", "Seccomp:\t2", "CapBnd:\t0000000000000000"] {
        assert!(status.contains(expected), "{expected}: {status}");
    }
}

fn a_container_with_the_whole_machine(world: &World) {
    let whole = |script: &str, user: &str| {
        let mut spec = world.shell(script);
        spec.user = user.to_owned();
        spec.capabilities = CapabilitySet::all();
        spec.seccomp = Seccomp::Unconfined;
        spec.machine = MachineAccess::Full;
        success(world.run(&spec))
    };
    let own = fs::read_to_string("/proc/self/status").unwrap();
    let own = own.lines().find_map(|line| line.strip_prefix("CapEff:\t")).unwrap().to_owned();
    for user in ["", "1000:1000"] {
        let status = whole("cat /proc/self/status", user);
        for kind in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert!(status.contains(&format!("{kind}:\t{own}")), "{user}: {kind}: {status}");
        }
        assert!(status.contains("Seccomp:\t0"), "{status}");
    }
    // Read as mount options: writing would change the machine.
    let mounts = whole("cat /proc/self/mounts", "");
    for line in mounts.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let of_kernel = ["/proc", "/sys"].iter().any(|place| fields[1].starts_with(place));
        // The empty one below which the v1 hierarchies are.
        let is_base = fields[1] == "/sys/fs/cgroup" && fields[2] == "tmpfs";
        assert!(!of_kernel || is_base || fields[3].starts_with("rw"), "{line}");
    }
    assert!(!mounts.contains(" /proc/kcore "), "{mounts}");
    if std::path::Path::new("/dev/kmsg").exists() {
        assert_eq!(whole("head -c 0 /dev/kmsg && stat -c %t:%T /dev/kmsg", ""), "1:b\n");
    }
    let made = whole(
        "mkdir /tmp/m && mount -t tmpfs x /tmp/m && mknod /tmp/m/z c 1 5 && head -c 2 /tmp/m/z | wc -c",
        "",
    );
    assert_eq!(made.trim(), "2");
}
