//! What repositories, servers and the user's own settings might try, and a build that is interrupted.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{GitRepository, Sandbox, run};

use super::server::{self, SmartServer};

const ALL: &str = "FROM scratch\nCOPY . /\n";

#[test]
fn links_do_not_lead_out_of_the_directory_that_is_the_context() {
    let sandbox = Sandbox::new();
    let Some(repository) = GitRepository::new(&sandbox, "repo") else { return };
    sandbox.write("secret", "secret");
    let secret = sandbox.path("secret").display().to_string();
    repository.commit_files(&[
        ("beside", "beside"),
        ("sub/Dockerfile", "FROM scratch\nCOPY x /\n"),
        ("sub/x", &format!("-> {secret}")),
        ("outside/Dockerfile", &format!("-> {secret}")),
        ("above/Dockerfile", "FROM scratch\nCOPY x /\n"),
        ("above/x", "-> ../beside"),
        ("way", "-> sub"),
        ("out", "-> /"),
        ("up", "-> ../../../../../../.."),
    ]);
    let url = repository.url();
    let build = |suffix: &str| sandbox.rbuild(["build", "-o", "out", &format!("{url}{suffix}")]);
    build("#:sub").exits(1).says("\"/x\": not found");
    build("#:above").exits(1).says("\"/x\": not found");
    build("#:outside").exits(1).says("there is no `Dockerfile` in");
    build("#:../../../../../../../..").exits(1).says("there is no `Dockerfile` in");
    build("#:out").exits(1).says("there is no `Dockerfile` in");
    build("#:up").exits(1).says("there is no `Dockerfile` in");
    build("#:beside").exits(1).says("there is no directory `beside` in");
    // A link within the repository is a way like any other.
    let text = "FROM scratch\nCOPY Dockerfile /\n";
    let args = ["build", "-q", "-o", "out", "-f-", &format!("{url}#:way")];
    sandbox.rbuild_with_input(args, text).success();
    assert_eq!(sandbox.read("out/Dockerfile"), "FROM scratch\nCOPY x /\n");
    // With ADD, too.
    let text = format!("FROM scratch\nADD {url}#:out /\n").replace(&url, &served(&sandbox));
    sandbox.rbuild_with_input(["build", "-q", "-o", "add", "-"], &text).success();
    assert_eq!(sandbox.read("add/beside"), "beside");
}

/// The repository of the sandbox behind a server.
fn served(sandbox: &Sandbox) -> String {
    SmartServer::start(&sandbox.path("")).url("/repo/.git")
}

#[test]
fn nothing_the_user_or_the_machine_has_set_changes_what_git_does() {
    let sandbox = Sandbox::new();
    let Some(repository) = GitRepository::new(&sandbox, "repo") else { return };
    repository.commit_files(&[
        ("Dockerfile", ALL),
        ("a.txt", "a\n"),
        (".gitattributes", "*.txt filter=x ident\n"),
    ]);
    let script = |name: &str| {
        let path = sandbox.path(name);
        sandbox.write(name, &format!("#!/bin/sh\ntouch {}\n", sandbox.path("ran").display()));
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    };
    for hook in ["post-checkout", "reference-transaction", "post-index-change", "fsmonitor"] {
        script(&format!("hooks/{hook}"));
        script(&format!("template/hooks/{hook}"));
    }
    let hooks = sandbox.path("hooks").display().to_string();
    let config = format!(
        "[core]\nhooksPath = {hooks}\nfsmonitor = {hooks}/fsmonitor\nautocrlf = true\n\
         [init]\ntemplateDir = {}\n[filter \"x\"]\nsmudge = {hooks}/fsmonitor\nrequired\n\
         [url \"/nowhere\"]\ninsteadOf = /\n[protocol]\nallow = never\n",
        sandbox.path("template").display()
    );
    sandbox.write("home/.gitconfig", &config);
    // The store may lie in a work tree of the user's.
    let around = GitRepository::new(&sandbox, ".").unwrap();
    std::fs::write(around.path().join(".git/config"), &config).unwrap();
    let mut command = sandbox.rbuild_command(["build", "-q", "-o", "out", &repository.url()]);
    command.env("HOME", sandbox.path("home"));
    for (name, value) in [
        ("GIT_CONFIG_GLOBAL", sandbox.path("home/.gitconfig").display().to_string()),
        ("GIT_CONFIG_COUNT", "1".to_owned()),
        ("GIT_CONFIG_KEY_0", "core.hooksPath".to_owned()),
        ("GIT_CONFIG_VALUE_0", hooks.clone()),
        ("GIT_TEMPLATE_DIR", sandbox.path("template").display().to_string()),
        ("GIT_DIR", "/nowhere".to_owned()),
        ("GIT_INDEX_FILE", "/nowhere".to_owned()),
        ("GIT_TRACE", sandbox.path("trace").display().to_string()),
        ("GIT_SSH_COMMAND", format!("{hooks}/fsmonitor")),
    ] {
        command.env(name, value);
    }
    run(&mut command, "").success();
    assert_eq!(sandbox.read("out/a.txt"), "a\n");
    assert!(!sandbox.path("ran").exists() && !sandbox.path("trace").exists());
}

#[test]
fn git_has_to_be_there() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("empty")).unwrap();
    let mut command = sandbox.rbuild_command(["build", "https://example.org/x.git"]);
    command.env("PATH", sandbox.path("empty"));
    let output = run(&mut command, "").exits(1);
    output.says("cannot read `https://example.org/x.git`: the program `git` is not installed");
    sandbox.write("bin/git", "#!/bin/sh\necho git version 2.9.1\n");
    std::fs::set_permissions(sandbox.path("bin/git"), PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = sandbox.rbuild_command(["build", "https://example.org/x.git"]);
    command.env("PATH", sandbox.path("bin"));
    let output = run(&mut command, "").exits(1);
    output.says("git 2.9.1 is too old").says("at least 2.31 is needed");
}

/// What a server says of a tag counts only when the tag says so as well: otherwise it could give other files than the
/// ones that a checksum names, and they would be found in the cache for good.
#[test]
fn a_tag_is_the_commit_that_it_leads_to_whatever_a_server_says() {
    let sandbox = Sandbox::new();
    let Some(repository) = GitRepository::new(&sandbox, "served/repo") else { return };
    let good = repository.commit_files(&[("file", "good")]);
    let evil = repository.commit_files(&[("file", "evil")]);
    repository.git(&["tag", "-a", "-m", "tag", "v1", &evil]);
    repository.git(&["update-server-info"]);
    let refs = sandbox.path("served/repo/.git/info/refs");
    let told = std::fs::read_to_string(&refs).unwrap();
    let (peeled, lie) =
        (format!("{evil}\trefs/tags/v1^{{}}"), format!("{good}\trefs/tags/v1^{{}}"));
    assert!(told.contains(&peeled), "{told}");
    let url = server::plain(&sandbox.path("served")).url("/repo/.git");
    let add = |checksum: &str| {
        let text = format!("FROM scratch\nADD --checksum={checksum} {url}#v1 /\n");
        let _absent = std::fs::remove_dir_all(sandbox.path("out"));
        sandbox.build(&text, &["-o", "out"])
    };
    std::fs::write(&refs, told.replace(&peeled, &lie)).unwrap();
    let mismatch = format!("says that the tag is commit {good}, but it leads to {evil}");
    add(&good).exits(1).says(&mismatch);
    assert!(!sandbox.path("out").exists());
    let context = ["build", "-f-", "-o", "out", &format!("{url}#v1")];
    sandbox.rbuild_with_input(context, ALL).exits(1).says(&mismatch);
    // Nothing of it is left to be found by who means the good one.
    std::fs::write(&refs, told).unwrap();
    add(&good).exits(1).says(&format!("expected checksum to match {good}"));
    add(&evil).success();
    assert_eq!(sandbox.read("out/file"), "evil");
}

#[test]
fn repositories_of_who_called_sudo_are_read_and_others_are_not() {
    let sandbox = Sandbox::new();
    if !crate::support::privileged() {
        return;
    }
    let Some(repository) = GitRepository::new(&sandbox, "repo") else { return };
    repository.commit_files(&[("Dockerfile", ALL), ("file", "own")]);
    let mut chown = std::process::Command::new("chown");
    let owned = chown.args(["-R", "1234:1234"]).arg(repository.path()).status();
    assert!(owned.unwrap().success());
    let build = |uid: &str| {
        let mut command = sandbox.rbuild_command(["build", "-o", "out", &repository.url()]);
        run(command.env("SUDO_UID", uid), "")
    };
    build("4321").exits(1).says("belongs to another user");
    build("1234").success();
    assert_eq!(sandbox.read("out/file"), "own");
}

/// Git's processes that work for the store of this sandbox.
fn gits(sandbox: &Sandbox) -> usize {
    let root = format!("RBUILD_TEST_MARK={}", sandbox.root().display());
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let of_git = |path: &std::path::Path| {
        let name = std::fs::read_to_string(path.join("comm")).unwrap_or_default();
        let arguments = std::fs::read_to_string(path.join("cmdline")).unwrap_or_default();
        name.starts_with("git") && arguments.contains(&root)
    };
    processes.filter(|entry| of_git(&entry.path())).count()
}

#[test]
fn an_interrupted_build_leaves_no_git_behind() {
    let sandbox = Sandbox::new();
    if GitRepository::new(&sandbox, "repo").is_none() {
        return;
    }
    // A server that takes a question and never answers.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming().flatten() {
            open.push(stream);
            let _nobody_waits = sender.send(());
        }
    });
    let mark = format!("RBUILD_TEST_MARK={}", sandbox.root().display());
    let url = format!("http://127.0.0.1:{port}/{mark}/x.git");
    sandbox.write("context/Dockerfile", &format!("FROM scratch\nADD {url} /\n"));
    let url = url.as_str();
    for args in [
        ["build", "-q", url],
        ["build", "-q", "context"],
        ["check", "--extra", url],
        ["build", "--call=outline", url],
        ["build", "--call=targets", url],
    ] {
        for signal in [Signal::INT, Signal::TERM] {
            let mut command = sandbox.rbuild_command(args);
            command.stderr(std::process::Stdio::piped());
            let child = command.spawn().unwrap();
            receiver.recv_timeout(Duration::from_secs(60)).unwrap();
            assert!(gits(&sandbox) > 0);
            kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), signal).unwrap();
            let output = child.wait_with_output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(130), "{stderr}");
            assert!(stderr.contains("the build was interrupted"), "{stderr}");
            let deadline = Instant::now() + Duration::from_secs(60);
            while gits(&sandbox) > 0 {
                assert!(Instant::now() < deadline, "git still runs");
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
    assert_eq!(std::fs::read_dir(sandbox.root().join("temp")).unwrap().count(), 0);
}
