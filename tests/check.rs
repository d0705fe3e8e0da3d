//! `rbuild check`: `fixtures/check/NAME/Dockerfile` gives `text.txt` and `check.json`; nothing is built.
//! `UPDATE_FIXTURES=1` rewrites both.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Output, Repository, Sandbox};

#[test]
fn checks_read_as_recorded() {
    let folder = Repository::here().path("fixtures/check");
    let mut cases: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(!cases.is_empty());
    let mut wrong = Vec::new();
    for case in cases {
        let sandbox = Sandbox::new();
        for name in ["Dockerfile", ".dockerignore"] {
            if let Ok(text) = fs::read_to_string(case.join(name)) {
                sandbox.write(name, &text);
            }
        }
        let text = sandbox.rbuild(["check"]);
        let json = sandbox.rbuild(["check", "--format", "json"]);
        assert!(!sandbox.root().exists(), "a check makes no store");
        let said = format!("{}{}", text.stderr, text.stdout);
        wrong.extend(compare(&case.join("text.txt"), &said));
        wrong.extend(compare(&case.join("check.json"), &json.stdout));
    }
    assert!(wrong.is_empty(), "UPDATE_FIXTURES=1 rewrites them:\n{}", wrong.join("\n"));
}

fn compare(expected: &Path, actual: &str) -> Option<String> {
    if std::env::vars().any(|(name, value)| name == "UPDATE_FIXTURES" && value == "1") {
        fs::write(expected, actual).unwrap();
        return None;
    }
    let same = fs::read_to_string(expected).unwrap_or_default() == actual;
    (!same).then(|| format!("{}:\n{actual}", expected.display()))
}

const CLEAN: &str = "FROM scratch\nCOPY a /a\n";
const WARNED: &str = "FROM scratch\nMAINTAINER x\n";

#[test]
fn the_exit_status_says_whether_there_are_warnings() {
    let sandbox = Sandbox::new();
    sandbox.write("Dockerfile", CLEAN);
    sandbox.rbuild(["check", "."]).success().prints("Check complete, no warnings found.\n");
    // What is no rule is told, but fails nothing.
    let unused = sandbox.rbuild(["check", "--build-arg", "A=1"]).success();
    unused.says("one or more build-args were not consumed: A");
    let base = sandbox.rbuild_with_input(["check", "-"], "FROM absent\n").success();
    base.says("not in the store").says("`absent`");
    sandbox.write("Dockerfile", WARNED);
    sandbox.rbuild(["check"]).exits(1);
    sandbox.rbuild(["check", "--build-arg", "BUILDKIT_DOCKERFILE_CHECK=skip=all"]).success();
    sandbox.write("Dockerfile", "FROM scratch\nCOPY --from=9 a /a\n");
    sandbox.rbuild(["check"]).exits(1).says("invalid stage index 9");
    sandbox.rbuild(["check", "absent"]).exits(1).says("cannot read the build context `absent`");
}

#[test]
fn files_targets_and_arguments_are_those_of_build() {
    let sandbox = Sandbox::new();
    let text = "FROM scratch AS good\nFROM scratch AS bad\nLABEL a=$b\n";
    sandbox.write("dir/Other", text);
    sandbox.write("dir/Dockerfile", CLEAN);
    sandbox.rbuild(["check", "dir"]).success();
    sandbox.rbuild(["check", "-f", "dir/Other", "dir"]).exits(1);
    sandbox.rbuild(["check", "-f", "dir/Other", "--target", "good", "dir"]).success();
    let wrong = sandbox.rbuild(["check", "-f", "dir/Other", "--target", "godo", "dir"]);
    wrong.exits(1).says("did you mean good?");
    sandbox.write("dir/Dockerfile", "ARG BASE=scratch\nFROM $BASE\n");
    sandbox.rbuild(["check", "--build-arg", "BASE=x y", "dir"]).exits(1);
}

#[test]
fn build_checks_when_it_is_asked_to() {
    let sandbox = Sandbox::new();
    sandbox.write("Dockerfile", WARNED);
    let text = sandbox.rbuild(["check"]).exits(1).stdout;
    for flags in [&["--check"][..], &["--call", "check"], &["--call=check,format=text"]] {
        let output = sandbox.rbuild(["build"].iter().chain(flags).chain(&["."]));
        assert_eq!(output.exits(1).stdout, text);
    }
    let json = sandbox.rbuild(["check", "--format=json"]).exits(1).stdout;
    sandbox.rbuild(["build", "--call=check,format=json", "."]).exits(1).prints(&json);
    sandbox.rbuild(["build", "--call=check,ignorestatus=true", "."]).success().prints(&text);
    sandbox.rbuild(["build", "--call=check,format=xml", "."]).exits(1).says("unknown format `xml`");
    let unknown = sandbox.rbuild(["build", "--call=lint2", "."]).exits(1);
    unknown.says("there is no method `lint2`; known are build, check, outline, targets");
    assert!(!sandbox.root().exists(), "nothing was built");
}

#[test]
fn a_build_shows_warnings_as_a_check_does_and_also_when_it_fails() {
    let sandbox = Sandbox::new();
    sandbox.write("Dockerfile", WARNED);
    let checked = sandbox.rbuild(["check"]).exits(1).stdout;
    let warning = checked.split("\n\n").next().unwrap();
    assert!(warning.contains("2 | MAINTAINER x"), "{checked}");
    sandbox.rbuild(["build", "."]).success().says(warning).says("\n1 warning found\n");
    assert!(!sandbox.rbuild(["build", "-q", "."]).success().stderr.contains("warning"));
    let failing = [
        ("COPY --from=9 a /a", "invalid stage index 9"),
        ("BADCMD", "unknown instruction: BADCMD"),
        ("RUN --mount=type=bind,target= true", "invalid mount target"),
    ];
    for (line, error) in failing {
        sandbox.write("Dockerfile", &format!("{WARNED}{line}\n"));
        sandbox.rbuild(["build", "."]).exits(1).says(warning).says(error);
        let document = parsed(&sandbox.rbuild(["check", "--format=json"]).exits(1));
        assert_eq!(document["warnings"][0]["ruleName"], "MaintainerDeprecated", "{line}");
        assert!(document["buildError"]["message"].as_str().unwrap().contains(error), "{line}");
    }
    sandbox.write("Dockerfile", &format!("# check=error=true\n{WARNED}"));
    let output = sandbox.rbuild(["build", "."]).exits(1);
    output.says("3 | MAINTAINER x").says("lint violation found for rules: MaintainerDeprecated");
}

#[test]
fn strict_makes_errors_of_what_buildkit_takes_in_silence() {
    let sandbox = Sandbox::new();
    sandbox.write("f", "F");
    sandbox.write("Dockerfile", "FROM scratch\nCOPY --chown=nobody f /\n");
    let built = sandbox.rbuild(["build", "."]).success();
    built.says("warning: UnknownOwner: `--chown=nobody`").says("1 warning found");
    let failed = sandbox.rbuild(["build", "--strict", "."]).exits(1);
    let failed =
        failed.says("error: UnknownOwner: `--chown=nobody`").says("2 | COPY --chown=nobody f /");
    failed.says("hint: make the user in an earlier step");
    sandbox.write("Dockerfile", "FROM scratch\nCOPY --link --chmod=600 f /\n");
    sandbox.rbuild(["check"]).success().says("warning: LinkBesideChmod");
    let failed = sandbox.rbuild(["check", "--strict"]).exits(1);
    failed.says("error: LinkBesideChmod").says("2 | COPY --link");
}

#[test]
fn scanners_get_sarif() {
    let sandbox = Sandbox::new();
    sandbox.write("Dockerfile", WARNED);
    let log = parsed(&sandbox.rbuild(["check", "--format", "sarif"]).exits(1));
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    assert_eq!(run["invocations"][0]["executionSuccessful"], true);
    assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "MaintainerDeprecated");
    let result = &run["results"][0];
    assert_eq!(result["ruleId"], "MaintainerDeprecated");
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "Dockerfile");
    assert_eq!(place["region"]["startLine"], 2);
    sandbox.write("Dockerfile", "FORM scratch\n");
    let log = parsed(&sandbox.rbuild(["check", "--format", "sarif"]).exits(1));
    assert_eq!(log["runs"][0]["invocations"][0]["executionSuccessful"], false);
}

#[test]
fn bases_in_the_store_are_looked_at() {
    let sandbox = Sandbox::with_busybox();
    sandbox.write("Dockerfile", "FROM busybox\nENV PATH=$PATH:/x\n");
    let output = sandbox.rbuild(["check"]).success();
    assert_eq!(output.stderr, "");
    let foreign = sandbox.rbuild(["check", "--platform", "linux/s390x"]).exits(1);
    assert!(foreign.stdout.contains("InvalidBaseImagePlatform: Base image busybox"), "{foreign}");
}

fn parsed(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap()
}

#[test]
fn more_is_checked_only_when_asked_for() {
    let sandbox = Sandbox::new();
    sandbox.write("Dockerfile", "FROM scratch\nRUN cd /x\nMAINTAINER y\n");
    let usual = sandbox.rbuild(["check"]).exits(1);
    assert!(!usual.stdout.contains("RunWithoutEffect"), "{}", usual.stdout);
    let more = sandbox.rbuild(["check", "--extra"]).exits(1).stdout;
    let place = |text: &str| more.find(text).unwrap_or_else(|| panic!("no {text} in {more}"));
    assert!(place("RunWithoutEffect: `cd` ends with this RUN") < place("MaintainerDeprecated"));
    let document = parsed(&sandbox.rbuild(["check", "--extra", "--format=json"]).exits(1));
    assert_eq!(document["warnings"][0]["ruleName"], "RunWithoutEffect");
    assert_eq!(document["warnings"][0].get("url"), None);
    let log = parsed(&sandbox.rbuild(["check", "--extra", "--format=sarif"]).exits(1));
    assert_eq!(log["runs"][0]["tool"]["driver"]["rules"][1]["id"], "RunWithoutEffect");
}

/// The tour of README.md is what comes out; `…` stands for lines left out.
#[test]
fn the_readme_shows_what_check_says() {
    let readme = Repository::here().read("README.md");
    let tour = readme.split("## Check a Dockerfile").nth(1).unwrap();
    let tour = tour.split("```\n").nth(1).unwrap();
    let sandbox = Sandbox::new();
    let mut commands = 0;
    for block in tour.split("$ ").skip(1) {
        let (command, shown) = block.split_once('\n').unwrap();
        let Some(arguments) = command.strip_prefix("rbuild ") else {
            assert_eq!(command, "cat Dockerfile");
            sandbox.write("Dockerfile", shown);
            continue;
        };
        let output = sandbox.rbuild(arguments.split(' ')).exits(1);
        let mut rest = output.stdout.as_str();
        for part in shown.split("…\n") {
            rest = rest.split_once(part).unwrap_or_else(|| panic!("no {part}in {output}")).1;
        }
        assert_eq!(rest, "");
        commands += 1;
    }
    assert_eq!(commands, 2);
}
