//! Repositories behind ssh: OpenSSH's server on a loopback port, the keys in OpenSSH's agent.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{GitRepository, Output, Sandbox, SshAgent, installed, privileged, run};

use super::server::per_connection;

const SSHD: &str = "/usr/sbin/sshd";

/// A server that lets in the key of the agent, as root; each connection reads the host's key anew.
fn server(sandbox: &Sandbox) -> u16 {
    let directory = sandbox.path("sshd");
    fs::create_dir_all(&directory).unwrap();
    host_key(&directory);
    fs::copy(sandbox.path("key.pub"), directory.join("authorized")).unwrap();
    let at = directory.display();
    let config = format!(
        "HostKey {at}/host\nAuthorizedKeysFile {at}/authorized\nStrictModes no\nUsePAM no\n\
         PermitRootLogin prohibit-password\nPasswordAuthentication no\nPidFile none\n"
    );
    fs::write(directory.join("config"), config).unwrap();
    let config = directory.join("config");
    per_connection(move || {
        // Its directory for separated privileges is not everywhere.
        let script =
            "mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && exec \"$0\" -i -f \"$1\"";
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script, SSHD]).arg(&config);
        command
    })
}

fn host_key(directory: &Path) {
    for name in ["host", "host.pub"] {
        let _absent = fs::remove_file(directory.join(name));
    }
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(directory.join("host"));
    assert!(command.status().unwrap().success());
}

fn build(sandbox: &Sandbox, agent: Option<&Path>, args: &[&str]) -> Output {
    let mut command = sandbox.rbuild_command(["build", "-q", "-o", "out"].iter().chain(args));
    command.envs(agent.map(|socket| ("SSH_AUTH_SOCK", socket)));
    run(&mut command, "")
}

#[test]
fn keys_come_from_the_agent_and_hosts_are_remembered() {
    if !privileged() || !installed("ssh-agent") {
        return;
    }
    if !Path::new(SSHD).exists() {
        println!("skipped: `sshd` is not installed");
        return;
    }
    let sandbox = Sandbox::new();
    let Some(repository) = GitRepository::new(&sandbox, "repo") else { return };
    repository.commit_files(&[("Dockerfile", "FROM scratch\nCOPY foo /\n"), ("foo", "by ssh")]);
    let agent = SshAgent::start(&sandbox.path(""));
    let port = server(&sandbox);
    let url = format!("ssh://root@127.0.0.1:{port}{}", repository.path().display());

    let output = build(&sandbox, None, &[&url]).exits(1);
    output.says("Permission denied").says("`--ssh default` lets git use the keys");
    // For a context the agent is used unasked, as with docker; for a Dockerfile it is not.
    build(&sandbox, Some(&agent.socket), &[&url]).success();
    assert_eq!(sandbox.read("out/foo"), "by ssh");
    sandbox.write("context/Dockerfile", &format!("FROM scratch\nADD {url} /added/\n"));
    build(&sandbox, Some(&agent.socket), &["context"]).exits(1).says("Permission denied");
    let given = format!("--ssh=default={}", agent.socket.display());
    build(&sandbox, None, &[&given, "context"]).success();
    assert_eq!(sandbox.read("out/added/foo"), "by ssh");
    let named = format!("--build-context=src={url}");
    sandbox.write("context/Dockerfile", "FROM scratch\nCOPY --from=src foo /named\n");
    build(&sandbox, Some(&agent.socket), &[&named, "context"]).success();
    assert_eq!(sandbox.read("out/named"), "by ssh");

    // Another host behind the same address.
    let known = fs::read_to_string(sandbox.root().join("cache/ssh/known_hosts")).unwrap();
    assert!(known.contains(&format!("[127.0.0.1]:{port}")), "{known}");
    host_key(&sandbox.path("sshd"));
    let output = build(&sandbox, Some(&agent.socket), &[&url]).exits(1);
    output.says("the host's key is not the one");
}
