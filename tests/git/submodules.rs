//! Submodules: fetched from where they are, and only from where that may be.

use crate::support::{GitRepository, Sandbox};

use super::server::{self, SmartServer};

const ALL: &str = "FROM scratch\nCOPY . /\n";

fn build(sandbox: &Sandbox, address: &str) -> crate::support::Output {
    let _absent = std::fs::remove_dir_all(sandbox.path("out"));
    sandbox.rbuild(["build", "-q", "-o", "out", address])
}

#[test]
fn submodules_of_submodules_come_along() {
    let sandbox = Sandbox::new();
    let make = |name: &str| GitRepository::new(&sandbox, &format!("served/{name}"));
    let (Some(inner), Some(middle), Some(outer)) = (make("inner"), make("middle"), make("outer"))
    else {
        return;
    };
    let smart = SmartServer::start(&sandbox.path("served"));
    let plain = server::plain(&sandbox.path("served"));
    inner.commit_files(&[("in", "old")]);
    let first = inner.git(&["rev-parse", "HEAD"]);
    // Not at the tip of anything.
    inner.commit_files(&[("in", "new")]);
    middle.commit_files(&[("mid", "m")]);
    middle.add_submodule("deep/er", Some(&plain.url("/inner/.git")), &first);
    let middle_commit = middle.git(&["rev-parse", "HEAD"]);
    outer.commit_files(&[("Dockerfile", ALL), ("out", "o")]);
    outer.add_submodule("sub", Some("../../middle/.git"), &middle_commit);
    let url = smart.url("/outer/.git");
    build(&sandbox, &url).success();
    assert_eq!(sandbox.read("out/out"), "o");
    assert_eq!(sandbox.read("out/sub/mid"), "m");
    assert_eq!(sandbox.read("out/sub/deep/er/in"), "old");
    assert!(
        !sandbox.path("out/sub/.git").exists() && !sandbox.path("out/sub/deep/er/.git").exists()
    );
    // A directory of a submodule may be the context.
    let text = "FROM scratch\nCOPY in /\n";
    let args = ["build", "-q", "-o", "part", "-f-", &format!("{url}?subdir=sub/deep/er")];
    sandbox.rbuild_with_input(args, text).success();
    assert_eq!(sandbox.read("part/in"), "old");
    build(&sandbox, &format!("{url}?submodules=false")).success();
    assert_eq!(std::fs::read_dir(sandbox.path("out/sub")).unwrap().count(), 0);
    build(&sandbox, &format!("{url}?keep-git-dir=true")).success();
    let git = |args: &[&str]| {
        let mut command = sandbox.command("git");
        command.args(args).current_dir(sandbox.path("out"));
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_COUNT", "1");
        command.env("GIT_CONFIG_KEY_0", "safe.directory").env("GIT_CONFIG_VALUE_0", "*");
        crate::support::run(&mut command, "").success().stdout
    };
    assert_eq!(git(&["status", "--porcelain"]), "");
    assert_eq!(git(&["-C", "sub/deep/er", "rev-parse", "HEAD"]).trim(), first);
    assert_eq!(std::fs::read_dir(sandbox.root().join("temp")).unwrap().count(), 0);
}

#[test]
fn where_a_submodule_may_not_be() {
    let sandbox = Sandbox::new();
    let Some(secret) = GitRepository::new(&sandbox, "secret") else { return };
    let commit = secret.commit_files(&[("secret", "s")]);
    let marker = sandbox.path("started");
    let shell = format!("ext::sh -c touch% {}", marker.display());
    let path = secret.path().display().to_string();
    let file = secret.url();
    for (number, url) in [
        path.as_str(),
        &file,
        "../secret",
        &shell,
        "--upload-pack=touch started",
        "-oProxyCommand=touch started:x",
        "ssh://-oProxyCommand=touch%20started/x",
        "x::y",
    ]
    .into_iter()
    .enumerate()
    {
        let outer = GitRepository::new(&sandbox, &format!("outer{number}")).unwrap();
        outer.commit_files(&[("Dockerfile", ALL)]);
        outer.add_submodule("sub", Some(url), &commit);
        let output = build(&sandbox, &outer.url()).exits(1);
        let said = ["which is not allowed", "is no address of a repository"];
        assert!(said.iter().any(|words| output.stderr.contains(words)), "{url}: {output}");
        assert!(!marker.exists() && !sandbox.path("out").exists(), "{url}");
        build(&sandbox, &format!("{}?submodules=false", outer.url())).success();
    }
}

#[test]
fn submodules_that_are_not_there() {
    let sandbox = Sandbox::new();
    let Some(outer) = GitRepository::new(&sandbox, "served/outer") else { return };
    let smart = SmartServer::start(&sandbox.path("served"));
    let commit = outer.commit_files(&[("Dockerfile", ALL)]);
    outer.git(&["branch", "plain"]);
    outer.add_submodule("sub", None, &commit);
    let output = build(&sandbox, &outer.url()).exits(1);
    output.says("no url found for submodule path 'sub' in .gitmodules").says("?submodules=false");
    outer.git(&["reset", "-q", "--hard", "plain"]);
    outer.add_submodule("sub", Some(&smart.url("/absent/.git")), &commit);
    let output = build(&sandbox, &outer.url()).exits(1);
    output.says("cannot fetch the submodule `sub`").says("/absent/.git");
    outer.git(&["reset", "-q", "--hard", "plain"]);
    outer.add_submodule("sub", Some(&smart.url("/outer/.git")), &"0123456789".repeat(4));
    let output = build(&sandbox, &outer.url()).exits(1);
    output.says("cannot fetch the submodule `sub`");
    assert_eq!(std::fs::read_dir(sandbox.root().join("temp")).unwrap().count(), 0);
}

#[test]
fn a_link_in_place_of_a_submodule_leads_nowhere() {
    let sandbox = Sandbox::new();
    let Some(outer) = GitRepository::new(&sandbox, "served/outer") else { return };
    let smart = SmartServer::start(&sandbox.path("served"));
    let commit = outer.commit_files(&[("Dockerfile", ALL)]);
    std::fs::create_dir(sandbox.path("victim")).unwrap();
    // A tree that git itself would not make: a link `a`, and a submodule `a/b`.
    outer.add_submodule("a/b", Some(&smart.url("/outer/.git")), &commit);
    let inner = outer.git(&["rev-parse", "HEAD:a"]);
    let link = sandbox.path("target");
    std::fs::write(&link, sandbox.path("victim").to_str().unwrap()).unwrap();
    let blob = outer.git(&["hash-object", "-w", link.to_str().unwrap()]);
    let root = outer.git(&["rev-parse", "HEAD^{tree}"]);
    let listed = outer.git(&["ls-tree", &root]);
    let others = listed.lines().filter(|line| !line.ends_with("\ta"));
    let mut lines: Vec<String> = others.map(str::to_owned).collect();
    lines.push(format!("120000 blob {blob}\ta"));
    lines.push(format!("040000 tree {inner}\ta"));
    let input = sandbox.path("tree");
    std::fs::write(&input, lines.join("\n") + "\n").unwrap();
    let script = format!("git mktree < {}", input.display());
    let mut command = std::process::Command::new("sh");
    let output = command.args(["-c", &script]).current_dir(outer.path()).output().unwrap();
    let tree = String::from_utf8(output.stdout).unwrap();
    let evil = outer.git(&["commit-tree", "-m", "evil", tree.trim()]);
    outer.git(&["branch", "evil", &evil]);
    // Git takes one of the two; it must not be both.
    let output = build(&sandbox, &format!("{}#evil", outer.url()));
    assert!(output.status.is_some(), "{output}");
    assert_eq!(std::fs::read_dir(sandbox.path("victim")).unwrap().count(), 0);
}
