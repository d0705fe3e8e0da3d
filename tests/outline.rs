//! `--call outline` and `--call targets`: `fixtures/outline/NAME/Dockerfile` (lines `#: FLAG` in it are arguments) gives
//! `outline.txt`, `outline.json`, `targets.txt` and `targets.json`; nothing is built. `UPDATE_FIXTURES=1` rewrites them.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Repository, Sandbox};

#[test]
fn outlines_and_targets_are_as_recorded() {
    let folder = Repository::here().path("fixtures/outline");
    let mut cases: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(!cases.is_empty());
    let mut wrong = Vec::new();
    for case in cases {
        let sandbox = Sandbox::new();
        let dockerfile = fs::read_to_string(case.join("Dockerfile")).unwrap();
        sandbox.write("Dockerfile", &dockerfile);
        let flags: Vec<&str> = dockerfile
            .lines()
            .filter_map(|line| line.strip_prefix("#: "))
            .flat_map(|line| line.split(' '))
            .collect();
        for (call, file) in [
            ("outline", "outline.txt"),
            ("outline,format=json", "outline.json"),
            ("targets", "targets.txt"),
            ("targets,format=json", "targets.json"),
        ] {
            let output =
                sandbox.rbuild(["build", "--call", call].iter().chain(&flags).chain(&["."]));
            wrong.extend(compare(&case.join(file), &output.success().stdout));
        }
        assert!(!sandbox.root().exists(), "nothing was built");
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

/// What a base image triggers counts, when the store has it.
#[test]
fn base_images_bring_arguments_of_their_own() {
    let sandbox = Sandbox::with_busybox();
    sandbox.write(
        "base/Dockerfile",
        "FROM busybox\nONBUILD ARG brought=1\nONBUILD RUN --mount=type=secret,id=s true\n",
    );
    sandbox.rbuild(["build", "-t", "base", "base"]).success();
    sandbox.write("app/Dockerfile", "FROM base\nFROM absent\nFROM base\n");
    let json = sandbox.rbuild(["build", "--call=outline,format=json", "app"]).success();
    assert!(!json.stderr.contains("absent"), "not needed: {json}");
    let outline: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(outline["args"][0]["name"], "brought");
    assert_eq!(outline["args"][0]["location"]["ranges"][0]["start"]["line"], 3);
    assert_eq!(outline["secrets"][0]["name"], "s");
    sandbox.write("app/Dockerfile", "FROM absent\nARG a\n");
    let text = sandbox.rbuild(["build", "--call=outline", "app"]).success();
    text.says("not in the store")
        .prints("BUILD ARG   VALUE   DESCRIPTION\na                   \n\n");
}

#[test]
fn what_is_wrong_with_the_file_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.write("Dockerfile", "FROM scratch AS build\nRUN --mount=type=secert true\n");
    for call in ["outline", "targets"] {
        let output = sandbox.rbuild(["build", "--call", call, "."]).exits(1);
        output.says("secert").says("did you mean").prints("");
    }
    sandbox.write("Dockerfile", "FROM scratch AS build\n");
    let output = sandbox.rbuild(["build", "--call=outline", "--target=biuld", "."]).exits(1);
    output.says("did you mean build?");
    let described = sandbox.rbuild(["build", "--call=subrequests.describe", "."]).success();
    assert!(
        described.stdout.starts_with("NAME                 VERSION DESCRIPTION\noutline "),
        "{described}"
    );
    let json = sandbox.rbuild(["build", "--call=subrequests.describe,format=json", "."]).success();
    let methods: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(methods[0]["name"], "frontend.outline");
    assert_eq!(methods[1]["type"], "rpc");
}
