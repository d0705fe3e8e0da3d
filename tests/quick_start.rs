//! The example of README.md does what it says.

use crate::support::{Repository, Sandbox, privileged, run_script};

#[test]
fn the_quick_start_builds_and_runs() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::new();
    let script = Repository::here().path("examples/quickstart/run.sh");
    let output =
        run_script(&sandbox, &script, &[("RBUILD", env!("CARGO_BIN_EXE_rbuild"))]).success();
    assert!(output.stdout.contains("Welcome, world! I am app.\n"), "{output}");
    assert!(output.stdout.contains("Welcome, container! I am app.\n"), "{output}");
    sandbox.validate();
}
