//! `--ssh` and `RUN --mount=type=ssh` with OpenSSH's agent, asked by OpenSSH's programs in the container.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{Sandbox, SshAgent, installed, privileged};

/// This machine's ssh-add and ssh-keygen with their libraries, for a container that has neither.
fn copy_programs(to: &Path) {
    fs::create_dir_all(to).unwrap();
    for program in ["ssh-add", "ssh-keygen"] {
        let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
        let path = String::from_utf8(found.unwrap().stdout).unwrap();
        let libraries = Command::new("ldd").arg(path.trim()).output().unwrap();
        let libraries = String::from_utf8(libraries.stdout).unwrap();
        let files = libraries.split_whitespace().filter(|word| word.starts_with('/'));
        for file in files.chain([path.trim()]) {
            fs::copy(file, to.join(Path::new(file).file_name().unwrap())).unwrap();
        }
        let loader = libraries.split_whitespace().find(|word| word.contains("/ld-")).unwrap();
        let loader = Path::new(loader).file_name().unwrap().to_str().unwrap();
        let script = format!("#!/bin/sh\nexec /t/{loader} --library-path /t /t/{program} \"$@\"\n");
        let path = to.join(program.trim_start_matches("ssh-"));
        fs::write(&path, script).unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(path, executable).unwrap();
    }
}

#[test]
fn keys_of_the_agent_can_be_used_and_nothing_else() {
    if !privileged() || !installed("ssh-agent") {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    let agent = SshAgent::start(&sandbox.path(""));
    copy_programs(&sandbox.path("programs"));
    fs::copy(sandbox.path("key.pub"), sandbox.path("programs/key.pub")).unwrap();
    let text = "FROM busybox\n\
        RUN --mount=type=ssh,required --mount=from=programs,target=/t /t/add -l; \
            echo signed >/tmp/text; /t/keygen -q -Y sign -n test -f /t/key.pub /tmp/text; head -n 1 /tmp/text.sig; \
            /t/add -D || echo kept $((1+1)); /t/add -x </dev/null || echo open $((1+2)); /t/add -l; \
            echo at $SSH_AUTH_SOCK; echo told $(grep -c agent-of-the-user /proc/self/mountinfo); \
            chmod 777 $SSH_AUTH_SOCK || echo stays $((2+2))\n\
        RUN --mount=type=ssh,mode=741,uid=100,gid=102 stat -c '%u %g %f' $SSH_AUTH_SOCK\n\
        RUN --mount=type=ssh,target=/a/b --mount=type=ssh,id=other,target=/c \
            --mount=type=ssh,id=default ls -l /a/b $SSH_AUTH_SOCK /run/buildkit/*\n\
        RUN test ! -e /run/buildkit -a ! -e /a -a -z \"$SSH_AUTH_SOCK\" && echo clean $((2+3))\n";
    let forward = format!("default={}", agent.socket.display());
    let args = ["--build-context", "programs=programs", "--ssh", &forward];
    let output = sandbox.build(text, &args).success();
    assert_eq!(output.stderr.matches(&agent.fingerprint).count(), 2, "{output}");
    let output = output.says("BEGIN SSH SIGNATURE").says(" kept 2\n").says(" open 3\n");
    let output = output.says(" at /run/buildkit/ssh_agent.0").says(" stays 4\n");
    let output = output.says(" told 0\n").says(" 100 102 c1e1");
    output.says(" /run/buildkit/ssh_agent.2").says(" clean 5\n");
    let left = fs::read_dir(sandbox.root().join("temp")).unwrap().count();
    assert_eq!(left, 0, "left in the store");
    // The result is there for those without an agent, too.
    sandbox.build(text, &args[..2]).success().says(" CACHED");
}

#[test]
fn an_agent_that_is_needed_must_be_given() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    let output = sandbox.build("FROM busybox\nRUN --mount=type=ssh,required true\n", &[]).exits(1);
    output.says("unset ssh forward key default").says("`--ssh default`");
    let text =
        "FROM busybox\nRUN --mount=type=ssh test ! -e \"$SSH_AUTH_SOCK\" && echo none $((3+3))\n";
    sandbox.build(text, &[]).success().says(" none 6\n");
    sandbox.write("key", "");
    let output = sandbox.build(text, &["--ssh", "default=key"]).exits(1);
    output.says("`key` is no socket, and key files are not supported").says("ssh-add");
}
