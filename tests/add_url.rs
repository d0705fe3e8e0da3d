//! ADD of files on servers, well-behaved ones and others.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::support::{HttpServer, Output, Sandbox, response};

const DATED: [&str; 2] = ["Last-Modified: Sun, 09 Sep 2001 01:46:40 GMT", "ETag: \"one\""];

fn build(sandbox: &Sandbox, line: &str) -> Output {
    sandbox.build(&format!("FROM scratch\n{line}\n"), &["-o", "type=tar,dest=out.tar"])
}

/// One line an entry: mode, owner, time, path, content.
fn listing(sandbox: &Sandbox) -> Vec<String> {
    let mut archive = tar::Archive::new(std::fs::File::open(sandbox.path("out.tar")).unwrap());
    let mut lines = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let mut text = String::new();
        std::io::Read::read_to_string(&mut entry, &mut text).unwrap();
        let (header, path) = (entry.header(), entry.path().unwrap());
        let (mode, uid) = (header.mode().unwrap(), header.uid().unwrap());
        let time = header.mtime().unwrap();
        lines.push(format!("{mode:04o} {uid} {time} {} {text}", path.display()));
    }
    lines
}

fn empty(sandbox: &Sandbox) -> bool {
    std::fs::read_dir(sandbox.root().join("temp")).unwrap().count() == 0
}

#[test]
fn a_file_has_the_name_of_its_url_and_the_time_the_server_says() {
    let server = HttpServer::start(|head| match head {
        head if head.contains("/dated") => response("200 OK", &DATED, b"x"),
        _ => response("200 OK", &["Content-Disposition: attachment; filename=other"], b"x"),
    });
    let sandbox = Sandbox::new();
    for (line, expected) in [
        (format!("ADD {} /", server.url("/a/dated.txt?q=/z")), "0600 0 1000000000 dated.txt x"),
        (format!("ADD {} /dir/", server.url("/f%6Fo")), "0600 0 0 dir/foo x"),
        (format!("ADD {} /name", server.url("/")), "0600 0 0 name x"),
        (format!("ADD {} /dir/", server.url("")), "0600 0 0 dir/__unnamed__ x"),
        (format!("ADD --chmod=755 --chown=7:8 {} /", server.url("/d")), "0755 7 0 d x"),
    ] {
        build(&sandbox, &line).success();
        assert_eq!(listing(&sandbox), [expected], "{line}");
    }
    assert!(server.requests()[0].to_lowercase().contains("user-agent: rbuild/"));
    assert!(empty(&sandbox));
    sandbox.validate();
}

#[test]
fn an_unchanged_file_is_not_sent_again() {
    let server = HttpServer::start(|head| {
        let lower = head.to_lowercase();
        match lower {
            _ if lower.contains("if-none-match: \"one\"") => {
                response("304 Not Modified", &["ETag: \"one\""], b"")
            }
            _ => response("200 OK", &DATED, b"x"),
        }
    });
    let sandbox = Sandbox::new();
    let line = format!("ADD {} /", server.url("/x"));
    build(&sandbox, &line).success();
    assert_eq!(server.requests().len(), 1);
    build(&sandbox, &line).success().says("CACHED");
    let asked = server.requests();
    assert!(asked.len() == 1 && asked[0].to_lowercase().contains("if-none-match"), "{asked:?}");
    // The same file elsewhere: known to the server, but the step has to run.
    build(&sandbox, &line.replace(" /", " /other/")).success();
    assert_eq!(listing(&sandbox), ["0600 0 1000000000 other/x x"]);
    assert_eq!(server.requests().len(), 2);
    assert!(empty(&sandbox));
}

#[test]
fn a_changed_file_is_added_again() {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let server = HttpServer::start(move |_| {
        let count = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        response("200 OK", &[&format!("ETag: \"{count}\"")], format!("{count}").as_bytes())
    });
    let sandbox = Sandbox::new();
    let line = format!("ADD {} /", server.url("/x"));
    for expected in ["0600 0 0 x 0", "0600 0 0 x 1"] {
        build(&sandbox, &line).success();
        assert_eq!(listing(&sandbox), [expected]);
    }
}

#[test]
fn a_file_that_changes_between_question_and_download_fails_the_step() {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let server = HttpServer::start(move |head| {
        let count = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        match head.to_lowercase().contains("if-none-match") {
            true => response("304 Not Modified", &[], b""),
            false => response("200 OK", &["ETag: \"one\""], format!("{count}").as_bytes()),
        }
    });
    let sandbox = Sandbox::new();
    let line = format!("ADD {} /", server.url("/x"));
    build(&sandbox, &line).success();
    // Another step with the same file: the server says it is known, and then gives another one.
    let other = build(&sandbox, &format!("ADD --chmod=700 {} /", server.url("/x"))).exits(1);
    other.says("changed while the build was reading it");
    build(&sandbox, &line).success().says("CACHED");
    assert!(empty(&sandbox));
}

#[test]
fn a_checksum_is_checked_and_spares_the_network() {
    let server = HttpServer::start(|_| response("200 OK", &[], b"abc"));
    let sandbox = Sandbox::new();
    let sums = [
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "sha384:cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
    ];
    for sum in sums {
        let line = format!("ADD --checksum={sum} {} /", server.url("/x"));
        build(&sandbox, &line).success();
        assert_eq!(server.requests().len(), 1);
        build(&sandbox, &line).success().says("CACHED");
        assert!(server.requests().is_empty());
    }
    let wrong = format!("sha256:{}", "0".repeat(64));
    let line = format!("ADD --checksum={wrong} {} /", server.url("/x"));
    build(&sandbox, &line).exits(1).says("digest mismatch").says(sums[0]);
    for (flag, words) in [
        ("md5:00", "unsupported digest algorithm"),
        ("sha256:00", "invalid checksum digest length"),
        ("00", "invalid checksum digest format"),
    ] {
        let line = format!("ADD --checksum={flag} {} /", server.url("/x"));
        build(&sandbox, &line).exits(1).says(words);
    }
    assert!(empty(&sandbox));
}

#[test]
fn archives_are_unpacked_only_when_asked() {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    header.set_mode(0o644);
    archive.append_data(&mut header, "in/side", &b"i"[..]).unwrap();
    let bytes = archive.into_inner().unwrap();
    let server = HttpServer::start(move |_| response("200 OK", &[], &bytes));
    let sandbox = Sandbox::new();
    build(&sandbox, &format!("ADD --unpack=true {} /d/", server.url("/a.tar"))).success();
    assert_eq!(listing(&sandbox), ["0644 0 0 d/in/side i"]);
    for flag in ["", "--unpack=false"] {
        build(&sandbox, &format!("ADD {flag} {} /", server.url("/a.tar"))).success();
        assert!(listing(&sandbox)[0].contains(" a.tar "));
    }
}

#[test]
fn secrets_authorize_and_stay_with_their_host() {
    let other = HttpServer::start(|_| response("200 OK", &[], b"x"));
    let elsewhere = format!("Location: http://localhost:{}/y", other.port);
    let server = HttpServer::start(move |head| match head.to_lowercase() {
        head if !head.contains("authorization: bearer token") => {
            response("401 Unauthorized", &[], b"")
        }
        head if head.contains("/moved") => response("302 Found", &[&elsewhere], b""),
        _ => response("200 OK", &[], b"secret file"),
    });
    let sandbox = Sandbox::new();
    sandbox.write("token", "token\n");
    let url = server.url("/x");
    let refused = build(&sandbox, &format!("ADD {url} /")).exits(1);
    refused.says("invalid response status 401").says("HTTP_AUTH_TOKEN_127.0.0.1");
    let secret = "--secret=id=HTTP_AUTH_TOKEN_127.0.0.1,src=token";
    sandbox.build(&format!("FROM scratch\nADD {url} /\n"), &[secret]).success();
    let moved = format!("FROM scratch\nADD {} /\n", server.url("/moved"));
    sandbox.build(&moved, &[secret]).success();
    let asked = other.requests();
    assert!(!asked[0].to_lowercase().contains("authorization"), "{asked:?}");
}

#[test]
fn servers_that_misbehave_are_said_to() {
    let server = HttpServer::start(|head| match head {
        head if head.contains("/loop") => response("302 Found", &["Location: /loop"], b""),
        head if head.contains("/short") => response("200 OK", &["Content-Length: 9"], b"x"),
        head if head.contains("/500") => response("500 Oops", &[], b""),
        head if head.contains("/noise") => b"what?\r\n\r\n".to_vec(),
        head if head.contains("/hang-up") => Vec::new(),
        head if head.contains("/not-gzip") => response("200 OK", &["Content-Encoding: gzip"], b"x"),
        head if head.contains("/same") => response("304 Not Modified", &[], b""),
        _ => response("404 Not Found", &[], b""),
    });
    let sandbox = Sandbox::new();
    for (path, words) in [
        ("/loop", "too many redirects"),
        ("/short", "broke off"),
        ("/500", "invalid response status 500"),
        ("/404", "invalid response status 404"),
        ("/same", "invalid response status 304"),
        ("/noise", "cannot download"),
        ("/hang-up", "cannot download"),
        ("/not-gzip", "broke off"),
    ] {
        let url = server.url(path).replace("http://", "http://user:password@");
        let output = build(&sandbox, &format!("ADD {url} /")).exits(1).says(words);
        let report = output.stderr.split("error: ").last().unwrap().lines().next().unwrap();
        assert!(!report.contains("password"), "{output}");
    }
    let refused = build(&sandbox, "ADD http://127.0.0.1:1/x /").exits(1);
    refused.says("cannot download http://127.0.0.1:1/x");
    assert!(empty(&sandbox));
}

#[test]
fn a_proxy_is_used_but_for_hosts_that_need_none() {
    let proxy = HttpServer::start(|_| response("200 OK", &[], b"by proxy"));
    let server = HttpServer::start(|_| response("200 OK", &[], b"direct"));
    let sandbox = Sandbox::new();
    sandbox.write("context/Dockerfile", &format!("FROM scratch\nADD {} /\n", server.url("/x")));
    for (no_proxy, expected) in [("example.com", "by proxy"), ("127.0.0.1", "direct")] {
        let mut command = sandbox.rbuild_command(["build", "-q", "-o", "out", "context"]);
        command.env("http_proxy", proxy.url("")).env("no_proxy", no_proxy);
        crate::support::run(&mut command, "").success();
        assert_eq!(sandbox.read("out/x"), expected);
    }
}

/// Makes `NAME.key` and `NAME.pem`.
fn certificate(sandbox: &Sandbox, name: &str, more: &[&str]) {
    let (key, out) = (format!("{name}.key"), format!("{name}.pem"));
    let fixed = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let named = ["-nodes", "-days", "2", "-keyout", &key, "-out", &out];
    let mut command = sandbox.command("openssl");
    command.args(fixed).args(named).args(["-subj", &format!("/CN={name}")]).args(more);
    assert!(command.stderr(Stdio::null()).status().unwrap().success());
}

/// A server that gives the files of the sandbox; ended with the value.
struct TlsServer(Child, u16);

impl Drop for TlsServer {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn tls_server(sandbox: &Sandbox) -> TlsServer {
    let mut command = sandbox.command("openssl");
    command.args(["s_server", "-WWW", "-accept", "127.0.0.1:0"]);
    command.args(["-cert", "localhost.pem", "-key", "localhost.key"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.find(|line| line.starts_with("ACCEPT ")).unwrap();
    // It goes on writing about each connection.
    std::thread::spawn(move || lines.count());
    TlsServer(child, line.rsplit(':').next().unwrap().trim().parse().unwrap())
}

#[test]
fn certificates_are_trusted_when_their_authority_is() {
    if Command::new("openssl").arg("version").output().is_err() {
        println!("skipped: `openssl` is not installed");
        return;
    }
    let sandbox = Sandbox::new();
    certificate(&sandbox, "authority", &[]);
    let signed = ["-CA", "authority.pem", "-CAkey", "authority.key"];
    let leaf = ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=CA:FALSE"];
    certificate(&sandbox, "localhost", &[leaf, signed].concat());
    sandbox.write("file", "by TLS");
    let server = tls_server(&sandbox);
    let build = |host: &str, authorities: Option<&str>| {
        let url = format!("https://{host}:{}/file", server.1);
        sandbox.write("context/Dockerfile", &format!("FROM scratch\nADD {url} /\n"));
        let mut command = sandbox.rbuild_command(["build", "-q", "-o", "out", "context"]);
        command.envs(authorities.map(|path| ("SSL_CERT_FILE", path)));
        crate::support::run(&mut command, "")
    };
    build("localhost", None).exits(1).says("certificate").says("SSL_CERT_FILE");
    build("127.0.0.1", Some("authority.pem")).exits(1).says("certificate");
    build("localhost", Some("file")).exits(1).says("there is no certificate in it");
    build("localhost", Some("authority.pem")).success();
    assert_eq!(sandbox.read("out/file"), "by TLS");
}
