//! What a second build asks for, and what becomes of what was fetched.

use std::path::PathBuf;

use crate::support::{GitRepository, Sandbox};

use super::server::SmartServer;

fn served(sandbox: &Sandbox) -> Option<(GitRepository, SmartServer)> {
    let repository = GitRepository::new(sandbox, "served/repo")?;
    repository.commit_files(&[("Dockerfile", "FROM scratch\nCOPY foo /\n"), ("foo", "one")]);
    Some((repository, SmartServer::start(&sandbox.path("served"))))
}

/// How often a pack was asked for, which the second question after the list of names is.
fn fetches(server: &SmartServer) -> (usize, usize) {
    let requests = server.requests();
    let packs = requests.iter().filter(|head| head.starts_with("POST")).count();
    (requests.len(), packs)
}

fn kept(sandbox: &Sandbox) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(sandbox.root().join("cache/git")) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path().join("0"));
    paths.filter(|path| path.exists()).collect()
}

#[test]
fn a_build_with_nothing_changed_asks_only_for_the_name() {
    let sandbox = Sandbox::new();
    let Some((repository, server)) = served(&sandbox) else { return };
    let url = server.url("/repo/.git");
    let context = || sandbox.rbuild(["build", "--progress=plain", "-o", "out", &url]).success();
    let text = format!("FROM scratch\nADD {url} /\n");
    let add = |text: &str| sandbox.build(text, &["-o", "out"]).success();
    context();
    let (first, _) = fetches(&server);
    context().says("CACHED");
    let (second, packs) = fetches(&server);
    assert!(second < first && packs <= 1, "{first} and {second} requests, {packs} POSTs");
    // Another step with the same commit, which is there already.
    add(&text);
    add(&text).says("CACHED");
    assert!(fetches(&server).1 <= 2);
    // A hash says everything.
    let hash = repository.git(&["rev-parse", "HEAD"]);
    add(&text.replace(".git ", &format!(".git#{hash} "))).says("CACHED");
    sandbox
        .rbuild(["build", "--progress=plain", &format!("{url}#{hash}")])
        .success()
        .says("CACHED");
    assert_eq!(fetches(&server), (0, 0));
    // The branch moves.
    repository.commit_files(&[("foo", "two")]);
    context();
    assert_eq!(sandbox.read("out/foo"), "two");
    add(&text);
    assert_eq!(sandbox.read("out/foo"), "two");
    // A commit that is no different from the last one but for its message.
    repository.commit("nothing");
    context().says("CACHED");
    add(&format!("{text}ADD {url} /again/\n"));
    assert_eq!(std::fs::read_dir(sandbox.root().join("temp")).unwrap().count(), 0);
}

#[test]
fn one_build_is_about_one_commit() {
    let sandbox = Sandbox::new();
    let Some((_repository, server)) = served(&sandbox) else { return };
    let url = server.url("/repo/.git");
    let text =
        format!("FROM scratch AS a\nADD {url} /a\nFROM scratch\nADD {url} /b\nCOPY --from=a / /\n");
    sandbox.build(&text, &["--platform=linux/amd64,linux/arm64"]).success();
    let listed = |head: &String| head.contains("/info/refs");
    // Once for the name, once more for the pack.
    assert!(server.requests().iter().filter(|head| listed(head)).count() <= 2);
}

#[test]
fn what_is_kept_is_pruned_and_what_is_damaged_replaced() {
    let sandbox = Sandbox::new();
    let Some((repository, server)) = served(&sandbox) else { return };
    let url = server.url("/repo/.git");
    sandbox.rbuild(["build", "-q", &url]).success();
    let kept_one = kept(&sandbox).remove(0);
    let listed = sandbox.rbuild(["cache", "ls"]).success();
    assert!(listed.stdout.contains("git") && listed.stdout.contains(&url), "{listed}");
    // As after a loss of power; and as after a kill in the middle of a fetch.
    let objects = kept_one.join("objects");
    for entry in std::fs::read_dir(&objects).unwrap().map(|entry| entry.unwrap().path()) {
        for file in std::fs::read_dir(entry).unwrap().map(|file| file.unwrap().path()) {
            std::fs::remove_file(&file).unwrap();
            std::fs::write(&file, "").unwrap();
        }
    }
    std::fs::write(kept_one.join("shallow.lock"), "").unwrap();
    sandbox.rbuild(["build", "-q", "-o", "out", &url]).success();
    assert_eq!(sandbox.read("out/foo"), "one");
    std::fs::write(kept_one.join("shallow.lock"), "").unwrap();
    repository.commit_files(&[("foo", "two")]);
    sandbox.rbuild(["build", "-q", "-o", "out", &url]).success();
    assert_eq!(sandbox.read("out/foo"), "two");
    // Branches that cannot be beside each other.
    let hash = repository.commit_files(&[("foo", "three")]);
    repository.commit_files(&[("foo", "four")]);
    for name in ["a", "a/b"] {
        repository.git(&["branch", name]);
        let address = format!("{url}#{hash}");
        sandbox.rbuild(["build", "-q", "-o", "out", &address]).success();
        assert_eq!(sandbox.read("out/foo"), "three");
        repository.git(&["branch", "-D", name]);
    }
    sandbox.rbuild(["builder", "prune", "-a", "-f"]).success();
    assert_eq!(kept(&sandbox), [] as [PathBuf; 0]);
    sandbox.rbuild(["build", "-q", &url]).success();
    sandbox.validate();
}
