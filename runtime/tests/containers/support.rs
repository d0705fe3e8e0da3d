//! A zygote, a busybox root filesystem, and short ways to run something in it.
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use runtime::{
    Container, ContainerSpec, EngineId, Mount, Outcome, Rootfs, RuntimeError, Stdio, Zygote,
};
use rustix::mount::MountPropagationFlags;
use tempfile::TempDir;

pub(crate) struct World {
    pub(crate) directory: TempDir,
    pub(crate) engine: EngineId,
    pub(crate) zygote: Zygote,
    next: AtomicUsize,
    starts: AtomicUsize,
    /// A way to the host that its owner forgot to close on exec.
    _leaky: OwnedFd,
}

#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) outcome: Outcome,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

const APPLETS: [&str; 36] = [
    "sh", "true", "false", "cat", "ls", "id", "env", "pwd", "mount", "umount", "unshare", "mkdir",
    "mknod", "touch", "rm", "echo", "ps", "hostname", "ip", "stty", "sleep", "kill", "stat", "dd",
    "chown", "chmod", "ln", "test", "grep", "head", "wc", "readlink", "nproc", "df", "find",
    "ulimit",
];

impl World {
    pub(crate) fn new() -> Result<World, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("needs root".to_owned());
        }
        if !Path::new("/bin/busybox").exists() {
            return Err("needs /bin/busybox (Debian: busybox-static)".to_owned());
        }
        share_mounts().map_err(|error| error.to_string())?;
        let leaky = File::open("/").and_then(|root| Ok(rustix::io::dup(root)?));
        let leaky = leaky.map_err(|error| error.to_string())?;
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        make_rootfs(&directory.path().join("base")).map_err(|error| error.to_string())?;
        let engine = EngineId::of_root(directory.path()).map_err(|error| error.to_string())?;
        let zygote = Zygote::start(&engine, &directory.path().join("state"))
            .map_err(|error| error.to_string())?;
        for warning in zygote.warnings().unwrap() {
            println!("warning: {warning}");
        }
        let (next, starts) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Ok(World { directory, engine, zygote, next, starts, _leaky: leaky })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A container with a fresh upper directory that runs `sh -c script`.
    pub(crate) fn shell(&self, script: &str) -> ContainerSpec {
        self.command(&["/bin/sh", "-c", script])
    }

    pub(crate) fn command(&self, args: &[&str]) -> ContainerSpec {
        let id = format!("c{}", self.next.fetch_add(1, Ordering::Relaxed));
        for name in ["upper", "work"] {
            fs::create_dir_all(self.path(&id).join(name)).unwrap();
        }
        let rootfs = Rootfs::Overlay {
            lowers: vec![self.path("base")],
            upper: Some(self.path(&id).join("upper")),
            work: Some(self.path(&id).join("work")),
            // Some cases start one twice, which a volatile overlay refuses.
            volatile: false,
        };
        ContainerSpec::new(id, rootfs, args.iter().map(OsString::from).collect())
    }

    /// This test program, in the container, as a probe.
    pub(crate) fn probe(&self, question: &str) -> ContainerSpec {
        let mut spec = self.command(&["/probe", "probe", question]);
        let program = std::env::current_exe().unwrap();
        spec.mounts.push(bind(&program, "/probe"));
        for directory in ["/lib", "/lib64", "/usr/lib"] {
            if Path::new(directory).exists() {
                spec.mounts.push(bind(&fs::canonicalize(directory).unwrap(), directory));
            }
        }
        spec
    }

    /// Every other one is, where its kind allows, started from a process that was made ahead.
    pub(crate) fn start(&self, spec: &ContainerSpec) -> Result<Container, RuntimeError> {
        let following = 1 - self.starts.fetch_add(1, Ordering::Relaxed) % 2;
        self.zygote.spawn_before(spec, Stdio::Pipes { stdin: false }, None, following)
    }

    pub(crate) fn run(&self, spec: &ContainerSpec) -> Output {
        let mut container = self.start(spec).unwrap_or_else(|error| panic!("{error}"));
        let mut stderr = container.take_stderr().unwrap();
        let reader = std::thread::spawn(move || read(&mut stderr));
        let stdout = read(&mut container.take_stdout().unwrap());
        let stderr = reader.join().unwrap();
        let outcome = container.wait().unwrap().outcome;
        Output { outcome, stdout, stderr }
    }

    /// Standard output of a script that must succeed.
    pub(crate) fn output(&self, script: &str) -> String {
        success(self.run(&self.shell(script)))
    }

    pub(crate) fn upper(&self, spec: &ContainerSpec) -> PathBuf {
        self.path(&spec.id).join("upper")
    }
}

pub(crate) fn success(output: Output) -> String {
    assert_eq!(output.outcome, Outcome::Exited(0), "{output:?}");
    output.stdout
}

pub(crate) fn read(file: &mut File) -> String {
    let mut bytes = Vec::new();
    // A terminal ends with EIO.
    let _ = file.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(crate) fn bind(source: &Path, target: &str) -> Mount {
    Mount::bind(source, target, true)
}

/// As systemd has them, whatever this machine does: a mount made in a copy of this namespace
/// appears here too, unless the copy is made private. Nothing reaches the machine's own.
fn share_mounts() -> std::io::Result<()> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS)?;
    for kind in [MountPropagationFlags::PRIVATE, MountPropagationFlags::SHARED] {
        rustix::mount::mount_change(c"/", kind | MountPropagationFlags::REC)?;
    }
    Ok(())
}

fn make_rootfs(root: &Path) -> std::io::Result<()> {
    for name in ["bin", "etc", "proc", "sys", "dev", "root", "tmp", "home/web"] {
        fs::create_dir_all(root.join(name))?;
    }
    fs::copy("/bin/busybox", root.join("bin/busybox"))?;
    for applet in APPLETS {
        symlink("busybox", root.join("bin").join(applet))?;
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\nweb:x:33:34::/home/web:\n")?;
    fs::write(root.join("etc/group"), "root:x:0:\nwww:x:34:\nlogs:x:9:web\n")?;
    fs::write(root.join("plain"), "no program")?;
    Ok(())
}
