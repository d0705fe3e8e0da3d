//! A store and working directory of one test.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{Output, base_image};

/// Removed with everything in it at the end of the test.
pub(crate) struct Sandbox {
    directory: TempDir,
    /// `RBUILD_SNAPSHOTTER`, empty for what suits the place.
    pub(crate) snapshotter: &'static str,
    /// A program and its arguments that start `rbuild` somewhere else.
    pub(crate) through: Vec<String>,
}

impl Sandbox {
    pub(crate) fn new() -> Sandbox {
        Sandbox { directory: TempDir::new().unwrap(), snapshotter: "", through: Vec::new() }
    }

    /// Somewhere else than among the other temporary directories.
    pub(crate) fn within(directory: &Path) -> Sandbox {
        Sandbox {
            directory: TempDir::new_in(directory).unwrap(),
            snapshotter: "",
            through: Vec::new(),
        }
    }

    /// With the image `busybox:latest` in the store.
    pub(crate) fn with_busybox() -> Sandbox {
        let sandbox = Sandbox::new();
        let archive = base_image::busybox_rootfs();
        sandbox
            .rbuild(["import".as_ref(), archive.as_os_str(), "busybox:latest".as_ref()])
            .success();
        sandbox
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.path("store")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file below the working directory, making its parents.
    pub(crate) fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// A command that knows nothing of our environment but PATH.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear();
        command.env("PATH", std::env::vars_os().find(|(name, _)| name == "PATH").unwrap().1);
        command.env("RBUILD_ROOT", self.root());
        command.env("RBUILD_STATE", self.path("state"));
        command.env("RBUILD_SNAPSHOTTER", self.snapshotter);
        // Whoever tests registries says otherwise.
        command.env("RBUILD_OFFLINE", "1");
        // Tests of networks are in namespaces of their own; the others leave this machine's network as it is.
        command.env("RBUILD_NETWORK", "host");
        command.current_dir(self.directory.path());
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn rbuild_command<A: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
    ) -> Command {
        let program = env!("CARGO_BIN_EXE_rbuild");
        let words = self.through.iter().map(String::as_str).chain([program]);
        let words: Vec<&str> = words.collect();
        let mut command = self.command(words[0]);
        command.args(&words[1..]).args(args);
        command
    }

    pub(crate) fn rbuild<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Output {
        run(&mut self.rbuild_command(args), "")
    }

    pub(crate) fn rbuild_with_input<A: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
        input: &str,
    ) -> Output {
        run(self.rbuild_command(args).stdin(Stdio::piped()), input)
    }

    /// Builds the Dockerfile text with the context directory `context` (made when absent).
    pub(crate) fn build(&self, dockerfile: &str, args: &[&str]) -> Output {
        self.write("context/Dockerfile", dockerfile);
        self.rbuild(["build", "--progress", "plain"].iter().chain(args).chain(&["context"]))
    }

    /// Fails the test if anything in the store is not what its name says.
    #[track_caller]
    pub(crate) fn validate(&self) {
        self.rbuild(["system", "check"]).success().prints("");
    }

    pub(crate) fn spawn(&self, args: &[&str]) -> Child {
        let mut command = self.rbuild_command(args);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }
}

pub(crate) fn run(command: &mut Command, input: &str) -> Output {
    give(command, input.as_bytes())
}

/// Runs a command with these bytes on its stdin.
pub(crate) fn run_bytes(mut command: Command, input: &[u8]) -> Output {
    give(command.stdin(Stdio::piped()), input)
}

fn give(command: &mut Command, input: &[u8]) -> Output {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let line: Vec<_> = words.map(OsStr::to_string_lossy).collect();
    let line = line.join(" ");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    if let Some(mut stdin) = child.stdin.take() {
        // A command may fail before it has read everything.
        let _unread = stdin.write_all(input);
    }
    Output::new(line, child.wait_with_output().unwrap())
}

pub(crate) fn run_script(sandbox: &Sandbox, script: &Path, env: &[(&str, &str)]) -> Output {
    let mut command = sandbox.command(script);
    command.envs(env.iter().copied());
    run(&mut command, "")
}
