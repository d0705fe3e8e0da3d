//! A dockerd of one test's own: storage, sockets and mounts are its alone, and all of it ends with the test.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::cannot_work;
use crate::support::{Output, Sandbox, busybox_rootfs, installed, run};

const LONGEST_START: Duration = Duration::from_secs(60);
const LONGEST_END: Duration = Duration::from_secs(20);

pub(crate) struct Daemon<'a> {
    sandbox: &'a Sandbox,
    /// `unshare`, with dockerd as its child.
    process: Child,
}

impl Daemon<'_> {
    /// None, with the reason printed, when dockerd does not start here or cannot run an image that it made.
    pub(super) fn start(sandbox: &Sandbox) -> Option<Daemon<'_>> {
        Daemon::start_as(sandbox, None, &[])
    }

    /// With more arguments of dockerd.
    pub(super) fn start_with<'a>(sandbox: &'a Sandbox, more: &[&str]) -> Option<Daemon<'a>> {
        Daemon::start_as(sandbox, None, more)
    }

    /// With networks and its own rules, in the network namespace at this path.
    pub(crate) fn start_in<'a>(sandbox: &'a Sandbox, namespace: &str) -> Option<Daemon<'a>> {
        Daemon::start_as(sandbox, Some(namespace), &[])
    }

    fn start_as<'a>(
        sandbox: &'a Sandbox,
        namespace: Option<&str>,
        more: &[&str],
    ) -> Option<Daemon<'a>> {
        if !(installed("dockerd") && installed("docker") && installed("unshare")) {
            return None;
        }
        let mut daemon = Daemon { sandbox, process: spawn(sandbox, namespace, more) };
        if let Err(why) = daemon.prove() {
            cannot_work("docker", &why);
            return None;
        }
        Some(daemon)
    }

    fn prove(&mut self) -> Result<(), String> {
        let started = Instant::now();
        while self.docker(&["version"]).status != Some(0) {
            let ended = self.process.try_wait().unwrap().is_some();
            if ended || started.elapsed() > LONGEST_START {
                return Err(self.sandbox.read("dockerd.log"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let rootfs = busybox_rootfs();
        self.docker(&["import", rootfs.to_str().unwrap(), "own"]).or_why()?;
        self.docker(&["run", "--rm", "--network", "none", "own", "true"]).or_why()?;
        self.docker(&["rmi", "own"]).or_why()?;
        Ok(())
    }

    pub(crate) fn docker(&self, args: &[&str]) -> Output {
        self.client("docker", &[], args)
    }

    /// Some other client, with other variables.
    pub(super) fn client(&self, program: &str, env: &[(&str, &str)], args: &[&str]) -> Output {
        let mut command = self.sandbox.command(program);
        command.env("HOME", self.sandbox.path("docker-home")).envs(env.iter().copied());
        let socket = self.sandbox.path("dockerd/socket");
        command.env("DOCKER_HOST", format!("unix://{}", socket.display()));
        run(command.args(args), "")
    }

    pub(super) fn id(&self, image: &str) -> String {
        let args = ["image", "inspect", "--format", "{{.Id}}", image];
        self.docker(&args).success().stdout.trim().to_owned()
    }

    /// What the image prints in a container.
    pub(super) fn report(&self, image: &str) -> Output {
        self.docker(&["run", "--rm", "--network", "none", image]).success()
    }

    /// dockerd's process ID here; inside it is 1.
    fn inner(&self) -> Option<Pid> {
        let id = self.process.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
        Pid::from_raw(children.split_whitespace().next()?.parse().ok()?)
    }
}

/// A mount and a PID namespace of its own: when its first process ends, so do containerd and every container, and no
/// mount is left. `setpriv` ends it should this process die without ceremony.
fn spawn(sandbox: &Sandbox, namespace: Option<&str>, more: &[&str]) -> Child {
    let directory = sandbox.path("dockerd");
    fs::create_dir(&directory).unwrap();
    let at = |name: &str| -> PathBuf { directory.join(name) };
    let mut command = sandbox.command(if namespace.is_some() { "nsenter" } else { "setpriv" });
    if let Some(path) = namespace {
        command.args([&format!("--net={path}"), "--", "setpriv"]);
    }
    command.args(["--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child"]);
    command.args(["--mount-proc", "dockerd", "--host"]);
    command.arg(format!("unix://{}", at("socket").display()));
    if namespace.is_none() {
        command.args(["--iptables=false", "--ip6tables=false", "--bridge=none"]);
    }
    command.arg("--data-root").arg(at("data")).arg("--exec-root").arg(at("exec"));
    command.arg("--pidfile").arg(at("pid")).args(more);
    let log = File::create(sandbox.path("dockerd.log")).unwrap();
    command.stdout(log.try_clone().unwrap()).stderr(log).stdin(Stdio::null());
    command.spawn().unwrap()
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        if let Some(dockerd) = self.inner() {
            // It may have ended by itself.
            let _gone = kill_process(dockerd, Signal::TERM);
        }
        let asked = Instant::now();
        while matches!(self.process.try_wait(), Ok(None)) {
            if asked.elapsed() > LONGEST_END {
                let _gone = self.process.kill();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
