//! `rcompose stats`

use anyhow::Result;
use cli::Exit;
use cli::stats::{self, Named};
use compose::stack::members;
use runtime::EngineId;

use super::stack::{Call, check_services};
use crate::args::StatsArgs;

pub(super) fn run(args: &StatsArgs, call: Call<'_>) -> Result<Exit> {
    let host = call.host()?;
    let project = call.project_or_remains(&host)?;
    check_services(&project, args.service.as_slice())?;
    let chosen = || -> Result<Vec<Named>> {
        let mut found = members(&host, &project.name)?;
        found.retain(|member| {
            let meant = args.service.as_ref().is_none_or(|service| service == member.service());
            meant && (args.flags.all || member.is_alive())
        });
        let named = found.into_iter().map(|member| (member.name().to_owned(), member.container));
        Ok(named.collect())
    };
    stats::run(&args.flags, &EngineId::of_root(host.store.root())?, &chosen)
}
