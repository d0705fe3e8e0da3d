//! The recorded build cases that succeed, each built twice: the second build comes from the cache as a whole and
//! makes the same image. What the images contain is compared by the runner that came with the cases.

use std::time::Duration;

use serde_json::Value;

use crate::support::{Base, Case, Output, Sandbox, failures_of, privileged, recorded_cases};

#[test]
fn build_cases_again_from_the_cache() {
    if !privileged() {
        return;
    }
    let Some((base, cases)) = recorded_cases() else { return };
    let failed = failures_of(&cases, |case| {
        again(case, &base).map_err(|why| format!("{}: {why}", case.name()))
    });
    let passed = cases.len() - failed.len();
    println!("build cases from the cache: {passed} passed of {}", cases.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn again(case: &Case, base: &Base) -> Result<(), String> {
    let sandbox = case.prepare(base);
    let first = build(case, &sandbox)?.0;
    // Times have whole seconds: a build that takes its time from the clock is found out.
    std::thread::sleep(Duration::from_millis(1010));
    let (second, output) = build(case, &sandbox)?;
    sandbox.validate();
    if first != second {
        return Err(format!("{first} became {second}"));
    }
    let ran: Vec<String> =
        output.steps().into_iter().filter(|step| !step.cached).map(|step| step.name).collect();
    if ran.is_empty() { Ok(()) } else { Err(format!("not from the cache: {ran:?}")) }
}

/// The digest of the image.
fn build(case: &Case, sandbox: &Sandbox) -> Result<(String, Output), String> {
    let output = sandbox.rbuild(case.arguments(sandbox)).or_why()?;
    let metadata: Value = serde_json::from_str(&sandbox.read("metadata.json")).unwrap();
    Ok((metadata["containerimage.digest"].as_str().unwrap().to_owned(), output))
}
