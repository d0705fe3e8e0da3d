//! What the kernel alone takes for a start: measured by a process of its own, as a shim is one, so that nothing of the start that
//! it is compared with gets quicker or slower by it.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use cli::environment::Environment;
use cli::zygote::lazy_snapshotter;
use cli::{Exit, output};
use runtime::PhaseEnd;
use store::Store;

/// What the command line of that process begins with.
pub(crate) const VERB: &str = "start-floor";

/// Asks one, which has the environment that we have.
pub(super) fn measure(environment: &Environment) -> Result<Vec<PhaseEnd>> {
    let locations = environment.locations();
    let mut command = Command::new("/proc/self/exe");
    command.arg(VERB).env("RBUILD_ROOT", &locations.root).env("RBUILD_STATE", &locations.state);
    let answer = command.stdin(Stdio::null()).output().context("cannot start `rbuild`")?;
    if !answer.status.success() {
        bail!("{}", String::from_utf8_lossy(&answer.stderr).trim());
    }
    serde_json::from_slice(&answer.stdout).context("cannot read what was measured")
}

/// That process.
pub(crate) fn run() -> Exit {
    match answer() {
        Ok(()) => Exit::Success,
        Err(error) => {
            cli::report::print(&format!("{error}"));
            Exit::Failure
        }
    }
}

fn answer() -> Result<()> {
    let environment = Environment::process();
    let locations = environment.locations();
    let store = Store::open(&locations.root, &locations.state)?;
    lazy_snapshotter(&store, &environment)?;
    // Goes with this process, whatever becomes of it.
    let scratch = store.snapshotter().prepare(&[])?;
    let floors = runtime::start_floors(store.root(), scratch.upper_path())?;
    output::write(&serde_json::to_string(&floors)?)?;
    Ok(())
}
