//! podman loads and runs every form of ours, and we load and run every form of its own.

use super::image::{self, NAME, assert_same, id, load_elsewhere};
use super::{cannot_work, members, sandbox_for};
use crate::support::{Output, Sandbox, busybox_rootfs, run};

/// podman with its storage in the sandbox and a runtime that starts containers here.
pub(super) struct Podman<'a> {
    sandbox: &'a Sandbox,
    runtime: String,
}

impl<'a> Podman<'a> {
    /// None, with the reason printed, when podman cannot run an image that it imported itself.
    pub(super) fn start(sandbox: &'a Sandbox) -> Option<Podman<'a>> {
        let mut failures = String::new();
        for runtime in ["crun", "runc"] {
            let podman = Podman::with_runtime(sandbox, runtime);
            match podman.prove() {
                Ok(()) => return Some(podman),
                Err(why) => failures.push_str(&why),
            }
        }
        cannot_work("podman", &failures);
        None
    }

    /// Which may be the path of any program that is one.
    pub(super) fn with_runtime(sandbox: &'a Sandbox, runtime: impl Into<String>) -> Podman<'a> {
        Podman { sandbox, runtime: runtime.into() }
    }

    fn prove(&self) -> Result<(), String> {
        let rootfs = busybox_rootfs();
        self.run(&["import", "-q", rootfs.to_str().unwrap(), "own"]).or_why()?;
        self.container("own", &["true"]).or_why()?;
        self.run(&["rmi", "own"]).or_why()?;
        Ok(())
    }

    pub(super) fn run(&self, args: &[&str]) -> Output {
        let mut command = self.sandbox.command("podman");
        command.env("HOME", self.sandbox.path("podman-home"));
        for (flag, place) in
            [("--root", "podman"), ("--runroot", "podman-run"), ("--tmpdir", "podman-tmp")]
        {
            command.arg(flag).arg(self.sandbox.path(place));
        }
        command.args([
            "--storage-driver",
            "vfs",
            "--cgroup-manager",
            "cgroupfs",
            "--events-backend",
            "none",
        ]);
        run(command.args(["--runtime", &self.runtime]).args(args), "")
    }

    /// podman's default limits may be above those of this process.
    fn container(&self, image: &str, arguments: &[&str]) -> Output {
        let flags = [
            "run",
            "--rm",
            "--network",
            "none",
            "--ulimit",
            "nofile=256:256",
            "--ulimit",
            "nproc=1024:1024",
        ];
        let args: Vec<&str> = flags.iter().chain(&[image]).chain(arguments).copied().collect();
        self.run(&args)
    }

    fn id(&self, image: &str) -> String {
        let id = self.run(&["image", "inspect", "--format", "{{.Id}}", image]).success().stdout;
        format!("sha256:{}", id.trim())
    }
}

#[test]
fn podman_loads_and_runs_every_form() {
    let Some(sandbox) = sandbox_for(&["podman"]) else { return };
    let Some(podman) = Podman::start(&sandbox) else { return };
    let report = image::expected_report(&sandbox);
    for (form, compression) in
        [("oci", "gzip"), ("oci", "zstd"), ("docker", "gzip"), ("docker", "uncompressed")]
    {
        sandbox.output_again(&format!("type={form},compression={compression},dest=ours.tar"));
        podman.run(&["load", "-q", "-i", "ours.tar"]).success();
        assert_eq!(podman.id(NAME), id(&sandbox, NAME));
        podman.container(NAME, &[]).success().prints(&report);
        podman.run(&["rmi", NAME]).success();
    }
}

#[test]
fn podman_loads_several_images_at_once() {
    let Some(sandbox) = sandbox_for(&["podman"]) else { return };
    let Some(podman) = Podman::start(&sandbox) else { return };
    sandbox.rbuild(["save", "-o", "both.tar", NAME, "busybox"]).success();
    podman.run(&["load", "-q", "-i", "both.tar"]).success();
    for name in [NAME, "busybox:latest"] {
        assert_eq!(podman.id(name), id(&sandbox, name));
    }
    podman.container("busybox", &["echo", "hi"]).success().prints("hi\n");
}

#[test]
fn what_podman_saves_comes_back() {
    let Some(sandbox) = sandbox_for(&["podman"]) else { return };
    let Some(podman) = Podman::start(&sandbox) else { return };
    sandbox.rbuild(["save", "-o", "ours.tar", NAME]).success();
    podman.run(&["load", "-q", "-i", "ours.tar"]).success();
    for form in ["docker-archive", "oci-archive", "oci-dir"] {
        podman.run(&["save", "-q", "--format", form, "-o", form, NAME]).success();
        let back = load_elsewhere(&sandbox.path(form));
        assert_same(&sandbox, &back, NAME);
    }
    // This form has no place for a name.
    podman.run(&["save", "-q", "--format", "docker-dir", "-o", "docker-dir", NAME]).success();
    let ours = id(&sandbox, NAME);
    assert_same(&sandbox, &load_elsewhere(&sandbox.path("docker-dir")), &ours);
    podman.run(&["tag", NAME, "localhost/rich:2", "localhost/other:3"]).success();
    let several = [
        "save",
        "-q",
        "--multi-image-archive",
        "-o",
        "several.tar",
        "localhost/rich:2",
        "localhost/other:3",
    ];
    podman.run(&several).success();
    let back = load_elsewhere(&sandbox.path("several.tar"));
    assert_eq!(id(&back, "localhost/rich:2"), id(&sandbox, NAME));
    assert_eq!(id(&back, "localhost/other:3"), id(&sandbox, NAME));
}

#[test]
fn what_podman_commits_comes_back() {
    let Some(sandbox) = sandbox_for(&["podman"]) else { return };
    let Some(podman) = Podman::start(&sandbox) else { return };
    sandbox.rbuild(["save", "-o", "ours.tar", "busybox"]).success();
    podman.run(&["load", "-q", "-i", "ours.tar"]).success();
    let flags = ["run", "--name", "c", "--network", "none", "--ulimit", "nofile=256:256"];
    let rest =
        ["--ulimit", "nproc=1024:1024", "busybox", "sh", "-c", "echo new > /file; rm /etc/group"];
    let args: Vec<&str> = flags.iter().chain(&rest).copied().collect();
    podman.run(&args).success();
    podman.run(&["commit", "-q", "--change", "CMD cat /file", "c", "changed"]).success();
    for form in ["docker-archive", "oci-archive"] {
        podman.run(&["save", "-q", "--format", form, "-o", form, "changed"]).success();
        let back = load_elsewhere(&sandbox.path(form));
        assert_eq!(id(&back, "localhost/changed"), podman.id("changed"));
        back.rbuild(["run", "--rm", "localhost/changed"]).success().prints("new\n");
        back.rbuild(["run", "--rm", "localhost/changed", "test", "-e", "/etc/group"]).exits(1);
    }
}

#[test]
fn podman_reads_gzip_of_several_members() {
    let Some(sandbox) = members::sandbox(&["podman"]) else { return };
    let Some(podman) = Podman::start(&sandbox) else { return };
    for form in ["oci", "docker"] {
        sandbox.rbuild(["save", "--format", form, "-o", "members.tar", members::NAME]).success();
        podman.run(&["load", "-q", "-i", "members.tar"]).success();
        podman.container(members::NAME, &[]).success().prints("whole\n");
        podman.run(&["rmi", members::NAME]).success();
    }
}
