//! ADD of repositories.

use crate::support::{GitRepository, Layer, Output, Sandbox};

use super::server;

/// A repository behind a server, with the tags `v1` and `v2`.
fn served(sandbox: &Sandbox) -> Option<(GitRepository, String, [String; 2])> {
    let repository = GitRepository::new(sandbox, "served/repo")?;
    let first = repository.commit_files(&[("foo", "one"), ("sub/a.txt", "a"), ("sub/b.md", "b")]);
    repository.git(&["tag", "v1"]);
    let second = repository.commit_files(&[("foo", "two")]);
    repository.git(&["tag", "v2"]);
    repository.git(&["update-server-info"]);
    let server = server::plain(&sandbox.path("served"));
    Some((repository, server.url("/repo/.git"), [first, second]))
}

fn add(sandbox: &Sandbox, line: &str) -> Output {
    let text = format!("FROM scratch\n{line}\n");
    sandbox.build(&text, &["-o", "type=tar,dest=out.tar"])
}

fn listing(sandbox: &Sandbox) -> String {
    Layer::of_file(&sandbox.path("out.tar")).listing()
}

#[test]
fn the_files_go_into_the_destination() {
    let sandbox = Sandbox::new();
    let Some((_repository, url, _)) = served(&sandbox) else { return };
    add(&sandbox, &format!("ADD {url}#v1 /x")).success();
    let everything = "d0755 0:0 x/\n-0644 0:0 x/foo \"one\"\nd0755 0:0 x/sub/\n\
                      -0644 0:0 x/sub/a.txt \"a\"\n-0644 0:0 x/sub/b.md \"b\"\n";
    assert_eq!(listing(&sandbox), everything);
    let flags = "--chown=42:84 --chmod=700 --exclude=*.md --link";
    add(&sandbox, &format!("ADD {flags} {url}#v1:sub /x/")).success().says("LinkBesideChmod");
    assert_eq!(listing(&sandbox), "d0700 42:84 x/\n-0700 42:84 x/a.txt \"a\"\n");
    // Beside other sources, and by a variable.
    sandbox.write("context/local", "l");
    let line = format!("ARG REPO={url}\nADD local ${{REPO}}#v1:sub <<here /y/\nh\nhere");
    add(&sandbox, &line).success();
    let lines = listing(&sandbox);
    for name in ["y/local \"l\"", "y/a.txt", "y/b.md", "y/here \"h\\n\""] {
        assert!(lines.contains(name), "{lines}");
    }
}

#[test]
fn a_checksum_is_the_hash_of_the_commit() {
    let sandbox = Sandbox::new();
    let Some((_repository, url, [first, second])) = served(&sandbox) else { return };
    add(&sandbox, &format!("ADD {url}#v1 /")).success();
    let same = add(&sandbox, &format!("ADD --checksum={first} {url}#v1 /")).success();
    same.says("CACHED");
    add(&sandbox, &format!("ADD --checksum={} {url}#v1 /", &first[..7])).success().says("CACHED");
    let output = add(&sandbox, &format!("ADD --checksum={second} {url}#v1 /")).exits(1);
    output.says(&format!("expected checksum to match {second}, got {first}")).says(":2");
    let output = add(&sandbox, &format!("ADD --checksum=foobar {url}#v1 /")).exits(1);
    output.says("invalid checksum foobar for Git URL, expected hex commit hash");
    let line = format!("ADD --checksum={first} {url}?tag=v1&checksum={second} /");
    add(&sandbox, &line).exits(1).says("checksum mismatch \"");
    let output = add(&sandbox, &format!("ADD --checksum={first} {url} {url} /")).exits(1);
    output.says("checksum can't be specified for multiple sources");
    let output = add(&sandbox, &format!("ADD --checksum={first} foo /")).exits(1);
    output.says("checksum requires HTTP(S) or Git sources");
}

#[test]
fn the_repository_is_kept_when_the_flag_says_so() {
    let sandbox = Sandbox::new();
    let Some((_repository, url, [first, _])) = served(&sandbox) else { return };
    add(&sandbox, &format!("ADD --keep-git-dir {url}#v1 /")).success();
    let lines = listing(&sandbox);
    assert!(lines.contains("-0644 0:0 .git/HEAD") && lines.contains(&first), "{lines}");
    add(&sandbox, &format!("ADD {url}?keep-git-dir=1&tag=v1 /")).success().says("CACHED");
    add(&sandbox, &format!("ADD --keep-git-dir=false {url}#v1 /")).success();
    assert!(!listing(&sandbox).contains(".git"));
    let line = format!("ADD --keep-git-dir=false {url}?keep-git-dir=true /");
    add(&sandbox, &line).exits(1).says("inconsistent keep-git-dir configuration");
    let output = add(&sandbox, &format!("ADD --keep-git-dir {url}#v1:sub /")).success();
    output.says("IgnoredFlag").says("copied without `.git`");
    sandbox.write("context/foo", "");
    let output = add(&sandbox, "ADD --keep-git-dir foo /").success();
    output.says("IgnoredFlag").says("no source is a repository");
}

#[test]
fn copy_takes_no_repository_and_add_no_name_without_scheme() {
    let sandbox = Sandbox::new();
    let copied = add(&sandbox, "COPY https://h/x.git /").exits(1);
    copied.says("source can't be a git ref for COPY").says("ADD takes repositories");
    add(&sandbox, "ADD https://h/x.git?what=1 /").exits(1).says("unexpected query \"what\"");
    sandbox.write("context/github.com/a/b", "file");
    add(&sandbox, "ADD github.com/a/b /").success();
    assert_eq!(listing(&sandbox), "-0644 0:0 b \"file\"\n");
    // A check asks no server.
    sandbox.write("context/Dockerfile", "FROM scratch\nADD https://h.invalid/x.git /\n");
    sandbox.rbuild(["check", "context"]).success();
}
