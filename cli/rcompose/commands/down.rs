//! `rcompose down`

use std::sync::Arc;

use anyhow::Result;
use cli::Exit;
use cli::report::Report;
use compose::reconcile::{self, DownOptions, Images};
use compose::stack::execute::ExecuteOptions;
use compose::stack::{Contents, observe, observe_without_images};

use super::stack::{Call, Work};
use super::{interrupt, lock};
use crate::args::{DownArgs, RemovedImages};

pub(super) fn run(args: &DownArgs, call: Call<'_>) -> Result<Exit> {
    let host = call.host()?;
    let project = call.project_or_remains(&host)?;
    let _lock = lock::project(&host, &project.name)?;
    let contents = Contents::default();
    let observed = match args.rmi {
        Some(_) => observe(&host, &project, &contents)?,
        None => observe_without_images(&host, &project, &contents)?,
    };
    let options = DownOptions {
        services: args.services.clone(),
        remove_orphans: args.remove_orphans || call.flag_variable("COMPOSE_REMOVE_ORPHANS"),
        volumes: args.volumes,
        images: match args.rmi {
            None => Images::Keep,
            Some(RemovedImages::Local) => Images::Local,
            Some(RemovedImages::All) => Images::All,
        },
    };
    let plan = reconcile::down(&project, &observed, &options)?;
    if plan.is_empty() && plan.warnings.is_empty() {
        let name = &project.name;
        Report::warning(format!("no resource found to remove for project \"{name}\"")).print();
    }
    let interrupted = Arc::default();
    interrupt::watch(&interrupted)?;
    let work = Work {
        call,
        host: &host,
        project: &project,
        contents: &contents,
        observed: &observed,
        options: ExecuteOptions {
            stop_timeout: args.timeout,
            parallel: call.parallel()?,
            remove_volumes: args.volumes,
        },
        interrupted,
    };
    work.carry_out(&plan, "down")?;
    Ok(Exit::Success)
}
