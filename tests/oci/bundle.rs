//! A bundle of busybox and the runtime beside it.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Output, Sandbox, busybox_rootfs, privileged, run};

const LONGEST: Duration = Duration::from_secs(20);

/// Its containers end with it.
pub(super) struct Bundle {
    pub(super) sandbox: Sandbox,
}

impl Bundle {
    /// With the configuration of [`example`] that `change` has changed.
    pub(super) fn new(change: impl FnOnce(&mut Value)) -> Option<Bundle> {
        if !privileged() {
            return None;
        }
        let sandbox = Sandbox::new();
        let rootfs = sandbox.path("bundle/rootfs");
        fs::create_dir_all(&rootfs).unwrap();
        tar::Archive::new(File::open(busybox_rootfs()).unwrap()).unpack(&rootfs).unwrap();
        let bundle = Bundle { sandbox };
        bundle.configure(change);
        Some(bundle)
    }

    pub(super) fn configure(&self, change: impl FnOnce(&mut Value)) {
        let mut config = example();
        change(&mut config);
        self.sandbox.write("bundle/config.json", &config.to_string());
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path(name)
    }

    pub(super) fn command(&self, line: &[&str]) -> std::process::Command {
        let mut command = self.sandbox.rbuild_command(["oci", "--root"]);
        command.arg(self.path("oci")).args(line);
        command
    }

    /// Words with blanks between.
    pub(super) fn oci(&self, line: &str) -> Output {
        run(&mut self.command(&line.split(' ').collect::<Vec<_>>()), "")
    }

    /// What the program prints and how it ends, when everything is done in one go.
    pub(super) fn run(&self) -> Output {
        self.oci("run --bundle bundle once")
    }

    /// With streams that do not keep this process waiting for as long as the container lives.
    pub(super) fn create(&self, id: &str) -> Output {
        self.detached(&["create", "--bundle", "bundle", "--pid-file", "pid", id])
    }

    pub(super) fn detached(&self, line: &[&str]) -> Output {
        let mut command = self.command(line);
        let out = File::create(self.path("out")).unwrap();
        let err = File::create(self.path("err")).unwrap();
        let status = command.stdin(Stdio::null()).stdout(out).stderr(err).status().unwrap();
        let read = |name| fs::read(self.path(name)).unwrap();
        let output = std::process::Output { status, stdout: read("out"), stderr: read("err") };
        Output::new(line.join(" "), output)
    }

    pub(super) fn state(&self, id: &str) -> Value {
        serde_json::from_str(&self.oci(&format!("state {id}")).success().stdout).unwrap()
    }

    pub(super) fn status(&self, id: &str) -> String {
        self.state(id)["status"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub(super) fn wait_for(&self, id: &str, status: &str) {
        let begin = Instant::now();
        while self.status(id) != status {
            assert!(begin.elapsed() < LONGEST, "{id} is {} and not {status}", self.status(id));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until the program has written to its standard output.
    #[track_caller]
    pub(super) fn wait_for_output(&self, text: &str) {
        let begin = Instant::now();
        while !self.sandbox.read("out").contains(text) {
            let out = self.sandbox.read("out");
            assert!(begin.elapsed() < LONGEST, "no `{text}` but `{out}`");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        let list = self.oci("list -q").stdout;
        for id in list.lines() {
            self.oci(&format!("delete --force {id}"));
        }
    }
}

/// A container as docker would ask for it, with a program that prints nothing.
pub(super) fn example() -> Value {
    let quiet = ["nosuid", "noexec", "nodev"];
    let capabilities = ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID", "CAP_SETGID"];
    let mount = |destination: &str, kind: &str, options: &[&str]| json!({ "destination": destination, "type": kind, "source": kind, "options": options });
    let kinds = ["pid", "network", "ipc", "uts", "mount", "cgroup"];
    let namespaces: Vec<Value> = kinds.iter().map(|kind| json!({ "type": kind })).collect();
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": { "uid": 0, "gid": 0 },
            "args": ["true"],
            "env": ["PATH=/bin"],
            "cwd": "/",
            "capabilities": {
                "bounding": capabilities, "effective": capabilities, "permitted": capabilities,
            },
        },
        "root": { "path": "rootfs" },
        "hostname": "box",
        "mounts": [
            mount("/proc", "proc", &quiet),
            mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount("/dev/pts", "devpts",
                &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
            mount("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", "size=1m"]),
            mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        ],
        "linux": {
            "namespaces": namespaces,
            "resources": { "devices": [{ "allow": false, "access": "rwm" }] },
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/sys/firmware", "/not/there"],
            "readonlyPaths": ["/proc/sys", "/proc/bus"],
        },
    })
}

/// The arguments of a shell with this script.
pub(super) fn script(text: &str) -> Value {
    json!(["sh", "-c", text])
}
