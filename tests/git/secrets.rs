//! What authorizes git: secrets and passwords in addresses, which nobody else gets to see.

use std::os::unix::fs::PermissionsExt;

use crate::support::{GitRepository, HttpServer, Output, Sandbox, response, run};

use super::server::SmartServer;

const TOKEN: &str = "tok3n-of-the-user";
/// `x-access-token:tok3n-of-the-user`
const BASIC: &str = "authorization: basic eC1hY2Nlc3MtdG9rZW46dG9rM24tb2YtdGhlLXVzZXI=";

fn served(sandbox: &Sandbox, header: &'static str) -> Option<SmartServer> {
    let repository = GitRepository::new(sandbox, "served/repo")?;
    repository.commit_files(&[("Dockerfile", "FROM scratch\nCOPY . /\n"), ("foo", "foo")]);
    Some(SmartServer::gated(&sandbox.path("served"), move |head| {
        let known = head.to_lowercase().contains(&header.to_lowercase());
        let ask = ["WWW-Authenticate: Basic realm=\"x\""];
        (!known).then(|| response("401 Unauthorized", &ask, b""))
    }))
}

/// Builds with a `git` that writes down its arguments.
fn build(sandbox: &Sandbox, args: &[&str]) -> (Output, String) {
    let real = std::env::vars_os().find(|(name, _)| name == "PATH").unwrap().1;
    let real = real.to_str().unwrap().to_owned();
    let log = sandbox.path("arguments");
    let _absent = std::fs::remove_file(&log);
    let script = format!(
        "#!/bin/sh\ncat /proc/$$/cmdline >>'{0}'\necho \"$@\" >>'{0}'\nPATH='{real}' exec git \"$@\"\n",
        log.display()
    );
    sandbox.write("bin/git", &script);
    std::fs::set_permissions(sandbox.path("bin/git"), PermissionsExt::from_mode(0o755)).unwrap();
    let fixed = ["build", "--progress=plain", "-o", "out"];
    let mut command = sandbox.rbuild_command(fixed.iter().chain(args));
    command.env("PATH", format!("{}:{real}", sandbox.path("bin").display()));
    command.env("TOKEN", TOKEN);
    let output = run(&mut command, "");
    (output, std::fs::read_to_string(log).unwrap_or_default())
}

fn secret_is_nowhere(sandbox: &Sandbox, output: &Output, arguments: &str, secret: &str) {
    assert!(!arguments.contains(secret), "{arguments}");
    assert!(!output.to_string().replace("password@127", "").contains(secret), "{output}");
    let found = sandbox.command("grep").args(["-r", "-l", secret]).arg(sandbox.root()).output();
    assert_eq!(String::from_utf8_lossy(&found.unwrap().stdout), "");
}

#[test]
fn tokens_are_for_the_host_and_for_nobody_else_to_see() {
    let sandbox = Sandbox::new();
    let Some(server) = served(&sandbox, BASIC) else { return };
    let url = server.url("/repo/.git");
    let (output, _) = build(&sandbox, &[&url]);
    let host = format!("127.0.0.1:{}", server.port);
    let hint = format!("`--secret id=GIT_AUTH_TOKEN.{host},src=FILE` gives a token");
    output.exits(1).says("cannot read the references of `http").says(&hint);
    for id in [
        "GIT_AUTH_TOKEN".to_owned(),
        format!("GIT_AUTH_TOKEN.{host}"),
        "GIT_AUTH_TOKEN.127.0.0.1".to_owned(),
    ] {
        let secret = format!("--secret=id={id},env=TOKEN");
        let (output, arguments) = build(&sandbox, &[&secret, "--no-cache", &url]);
        assert!(arguments.contains("ls-remote"), "{arguments}");
        secret_is_nowhere(&sandbox, &output.success(), &arguments, TOKEN);
    }
    // By ADD, and in the form of a whole header.
    sandbox.write("context/Dockerfile", &format!("FROM scratch\nADD {url} /\n"));
    sandbox.write("header", &BASIC["authorization: ".len()..]);
    let secret = "--secret=id=GIT_AUTH_HEADER,src=header";
    let (output, arguments) = build(&sandbox, &[secret, "context"]);
    secret_is_nowhere(&sandbox, &output.success(), &arguments, &BASIC[21..]);
    let (output, _) = build(
        &sandbox,
        &["--secret=id=GIT_AUTH_TOKEN.other.host,env=TOKEN", "--no-cache", "context"],
    );
    output.exits(1).says("gives a token");
}

#[test]
fn a_password_in_an_address_is_hidden() {
    let sandbox = Sandbox::new();
    // `user:password`
    let Some(server) = served(&sandbox, "authorization: basic dXNlcjpwYXNzd29yZA==") else {
        return;
    };
    let url = server.url("/repo/.git").replace("http://", "http://user:password@");
    let (output, arguments) = build(&sandbox, &[&url]);
    assert!(!arguments.contains("password"), "{arguments}");
    output.success();
    sandbox.write("context/Dockerfile", &format!("FROM scratch\nADD --keep-git-dir {url} /\n"));
    let (output, arguments) = build(&sandbox, &["-t", "added", "context"]);
    assert!(!arguments.contains("password"), "{arguments}");
    assert!(!output.success().stderr.contains("password"));
    let history = sandbox.rbuild(["history", "--no-trunc", "added"]).success();
    assert!(history.stdout.contains("xxxxx@") && !history.stdout.contains("password"));
    let kept = sandbox.read("out/.git/config");
    assert!(kept.contains("/repo/.git") && !kept.contains("password"), "{kept}");
    let (output, _) = build(&sandbox, &[&url.replace("password", "wrong")]);
    let output = output.exits(1);
    let report = output.stderr.split("error: ").last().unwrap().to_owned();
    assert!(!report.contains("wrong"), "{report}");
}

#[test]
fn tokens_do_not_follow_to_other_servers() {
    let sandbox = Sandbox::new();
    let Some(other) = served(&sandbox, "git/") else { return };
    let to = other.url("/repo/.git");
    let moved = SmartServer::gated(&sandbox.path("served"), move |head| {
        let target = head.split(' ').nth(1).unwrap_or_default();
        let rest = target.strip_prefix("/repo/.git").unwrap_or_default();
        Some(response("301 Moved", &[&format!("Location: {to}{rest}")], b""))
    });
    let url = moved.url("/repo/.git");
    // Without credentials a redirect is one.
    build(&sandbox, &[&url]).0.success();
    let before = other.requests();
    assert!(!before.is_empty());
    let secret = "--secret=id=GIT_AUTH_TOKEN,env=TOKEN";
    let (output, _) = build(&sandbox, &["--no-cache", secret, &url]);
    output.exits(1).says("credentials do not follow to other addresses");
    assert_eq!(other.requests(), [] as [String; 0]);
    // A submodule on another host has to be given its own.
    let repository = GitRepository::new(&sandbox, "served/outer").unwrap();
    let commit = repository.commit_files(&[("Dockerfile", "FROM scratch\nCOPY . /\n")]);
    let elsewhere = other.url("/repo/.git").replace("127.0.0.1", "localhost");
    let inner = sandbox.command("git").args(["-C", "served/repo", "rev-parse", "HEAD"]).output();
    let inner = String::from_utf8(inner.unwrap().stdout).unwrap();
    repository.add_submodule("sub", Some(&elsewhere), inner.trim());
    assert_ne!(commit, inner.trim());
    let here = other.url("/outer/.git");
    build(&sandbox, &[secret, &here]).0.success();
    let heads = other.requests();
    let with = |host: &str| {
        let mut heads =
            heads.iter().filter(|head| head.to_lowercase().contains(&format!("host: {host}")));
        heads.any(|head| head.to_lowercase().contains("authorization"))
    };
    assert!(with("127.0.0.1") && !with("localhost"), "{heads:?}");
}

#[test]
fn tokens_are_not_sent_in_the_clear_where_the_address_did_not_ask_for_that() {
    let sandbox = Sandbox::new();
    let Some(server) = served(&sandbox, "git/") else { return };
    let inner = sandbox.command("git").args(["-C", "served/repo", "rev-parse", "HEAD"]).output();
    let inner = String::from_utf8(inner.unwrap().stdout).unwrap();
    let outer = GitRepository::new(&sandbox, "served/outer").unwrap();
    outer.commit_files(&[("Dockerfile", "FROM scratch\nCOPY . /\n")]);
    outer.add_submodule("sub", Some(&server.url("/repo/.git")), inner.trim());
    let secret = format!("--secret=id=GIT_AUTH_TOKEN.127.0.0.1:{},env=TOKEN", server.port);
    let told = |context: &str| {
        build(&sandbox, &["--no-cache", &secret, context]).0.success();
        let heads = server.requests();
        assert!(!heads.is_empty());
        heads.iter().any(|head| head.to_lowercase().contains("authorization"))
    };
    assert!(!told(&outer.url()));
    assert!(told(&server.url("/outer/.git")));
}

#[test]
fn passwords_are_hidden_in_every_form_of_an_instruction() {
    let sandbox = Sandbox::new();
    let server = HttpServer::start(|_| response("200 OK", &[], b"x"));
    let url = |name: &str| server.url(name).replace("http://", "http://user:pass,word@");
    let (one, two) = (url("/one"), url("/two"));
    sandbox.write(
        "context/Dockerfile",
        &format!("FROM scratch\nADD [\"{one}\",\"{two}\",\"/a/\"]\nADD\t{one}\t{two} /b/\n"),
    );
    let (output, _) = build(&sandbox, &["-t", "added", "--explain", "context"]);
    let output = output.success();
    assert!(!output.to_string().contains("pass,word"), "{output}");
    assert!(output.stderr.contains("xxxxx@127"), "{output}");
    let found = sandbox.command("grep").args(["-rl", "pass,word"]).arg(sandbox.root()).output();
    assert_eq!(String::from_utf8_lossy(&found.unwrap().stdout), "");
    let wrong = format!("--build-context=a::b={one}");
    let (output, _) = build(&sandbox, &[&wrong, "context"]);
    let report = output.exits(1).stderr;
    assert!(!report.contains("pass,word") && report.contains("xxxxx@"), "{report}");
}
