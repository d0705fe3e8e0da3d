//! `rcompose top`

use anyhow::Result;
use cli::{Exit, output, top};
use runtime::EngineId;

use super::stack::{Call, of_services};
use crate::args::ServicesArgs;

pub(super) fn run(args: &ServicesArgs, call: Call<'_>) -> Result<Exit> {
    let host = call.host()?;
    let project = call.project_or_remains(&host)?;
    let engine = EngineId::of_root(host.store.root())?;
    for member in of_services(&host, &project, &args.services)? {
        if member.container.state.process.is_some() {
            let table = top::table(&engine, &member.container, &[])?;
            output::write(&format!("{}\n{table}\n", member.name()))?;
        }
    }
    Ok(Exit::Success)
}
