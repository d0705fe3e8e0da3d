//! Repositories as contexts and named contexts: their files, modes and times, and what else a build takes from them.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::support::{COMMIT_TIME, GitRepository, Layer, Sandbox, privileged, run};

const ALL: &str = "FROM scratch\nCOPY . /\n";

fn repository(sandbox: &Sandbox) -> Option<GitRepository> {
    let repository = GitRepository::new(sandbox, "repo")?;
    repository.write("run.sh", "#!/bin/sh\n");
    repository.git(&["add", "run.sh"]);
    repository.git(&["update-index", "--chmod=+x", "run.sh"]);
    repository.git(&["commit", "-q", "-m", "one"]);
    repository.git(&["checkout", "-q", "."]);
    repository.commit_files(&[("Dockerfile", ALL), ("sub/a", "a"), ("link", "-> sub/a")]);
    repository.git(&["tag", "-a", "-m", "annotated", "v1"]);
    Some(repository)
}

/// The image's digest, built in a store of its own in a process with this umask.
fn digest(repository: &GitRepository, suffix: &str, umask: &str, args: &[&str]) -> String {
    let sandbox = Sandbox::new();
    let address = format!("{}{suffix}", repository.url());
    let build = sandbox.rbuild_command(["build", "-q", "-o", "type=tar,dest=out.tar"].iter());
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("umask {umask}; exec \"$0\" \"$@\"")).arg(build.get_program());
    shell.args(build.get_args()).args(args).arg(&address).env_clear().arg0("sh");
    shell.envs(build.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.current_dir(sandbox.path(""));
    let id = run(&mut shell, "").success().stdout;
    let tar = std::fs::read(sandbox.path("out.tar")).unwrap();
    format!(
        "{id}{:?}",
        tar.iter().fold(0_u64, |sum, b| sum.wrapping_mul(31).wrapping_add((*b).into()))
    )
}

#[test]
fn files_have_the_modes_git_knows_and_the_time_of_the_commit() {
    let sandbox = Sandbox::new();
    let Some(repository) = repository(&sandbox) else { return };
    let build = ["build", "-q", "-o", "type=tar,dest=out.tar", &repository.url()];
    sandbox.rbuild(build).success();
    let listing = Layer::of_file(&sandbox.path("out.tar")).listing();
    assert_eq!(
        listing,
        "-0644 0:0 Dockerfile \"FROM scratch\\nCOPY . /\\n\"\n\
         l0777 0:0 link -> sub/a\n\
         -0755 0:0 run.sh \"#!/bin/sh\\n\"\n\
         d0755 0:0 sub/\n\
         -0644 0:0 sub/a \"a\"\n"
    );
    let mut archive = tar::Archive::new(std::fs::File::open(sandbox.path("out.tar")).unwrap());
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.header().mtime().unwrap(), COMMIT_TIME.cast_unsigned());
    }
    // BuildKit's way, when it is asked for.
    let address = format!("{}?mtime=checkout", repository.url());
    let build = ["build", "-q", "--no-cache", "-o", "type=tar,dest=new.tar", &address];
    sandbox.rbuild(build).success();
    let mut archive = tar::Archive::new(std::fs::File::open(sandbox.path("new.tar")).unwrap());
    let entry = archive.entries().unwrap().next().unwrap().unwrap();
    assert!(entry.header().mtime().unwrap() > 1_500_000_000);
}

#[test]
fn a_commit_is_the_same_image_everywhere() {
    let sandbox = Sandbox::new();
    let Some(repository) = repository(&sandbox) else { return };
    let epoch = ["--build-arg", "SOURCE_DATE_EPOCH=context"];
    for suffix in ["", "#v1", "?keep-git-dir=true", "?keep-git-dir=true&tag=v1"] {
        let first = digest(&repository, suffix, "022", &epoch);
        assert_eq!(first, digest(&repository, suffix, "077", &epoch), "{suffix}");
    }
}

#[test]
fn the_repository_is_kept_when_asked_for() {
    let sandbox = Sandbox::new();
    let Some(repository) = repository(&sandbox) else { return };
    let keep = "--build-arg=BUILDKIT_CONTEXT_KEEP_GIT_DIR=1";
    let build = |out: &str, suffix: &str, args: &[&str]| {
        let address = format!("{}{suffix}", repository.url());
        let fixed = ["build", "-q", "-o", out];
        sandbox.rbuild(fixed.iter().chain(args).chain(&[address.as_str()])).success();
        sandbox.path(out).join(".git").exists()
    };
    assert!(!build("plain", "", &[]));
    assert!(build("kept", "", &[keep]));
    assert!(build("tag", "?keep-git-dir=1&tag=v1", &[]));
    // The address has the last word, and a part of the files is no work tree.
    assert!(!build("not", "?keep-git-dir=false", &[keep]));
    std::fs::write(repository.path().join("sub/Dockerfile"), ALL).unwrap();
    repository.commit("sub");
    assert!(!build("part", "#:sub", &[keep]));
    let git = |directory: &str, args: &[&str]| {
        let mut command = sandbox.command("git");
        command.args(args).current_dir(sandbox.path(directory));
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_COUNT", "1");
        command.env("GIT_CONFIG_KEY_0", "safe.directory").env("GIT_CONFIG_VALUE_0", "*");
        run(&mut command, "").success().stdout
    };
    for directory in ["kept", "tag"] {
        assert_eq!(git(directory, &["status", "--porcelain"]), "", "{directory}");
        git(directory, &["fsck", "--strict"]);
        let origin = git(directory, &["config", "remote.origin.url"]);
        assert_eq!(origin.trim(), repository.path().to_str().unwrap());
        assert_eq!(git(directory, &["log", "--format=%s"]), "files\n");
    }
    assert_eq!(git("tag", &["describe"]), "v1\n");
    assert!(git("kept", &["branch", "--list", "main"]).contains("main"));
}

#[test]
fn dockerfiles_come_from_the_repository_or_from_stdin() {
    let sandbox = Sandbox::new();
    let Some(repository) = repository(&sandbox) else { return };
    repository.commit_files(&[
        (".dockerignore", "sub\n"),
        ("docker/Other", "FROM scratch\nCOPY sub/a /other\n"),
    ]);
    let address = repository.url();
    let output = sandbox.rbuild(["build", "-q", "-o", "one", "-f", "docker/Other", &address]);
    output.success().says(".dockerignore in `").says("is not applied, as in BuildKit");
    assert_eq!(sandbox.read("one/other"), "a");
    let text = "FROM scratch\nCOPY sub/a /stdin\n";
    sandbox.rbuild_with_input(["build", "-q", "-o", "two", "-f-", &address], text).success();
    assert_eq!(sandbox.read("two/stdin"), "a");
    let output = sandbox.rbuild(["build", "-f", "absent", &address]).exits(1);
    output.says("there is no `absent` in `");
    sandbox.rbuild(["check", &address]).success();
}

#[test]
fn a_named_context_may_be_a_repository() {
    let sandbox = Sandbox::new();
    let Some(repository) = repository(&sandbox) else { return };
    let named = format!("--build-context=src={}#v1", repository.url());
    let unused = "--build-context=unused=http://127.0.0.1:1/x.git";
    let text = "FROM src\nCOPY --from=src sub /copied/\n";
    let args = ["build", "-q", "-o", "out", &named, unused, "-"];
    sandbox.rbuild_with_input(args, text).success();
    assert_eq!(sandbox.read("out/sub/a"), "a");
    assert_eq!(sandbox.read("out/copied/a"), "a");
    let part = format!("--build-context=src={}?subdir=sub", repository.url());
    let text = "FROM scratch\nCOPY --from=src / /part/\n";
    sandbox.rbuild_with_input(["build", "-q", "-o", "part", &part, "-"], text).success();
    assert_eq!(sandbox.read("part/part/a"), "a");
    let text = "FROM scratch\nCOPY --from=unused / /\n";
    let output = sandbox.rbuild_with_input(["build", unused, "-"], text).exits(1);
    output.says("cannot read the references of `http://127.0.0.1:1/x.git`");
}

#[test]
fn run_mounts_a_named_repository() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    let Some(repository) = repository(&sandbox) else { return };
    let named = format!("src={}", repository.url());
    let text = "FROM busybox\nRUN --mount=from=src,target=/src stat -c '%n %a %Y' /src/run.sh\n";
    let output = sandbox.build(text, &["--build-context", &named]).success();
    output.says(&format!("/src/run.sh 755 {COMMIT_TIME}"));
}

#[test]
fn the_time_of_the_build_may_be_that_of_the_commit() {
    let sandbox = Sandbox::new();
    let Some(repository) = repository(&sandbox) else { return };
    let created = |name: &str| {
        let args = ["image", "inspect", "--format", "{{.Created}}", name];
        sandbox.rbuild(args).success().stdout
    };
    let build = ["build", "-q", "-t", "one", "--build-arg=SOURCE_DATE_EPOCH=context"];
    sandbox.rbuild(build.iter().chain(&[repository.url().as_str()])).success();
    assert_eq!(created("one").trim(), "2001-09-09T01:46:40Z");
    let named = format!("--build-context=src={}", repository.url());
    let text = "ARG SOURCE_DATE_EPOCH=src\nFROM scratch\nCOPY --from=src sub /\n";
    sandbox.rbuild_with_input(["build", "-q", "-t", "two", &named, "-"], text).success();
    assert_eq!(created("two").trim(), "2001-09-09T01:46:40Z");
}
