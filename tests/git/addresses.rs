//! Every way to say which commit, for contexts and for ADD, with a server of plain files and a smart one.

use super::server::{self, SmartServer};
use crate::support::{GitRepository, Output, Sandbox};

const DOCKERFILE: &str = "FROM scratch\nCOPY foo out\n";

/// Branches `main`, `base` and `feature`, tags `v0.0.1`, `v0.0.2` (annotated) and `latest`.
struct History {
    repository: GitRepository,
    v2: String,
    latest: String,
}

fn history(sandbox: &Sandbox, hashes: &str) -> Option<History> {
    let repository = GitRepository::with_hashes(sandbox, "served/repo", hashes)?;
    repository.commit_files(&[("foo", "base"), ("Dockerfile", DOCKERFILE)]);
    repository.git(&["tag", "v0.0.1"]);
    repository.git(&["branch", "base"]);
    repository.git(&["checkout", "-q", "-b", "feature"]);
    repository.commit_files(&[
        ("foo", "feature"),
        ("sub/foo", "sub"),
        ("sub/Dockerfile", DOCKERFILE),
    ]);
    repository.git(&["checkout", "-q", "main"]);
    let v2 = repository.commit_files(&[("foo", "v0.0.2")]);
    repository.git(&["tag", "-a", "-m", "annotated", "v0.0.2"]);
    let latest = repository.commit_files(&[("foo", "latest")]);
    repository.git(&["tag", "latest"]);
    repository.git(&["update-server-info"]);
    Some(History { repository, v2, latest })
}

/// What follows the address, and what `foo` is then or what is said instead.
fn cases(history: &History) -> Vec<(String, Result<&'static str, &'static str>)> {
    let History { v2, latest, .. } = history;
    let cases: [(&str, Result<&str, &str>); 30] = [
        ("", Ok("latest")),
        ("#", Ok("latest")),
        ("#HEAD", Ok("latest")),
        ("#v0.0.2", Ok("v0.0.2")),
        ("#refs/tags/v0.0.2", Ok("v0.0.2")),
        ("#tags/v0.0.2", Ok("v0.0.2")),
        ("#heads/base", Ok("base")),
        ("#V2", Ok("v0.0.2")),
        ("?ref=base", Ok("base")),
        ("?branch=base", Ok("base")),
        ("?branch=refs/heads/base", Ok("base")),
        ("?branch=invalid", Err("repository does not contain ref refs/heads/invalid")),
        ("?branch=v0.0.2", Err("repository does not contain ref")),
        ("?tag=base", Err("repository does not contain ref")),
        ("?tag=v0.0.2#refs/tags/v0.0.2", Ok("v0.0.2")),
        ("?commit=V2", Ok("v0.0.2")),
        ("?commit=SHORT", Ok("v0.0.2")),
        ("?ref=V2", Ok("v0.0.2")),
        ("?ref=SHORT", Err("repository does not contain ref")),
        ("?tag=v0.0.2&commit=V2", Ok("v0.0.2")),
        ("?tag=v0.0.2&checksum=SHORT", Ok("v0.0.2")),
        ("?ref=V2&commit=V2", Ok("v0.0.2")),
        ("?commit=LATEST", Ok("latest")),
        ("?tag=v0.0.2&commit=LATEST", Err("expected checksum to match")),
        ("?branch=base&commit=V2&fetch-by-commit", Ok("v0.0.2")),
        ("?branch=base&commit=SHORT&fetch-by-commit", Err("needs a whole commit hash")),
        ("?tag=v0.0.2#refs/heads/main", Err("ref conflicts")),
        ("#feature:sub", Ok("sub")),
        ("?subdir=/sub/&ref=feature", Ok("sub")),
        ("#feature:absent", Err("there is no directory `absent` in")),
    ];
    let fill =
        |text: &str| text.replace("V2", v2).replace("SHORT", &v2[..9]).replace("LATEST", latest);
    cases.iter().map(|(suffix, expected)| (fill(suffix), *expected)).collect()
}

fn check(output: Output, expected: Result<&str, &str>, found: impl FnOnce() -> String, what: &str) {
    match expected {
        Ok(content) => {
            output.success();
            assert_eq!(found(), content, "{what}");
        }
        Err(words) => drop(output.exits(1).says(words)),
    }
}

/// As context, or by ADD.
fn check_all(sandbox: &Sandbox, history: &History, address: &str, add: bool) {
    for (suffix, expected) in cases(history) {
        let address = format!("{address}{suffix}");
        let text = format!("FROM scratch\nADD {address} /\n");
        let output = match add {
            true => sandbox.rbuild_with_input(["build", "-q", "-o", "out", "-"], &text),
            false => sandbox.rbuild(["build", "-q", "-o", "out", &address]),
        };
        let name = if add { "out/foo" } else { "out/out" };
        check(output, expected, || sandbox.read(name), &address);
        let _absent = std::fs::remove_dir_all(sandbox.path("out"));
    }
    let left = std::fs::read_dir(sandbox.root().join("temp")).unwrap().count();
    assert_eq!(left, 0, "left in the store");
    sandbox.validate();
}

#[test]
fn a_server_of_plain_files() {
    let sandbox = Sandbox::new();
    let Some(history) = history(&sandbox, "sha1") else { return };
    let server = server::plain(&sandbox.path("served"));
    check_all(&sandbox, &history, &server.url("/repo/.git"), false);
}

#[test]
fn a_smart_server_with_sha256() {
    let sandbox = Sandbox::new();
    let Some(history) = history(&sandbox, "sha256") else { return };
    assert_eq!(history.v2.len(), 64);
    let server = SmartServer::start(&sandbox.path("served"));
    check_all(&sandbox, &history, &server.url("/repo/.git"), true);
}

#[test]
fn the_protocol_of_git_and_repositories_of_this_machine() {
    let sandbox = Sandbox::new();
    let Some(history) = history(&sandbox, "sha1") else { return };
    let daemon = format!("git://127.0.0.1:{}/repo", server::daemon(&sandbox.path("served")));
    let path = history.repository.path().display().to_string();
    for address in
        [format!("{daemon}#base"), format!("{path}?branch=base"), format!("file://{path}#base")]
    {
        sandbox.rbuild(["build", "-q", "-o", "out", &address]).success();
        assert_eq!(sandbox.read("out/out"), "base", "{address}");
        std::fs::remove_dir_all(sandbox.path("out")).unwrap();
    }
    // What is not committed does not count, unless the directory itself is the context.
    history.repository.write("foo", "changed");
    sandbox.rbuild(["build", "-q", "-o", "out", "served/repo#main"]).success();
    assert_eq!(sandbox.read("out/out"), "latest");
    sandbox.rbuild(["build", "-q", "-o", "out", "served/repo"]).success();
    assert_eq!(sandbox.read("out/out"), "changed");
    // A Dockerfile cannot name repositories of the machine it is built on.
    let text = format!("FROM scratch\nADD file://{path} /\n");
    sandbox.rbuild_with_input(["build", "-"], &text).exits(1).says("not found");
}

#[test]
fn names_that_are_none() {
    let sandbox = Sandbox::new();
    let Some(history) = history(&sandbox, "sha1") else { return };
    let url = history.repository.url();
    for name in ["-v", "--upload-pack=touch x", "+main", "a..b", "main:x:y*", "ma*n", "main^"] {
        let output = sandbox.rbuild(["build", &format!("{url}?ref={name}").replace('+', "%2B")]);
        output.exits(1).says("is no name of a branch, tag or commit");
    }
    let output = sandbox.rbuild(["build", &format!("{url}?checksum=xyz")]).exits(1);
    output.says("invalid checksum xyz").says("expected hex commit hash");
    let output = sandbox.rbuild(["build", &format!("{url}?what=1")]).exits(1);
    output.says("unexpected query \"what\"").says("known are ref, tag,");
    let output = sandbox.rbuild(["build", "file:///absent/repo.git"]).exits(1);
    output.says("cannot read the references of `/absent/repo.git`");
}
