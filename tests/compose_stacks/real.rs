//! The stack of README.md's tour: PostgreSQL, redis, a Python application and nginx of Debian's packages, built by our builder on
//! a base made by mmdebstrap, and asked by real clients. Needs the network for Debian packages.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::Command;

use serde_json::Value;

use crate::support::{
    Output, Repository, Sandbox, copy_tree, debian_rootfs, installed, privileged, run,
};

/// The example in a directory of its own, at a port of its own.
struct Tour {
    sandbox: Sandbox,
    port: u16,
}

impl Tour {
    fn new() -> Option<Tour> {
        if !(privileged() && installed("curl")) {
            return None;
        }
        let archive = debian_rootfs()?;
        let sandbox = Sandbox::new();
        sandbox
            .rbuild(["import".as_ref(), archive.as_os_str(), "debian:bookworm".as_ref()])
            .success();
        copy_tree(&Repository::here().path("examples/stack"), &sandbox.path("stack"));
        // Free in this moment; who takes it meanwhile fails the test with its name.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Some(Tour { sandbox, port })
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.sandbox.command(env!("CARGO_BIN_EXE_rcompose"));
        command.current_dir(self.sandbox.path("stack")).env("SHOP_PORT", self.port.to_string());
        command.args(words);
        command
    }

    #[track_caller]
    fn rcompose(&self, words: &[&str]) -> Output {
        run(&mut self.command(words), "").success()
    }

    /// What the proxy answers.
    #[track_caller]
    fn get(&self, path: &str) -> Value {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let mut curl = self.sandbox.command("curl");
        let got = run(curl.args(["-fsS", "--noproxy", "*", "--max-time", "20", &url]), "");
        serde_json::from_str(&got.success().stdout).unwrap()
    }

    #[track_caller]
    fn sql(&self, statement: &str) -> String {
        let psql =
            "PGPASSWORD=$(cat /run/secrets/password) psql -h database -U shop -tAc \"$0\" postgres";
        // Over the name of the service, as another client would.
        let words = ["exec", "-T", "web", "sh", "-c", psql, statement];
        self.rcompose(&words).stdout.trim().to_owned()
    }
}

impl Drop for Tour {
    fn drop(&mut self) {
        // What a failed test has left.
        let _left = self.command(&["down", "-v", "-t", "0"]).output();
    }
}

/// The block of README.md that begins with a line, without the signs before and after.
fn readme_block(first: &str) -> String {
    let text = std::fs::read_to_string(Repository::here().path("README.md")).unwrap();
    let blocks = text.split("```").skip(1).step_by(2);
    let body = |block: &str| block.split_once('\n').map(|(_, body)| body.to_owned());
    blocks.filter_map(body).find(|body| body.starts_with(first)).unwrap_or_else(|| {
        panic!("README.md has no block that begins with `{first}`");
    })
}

#[test]
fn the_tour_of_the_readme_shows_the_files_of_the_example() {
    for name in ["Dockerfile", "compose.yaml"] {
        let text = std::fs::read_to_string(Repository::here().path("examples/stack").join(name));
        let text = text.unwrap();
        let first = text.lines().next().unwrap();
        assert_eq!(readme_block(first), text, "README.md and examples/stack/{name} differ");
    }
}

#[test]
fn the_tour_of_the_readme_builds_runs_scales_and_keeps_its_data() {
    let Some(tour) = Tour::new() else { return };
    // What the reader types.
    let typed = readme_block("$ rcompose up");
    for line in
        ["$ rcompose up -d --build --wait", "$ curl localhost:8080/visit", "$ rcompose down"]
    {
        assert!(typed.lines().any(|it| it == line), "README.md does not say `{line}`");
    }
    let up = tour.rcompose(&["--progress", "plain", "up", "-d", "--build", "--wait"]);
    let at = |text: &str| up.stderr.find(text).unwrap_or_else(|| panic!("no {text}: {up}"));
    assert!(at("Service database  Healthy") < at("stack-web-1  Starting"), "{up}");
    assert!(at("Service web  Healthy") < at("stack-proxy-1  Starting"), "{up}");

    let visit = tour.get("/visit");
    assert_eq!((&visit["rows"], &visit["hits"]), (&1.into(), &1.into()), "{visit}");
    assert_eq!(tour.sql("SELECT host FROM visits"), visit["host"].as_str().unwrap());
    let redis = tour.rcompose(&["exec", "-T", "web", "redis-cli", "-h", "cache", "GET", "hits"]);
    assert_eq!(redis.stdout.trim(), "1");

    // Five containers answer to one name, and nginx asks all of them.
    tour.rcompose(&["up", "-d", "--wait", "--scale", "web=5"]);
    let mut hosts = BTreeSet::new();
    for _ in 0..200 {
        hosts.insert(tour.get("/")["host"].as_str().unwrap().to_owned());
        if hosts.len() == 5 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(hosts.len(), 5, "{hosts:?}");

    let load = ["exec", "-T", "cache", "wrk", "-t1", "-c8", "-d2s", "http://proxy/"];
    let load = tour.rcompose(&load);
    let requests = load.stdout.lines().find_map(|line| line.trim().split_once(" requests in"));
    assert!(requests.is_some_and(|(count, _)| count != "0"), "{load}");
    assert!(!load.stdout.contains("Non-2xx"), "{load}");

    // What is written stays when everything else goes.
    let rows = tour.get("/visit")["rows"].as_u64().unwrap();
    tour.rcompose(&["down"]);
    assert_eq!(tour.rcompose(&["ps", "-aq"]).stdout, "");
    tour.rcompose(&["up", "-d", "--wait"]);
    let visit = tour.get("/visit");
    assert_eq!((visit["rows"].as_u64(), &visit["hits"]), (Some(rows + 1), &1.into()), "{visit}");
    tour.rcompose(&["down", "-v"]);
    tour.sandbox.rbuild(["volume", "ls", "-q"]).success().prints("");
    tour.sandbox.rbuild(["ps", "-aq"]).success().prints("");
    tour.sandbox.validate();
}
