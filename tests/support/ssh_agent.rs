//! OpenSSH's agent.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// An agent with one key, ended with the test.
pub(crate) struct SshAgent {
    child: Child,
    pub(crate) socket: PathBuf,
    pub(crate) fingerprint: String,
}

impl Drop for SshAgent {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl SshAgent {
    /// The key is the file `key` of the directory.
    pub(crate) fn start(directory: &Path) -> SshAgent {
        let (socket, key) = (directory.join("agent-of-the-user"), directory.join("key"));
        let mut command = Command::new("ssh-agent");
        command.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null());
        let child = command.spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while !socket.exists() {
            assert!(Instant::now() < deadline, "ssh-agent has not started");
            std::thread::sleep(Duration::from_millis(10));
        }
        let mut agent = SshAgent { child, socket, fingerprint: String::new() };
        agent.ask("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f"], &key);
        agent.ask("ssh-add", &["-q"], &key);
        let listed = agent.ask("ssh-keygen", &["-l", "-f"], &key);
        agent.fingerprint = listed.split(' ').nth(1).unwrap().to_owned();
        agent
    }

    fn ask(&self, program: &str, args: &[&str], key: &Path) -> String {
        let mut command = Command::new(program);
        command.args(args).arg(key).env("SSH_AUTH_SOCK", &self.socket);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{command:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}
