//! `spec`: an example to begin with.

use std::fs::File;
use std::io::Write;

use anyhow::{Context, Result, bail};
use cli::Exit;
use runtime::oci::SPEC_VERSION;
use serde_json::{Value, json};

use super::args::SpecArgs;

pub(super) fn write(args: &SpecArgs) -> Result<Exit> {
    if args.rootless {
        bail!("`--rootless` is not supported: containers need root");
    }
    let path = args.bundle.join("config.json");
    let text = serde_json::to_string_pretty(&example())?;
    // What is there already is somebody's.
    let made = File::create_new(&path).and_then(|mut file| file.write_all(text.as_bytes()));
    made.with_context(|| format!("cannot make `{}`", path.display()))?;
    Ok(Exit::Success)
}

fn example() -> Value {
    let capabilities = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];
    let kinds = ["pid", "network", "ipc", "uts", "mount", "cgroup"];
    let namespaces: Vec<Value> = kinds.iter().map(|kind| json!({ "type": kind })).collect();
    let quiet = ["nosuid", "noexec", "nodev"];
    let with = |more: &[&str]| -> Value { [&quiet[..], more].concat().into() };
    let mount = |destination: &str, kind: &str, options: Value| json!({ "destination": destination, "type": kind, "source": kind, "options": options });
    json!({
        "ociVersion": SPEC_VERSION,
        "process": {
            "terminal": true,
            "user": { "uid": 0, "gid": 0 },
            "args": ["sh"],
            "env": [
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "TERM=xterm",
            ],
            "cwd": "/",
            "capabilities": {
                "bounding": capabilities,
                "effective": capabilities,
                "permitted": capabilities,
            },
            "rlimits": [{ "type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024 }],
            "noNewPrivileges": true,
        },
        "root": { "path": "rootfs", "readonly": true },
        "hostname": "rbuild",
        "mounts": [
            mount("/proc", "proc", json!([])),
            mount("/dev", "tmpfs", json!(["nosuid", "strictatime", "mode=755", "size=65536k"])),
            mount("/dev/pts", "devpts",
                json!(["nosuid", "noexec", "ptmxmode=0666", "mode=0620", "gid=5"])),
            mount("/dev/shm", "tmpfs", with(&["mode=1777", "size=65536k"])),
            mount("/dev/mqueue", "mqueue", with(&[])),
            mount("/sys", "sysfs", with(&["ro"])),
            mount("/sys/fs/cgroup", "cgroup", with(&["relatime", "ro"])),
        ],
        "linux": {
            "resources": { "devices": [{ "allow": false, "access": "rwm" }] },
            "namespaces": namespaces,
            "maskedPaths": [
                "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi",
                "/sys/firmware", "/sys/devices/virtual/powercap",
            ],
            "readonlyPaths": [
                "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
            ],
        },
    })
}
