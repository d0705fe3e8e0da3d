//! The full text of error reports: `fixtures/report/NAME/{Dockerfile,error.txt}`.
//! `UPDATE_FIXTURES=1` rewrites the texts.

use std::fs;

use crate::support::{Repository, Sandbox};

#[test]
fn reports_read_as_recorded() {
    let update = std::env::vars().any(|(name, value)| name == "UPDATE_FIXTURES" && value == "1");
    let folder = Repository::here().path("fixtures/report");
    let mut cases: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(!cases.is_empty());
    let mut wrong = Vec::new();
    for case in cases {
        let sandbox = Sandbox::new();
        sandbox.write("Dockerfile", &fs::read_to_string(case.join("Dockerfile")).unwrap());
        let actual = sandbox.rbuild(["parse", "Dockerfile"]).exits(1).stderr;
        let expected = case.join("error.txt");
        if update {
            fs::write(&expected, &actual).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != actual {
            wrong.push(format!("{}:\n{actual}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "UPDATE_FIXTURES=1 rewrites them:\n{}", wrong.join("\n"));
}
