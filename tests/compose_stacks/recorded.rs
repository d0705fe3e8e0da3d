//! The scenarios that were recorded with docker compose, run by their own runner against `rcompose`.
//!
//! `RBUILD_CASES` names the folder of the cases, else `../shared/cases` beside the repository; `RBUILD_TEST_SCENARIOS` is
//! a pattern for the names of those to run.

use std::path::PathBuf;
use std::process::Command;

use crate::support::{Repository, Sandbox, installed, privileged};

fn variable(name: &str) -> Option<String> {
    let found = std::env::vars_os().find(|(known, _)| known == name);
    found.and_then(|(_, value)| value.into_string().ok())
}

/// The folder of scenarios and their runner. Says so when there are none.
fn folders() -> Option<(PathBuf, PathBuf)> {
    let cases = variable("RBUILD_CASES").map(PathBuf::from);
    let cases = cases.unwrap_or_else(|| Repository::here().path("../shared/cases"));
    let scenarios = cases.join("compose/scenarios");
    let runner = cases.join("../tools/run_scenarios.py");
    if scenarios.is_dir() && runner.is_file() {
        return Some((scenarios, runner));
    }
    println!("skipped: no recorded scenarios in {} (set RBUILD_CASES)", scenarios.display());
    None
}

#[test]
fn recorded_scenarios() {
    if !privileged() || !installed("python3") {
        return;
    }
    let Some((scenarios, runner)) = folders() else { return };
    let sandbox = Sandbox::new();
    let archive = sandbox.path("base.tar");
    let maker = runner.with_file_name("make_base.py");
    let made = Command::new("python3").arg(maker).arg("-o").arg(&archive).output().unwrap();
    if !made.status.success() {
        println!("skipped: the base image cannot be made (busybox-static)");
        return;
    }
    sandbox.rbuild(["load".as_ref(), "-i".as_ref(), archive.as_os_str()]).success();
    sandbox.rbuild(["tag", "busybox:latest", "busybox:keep"]).success();
    let report = sandbox.path("report.json");
    let mut command = sandbox.command("python3");
    command.arg(runner).args(["--tool", env!("CARGO_BIN_EXE_rcompose"), "--jobs", "4"]);
    // Some remove the image they have used.
    let before = format!("{} tag busybox:keep busybox:latest", env!("CARGO_BIN_EXE_rbuild"));
    command.args(["--before", &before]);
    if let Some(pattern) = variable("RBUILD_TEST_SCENARIOS") {
        command.args(["--only", &pattern]);
    }
    command.arg("--report").arg(&report).arg(scenarios).output().unwrap();
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let results = report["results"].as_array().unwrap();
    assert!(!results.is_empty(), "no scenario was run");
    for result in results {
        let (name, passed) = (result["name"].as_str().unwrap(), result["ok"].as_bool().unwrap());
        assert!(passed, "{name}: {}", result["fails"]);
    }
}
