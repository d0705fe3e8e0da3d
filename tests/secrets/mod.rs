//! What is secret about a build is in nothing that the build leaves: the store, the state, every output, what it says.

mod search;

use std::fs;
use std::time::Duration;

use search::Needles;

use crate::support::{
    GitRepository, HttpServer, Output, Sandbox, busybox_rootfs, privileged, response, run,
};

const SECRET: &str = "s3cr3t-0f-the-tests";
/// A store, a state directory and outputs, each below its own name.
const LEFT: [&str; 5] = ["store", "state", "temp", "out", "home"];

/// A sandbox whose temporary files and home are its own as well.
struct Place {
    sandbox: Sandbox,
    needles: Needles,
    said: std::cell::RefCell<Vec<Output>>,
}

impl Place {
    fn new() -> Place {
        let sandbox = Sandbox::new();
        for directory in ["temp", "home", "out"] {
            fs::create_dir(sandbox.path(directory)).unwrap();
        }
        Place { sandbox, needles: Needles::new(SECRET), said: std::cell::RefCell::default() }
    }

    fn with_busybox() -> Place {
        let place = Place::new();
        let archive = busybox_rootfs();
        place.rbuild(&["import", archive.to_str().unwrap(), "busybox"], Some(0));
        place
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = self.sandbox.rbuild_command(arguments);
        command.env("TMPDIR", self.sandbox.path("temp")).env("HOME", self.sandbox.path("home"));
        command.env("SECRET_OF_ENV", SECRET);
        command
    }

    /// Runs rbuild; what it says counts as left behind.
    fn rbuild(&self, arguments: &[&str], status: Option<i32>) {
        let output = run(&mut self.command(arguments), "");
        assert_eq!(output.status, status, "{output}");
        self.said.borrow_mut().push(output);
    }

    /// The same Dockerfile in all the ways a build can be asked for and can leave something.
    fn build_in_every_way(&self, context: &str, flags: &[&str], status: i32) {
        let ways: [&[&str]; 8] = [
            &["--progress=plain", "-t", "img", "--metadata-file=out/metadata", "--iidfile=out/id"],
            &["--progress=plain", "--explain"],
            &["--progress=plain", "--explain", "--no-cache", "-o", "type=tar,dest=out/a.tar"],
            &["-o", "type=oci,dest=out/b.tar,compression=zstd,force-compression=true"],
            &["-o", "type=docker,dest=out/c.tar", "--reproducible"],
            &["-o", "type=local,dest=out/files", "--strict"],
            &["--progress=tty", "--no-cache"],
            &["-q"],
        ];
        for way in ways {
            let arguments = [&["build"][..], way, flags, &[context]].concat();
            self.rbuild(&arguments, Some(status));
        }
    }

    /// What other commands tell of images and the cache.
    fn tell(&self) {
        self.rbuild(&["history", "--no-trunc", "img"], Some(0));
        self.rbuild(&["inspect", "img"], Some(0));
        self.rbuild(&["save", "-o", "out/saved.tar", "img"], Some(0));
        self.tell_of_cache();
    }

    fn tell_of_cache(&self) {
        self.rbuild(&["cache", "ls", "--format", "{{json .}}"], Some(0));
        self.rbuild(&["system", "df", "-v"], Some(0));
    }

    #[track_caller]
    fn nothing_is_left(&self) {
        for directory in LEFT {
            let found = self.needles.files(&self.sandbox.path(directory));
            assert!(found.is_empty(), "{SECRET} is in {found:#?}");
        }
        for output in self.said.borrow().iter() {
            let said = [output.stdout.as_bytes(), b"\n", output.stderr.as_bytes()].concat();
            assert!(!self.needles.are_in(&said), "{output}");
        }
    }
}

const RUNS: &str = "FROM busybox\n\
    RUN --mount=type=secret,id=file test \"$(wc -c < /run/secrets/file)\" = 19\n\
    RUN --mount=type=secret,id=file,target=/deep/in/here,mode=0444 cp /deep/in/here /dev/null\n\
    RUN --mount=type=secret,id=env,env=TOKEN test ${#TOKEN} = 19\n\
    RUN --mount=type=secret,id=env --mount=type=cache,target=/c,id=kept cat /run/secrets/env | wc > /c/x\n";

#[test]
fn secrets_of_run() {
    if !privileged() {
        return;
    }
    let place = Place::with_busybox();
    place.sandbox.write("file", SECRET);
    let secrets = ["--secret=id=file,src=file", "--secret=id=env,env=SECRET_OF_ENV"];
    place.sandbox.write("context/Dockerfile", RUNS);
    place.build_in_every_way("context", &secrets, 0);
    place.tell();
    place.rbuild(&["cache", "export", "kept", "-o", "out/kept.tar"], Some(0));
    place
        .sandbox
        .write("context/Dockerfile", &format!("{RUNS}RUN --mount=type=secret,id=file exit 3\n"));
    place.build_in_every_way("context", &secrets, 1);
    place.sandbox.write(
        "context/Dockerfile",
        &format!("{RUNS}RUN --mount=type=secret,id=env,env=TOKEN /none\n"),
    );
    place.build_in_every_way("context", &secrets, 1);
    for method in ["check", "outline", "targets"] {
        let call = format!("--call={method}");
        place.rbuild(&[&["build", &call][..], &secrets, &["context"]].concat(), Some(0));
    }
    place.nothing_is_left();
}

#[test]
fn secrets_while_a_step_runs_and_after_it_is_killed() {
    if !privileged() {
        return;
    }
    let place = Place::with_busybox();
    place.sandbox.write("file", SECRET);
    // A step that holds on until it is told otherwise.
    let text = "FROM busybox\n\
        RUN --mount=type=secret,id=file --mount=type=secret,id=file,env=TOKEN \
            --mount=type=cache,target=/c touch /c/here; while [ -e /c/here ]; do sleep 0.02; done\n";
    place.sandbox.write("context/Dockerfile", text);
    let mut command = place.command(&["build", "--secret=id=file,src=file", "context"]);
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut build = command.spawn().unwrap();
    let mounts = place.sandbox.root().join("cache/mounts");
    let here = || {
        let found = fs::read_dir(&mounts).into_iter().flatten().flatten();
        found.map(|entry| entry.path().join("0/here")).any(|file| file.exists())
    };
    while !here() {
        assert!(build.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(10));
    }
    place.nothing_is_left();
    build.kill().unwrap();
    build.wait().unwrap();
    place.nothing_is_left();
    place.rbuild(&["system", "check"], Some(0));
    place.nothing_is_left();
}

/// A server that wants to hear the secret.
fn server(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> HttpServer {
    let needles = Needles::new(SECRET);
    HttpServer::start(move |head| {
        let authorized =
            head.lines().find(|line| line.to_lowercase().starts_with("authorization:"));
        if authorized.is_some_and(|line| needles.are_in(line.as_bytes())) {
            return answer(head);
        }
        response("401 Unauthorized", &["WWW-Authenticate: Basic realm=\"x\""], b"who are you?")
    })
}

#[test]
fn tokens_of_add() {
    let place = Place::new();
    let server = server(|head| match head {
        _ if head.contains("/gone") => response("404 Not Found", &[], b""),
        _ => response("200 OK", &["ETag: \"1\""], b"content"),
    });
    place.sandbox.write("token", SECRET);
    place.sandbox.write("header", &format!("Bearer {SECRET}"));
    let add = |url: String| {
        place.sandbox.write("context/Dockerfile", &format!("FROM scratch\nADD {url} /\n"))
    };
    for secret in [
        "--secret=id=HTTP_AUTH_TOKEN_127.0.0.1,src=token",
        "--secret=id=HTTP_AUTH_TOKEN_127.0.0.1,env=SECRET_OF_ENV",
        "--secret=id=HTTP_AUTH_HEADER_127.0.0.1,src=header",
    ] {
        add(server.url("/file"));
        place.build_in_every_way("context", &[secret], 0);
        place.tell();
        add(server.url("/gone"));
        place.build_in_every_way("context", &[secret], 1);
    }
    place.nothing_is_left();
}

#[test]
fn passwords_in_addresses_of_files() {
    let place = Place::new();
    let server = server(|head| match head {
        _ if head.contains("/gone") => response("404 Not Found", &[], b""),
        _ => response("200 OK", &["ETag: \"1\""], b"FROM scratch\n"),
    });
    let with_password = |path: &str| server.url(path).replace("//", &format!("//user:{SECRET}@"));
    for (path, status) in [("/file", 0), ("/gone", 1)] {
        let text = format!("FROM scratch\nADD {} /\n", with_password(path));
        place.sandbox.write("context/Dockerfile", &text);
        place.build_in_every_way("context", &[], status);
        place.build_in_every_way(&with_password(path), &[], status);
    }
    place.tell();
    let context = format!("--build-context=other={}", with_password("/gone"));
    place.sandbox.write("context/Dockerfile", "FROM scratch\nCOPY --from=other / /\n");
    place.build_in_every_way("context", &[&context], 1);
    place.nothing_is_left();
}

/// A repository behind a server that wants to hear the secret.
fn repository(place: &Place) -> Option<HttpServer> {
    let repository = GitRepository::new(&place.sandbox, "served/repo")?;
    repository.commit_files(&[("Dockerfile", "FROM scratch\nCOPY . /\n"), ("foo", "foo")]);
    let root = place.sandbox.path("served");
    Some(server(move |head| {
        let path = head.split(' ').nth(1).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        match fs::read(root.join(path.trim_start_matches('/'))) {
            Ok(bytes) => response("200 OK", &[], &bytes),
            Err(_) => response("404 Not Found", &[], b""),
        }
    }))
}

#[test]
fn tokens_of_git() {
    let place = Place::new();
    let Some(server) = repository(&place) else { return };
    let (url, none) = (server.url("/repo/.git"), server.url("/none/.git"));
    place.sandbox.write("token", SECRET);
    place.sandbox.write("header", &format!("Bearer {SECRET}"));
    for secret in [
        "--secret=id=GIT_AUTH_TOKEN,src=token",
        "--secret=id=GIT_AUTH_TOKEN,env=SECRET_OF_ENV",
        "--secret=id=GIT_AUTH_HEADER,src=header",
    ] {
        for (url, status) in [(&url, 0), (&none, 1)] {
            let text = format!("FROM scratch\nADD --keep-git-dir {url} /\n");
            place.sandbox.write("context/Dockerfile", &text);
            place.build_in_every_way("context", &[secret], status);
            place.build_in_every_way(url, &[secret], status);
        }
    }
    place.tell();
    place.nothing_is_left();
}

#[test]
fn passwords_in_addresses_of_repositories() {
    let place = Place::new();
    let Some(server) = repository(&place) else { return };
    let with_password = |path: &str| server.url(path).replace("//", &format!("//user:{SECRET}@"));
    let (url, none) = (with_password("/repo/.git"), with_password("/none/.git"));
    for (url, status) in [(&url, 0), (&none, 1)] {
        let text = format!("FROM scratch\nADD --keep-git-dir {url} /\n");
        place.sandbox.write("context/Dockerfile", &text);
        place.build_in_every_way("context", &[], status);
        place.build_in_every_way(url, &[], status);
        let context = format!("--build-context=other={url}");
        place.sandbox.write("context/Dockerfile", "FROM scratch\nCOPY --from=other / /\n");
        place.build_in_every_way("context", &[&context], status);
    }
    place.tell();
    place.nothing_is_left();
}

#[test]
fn passwords_of_proxies() {
    if !privileged() {
        return;
    }
    let place = Place::with_busybox();
    let proxy = format!("http://user:{SECRET}@127.0.0.1:9");
    let text = "FROM busybox\nRUN test -n \"$http_proxy\" && test -n \"$HTTPS_PROXY\"\n";
    let arguments = [format!("http_proxy={proxy}"), format!("HTTPS_PROXY={proxy}")];
    let flags = ["--build-arg", &arguments[0], "--build-arg", &arguments[1]];
    place.sandbox.write("context/Dockerfile", text);
    place.build_in_every_way("context", &flags, 0);
    place.tell();
    place.sandbox.write("context/Dockerfile", &format!("{text}RUN exit 3\n"));
    place.build_in_every_way("context", &flags, 1);
    // A proxy that is not there, for what is fetched here.
    place.sandbox.write("context/Dockerfile", "FROM scratch\nADD http://127.0.0.2:9/x /\n");
    let output = run(place.command(&["build", "context"]).env("http_proxy", &proxy), "");
    place.said.borrow_mut().push(output.exits(1));
    place.nothing_is_left();
}
