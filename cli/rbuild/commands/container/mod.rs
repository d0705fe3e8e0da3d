//! Containers: what is made of the arguments of `run` and `create`, and the commands about those that exist.
//!
//! | file           | what                                                         |
//! |----------------|--------------------------------------------------------------|
//! | `request.rs`   | flags to [`engine::ContainerRequest`]                         |
//! | `lifecycle.rs` | flags about restart, health, log and stop                     |
//! | `confinement/` | flags about what a container sees and may do                  |
//! | `make.rs`      | a container on disk                                           |
//! | the others     | one command each                                              |

mod attach;
mod commit;
mod confinement;
mod connections;
mod cp;
mod create;
mod diff;
mod exec;
mod inspect;
pub(crate) mod lifecycle;
mod logs;
pub(crate) mod make;
mod pause;
mod port;
mod prune;
mod ps;
mod rename;
mod request;
mod rm;
mod start;
mod stats;
mod stop;
mod system;
mod top;
mod update;
pub(crate) mod variables;
mod wait;

use ::store::Store;
use anyhow::Result;
use cli::Exit;
use cli::environment::Environment;
use engine::EngineError;
use runtime::RuntimeError;
use runtime::containers::Containers;

pub(crate) use attach::run as attach;
pub(crate) use commit::run as commit;
pub(crate) use cp::run as cp;
pub(crate) use create::run as create;
pub(crate) use diff::run as diff;
pub(crate) use exec::run as exec;
pub(crate) use inspect::{document, inspect};
pub(crate) use logs::run as logs;
pub(crate) use pause::{pause, unpause};
pub(crate) use port::run as port;
pub(crate) use prune::{prune, show, stopped};
pub(crate) use ps::run as ps;
pub(crate) use rename::run as rename;
pub(crate) use rm::run as rm;
pub(crate) use start::{restart, run as start};
pub(crate) use stats::run as stats;
pub(crate) use stop::{kill, run as stop};
pub(crate) use system::{install, start as system_start, status as system_status};
pub(crate) use top::run as top;
pub(crate) use update::run as update;
pub(crate) use wait::run as wait;

use super::{report_of, run};
use crate::args::{ContainerCommand, ManageArgs};

/// `rbuild container …`
pub(crate) fn manage(args: &ManageArgs, environment: &Environment) -> Result<Exit> {
    match &args.command {
        ContainerCommand::Attach(args) => attach(args, environment),
        ContainerCommand::Commit(args) => commit(args, environment),
        ContainerCommand::Cp(args) => Ok(cp(args, environment)),
        ContainerCommand::Create(args) => Ok(create(args, environment)),
        ContainerCommand::Diff(args) => diff(args, environment),
        ContainerCommand::Exec(args) => Ok(exec(args, environment)),
        ContainerCommand::Export(args) => super::export::run(args, environment),
        ContainerCommand::Inspect(args) => inspect(args, environment),
        ContainerCommand::Kill(args) => kill(args, environment),
        ContainerCommand::Logs(args) => logs(args, environment),
        ContainerCommand::Ls(args) => ps(args, environment),
        ContainerCommand::Pause(args) => pause(args, environment),
        ContainerCommand::Port(args) => port(args, environment),
        ContainerCommand::Prune(args) => prune(args, environment),
        ContainerCommand::Rename(args) => rename(args, environment),
        ContainerCommand::Restart(args) => restart(args, environment),
        ContainerCommand::Rm(args) => rm(args, environment),
        ContainerCommand::Run(args) => Ok(run::run(args, environment)),
        ContainerCommand::Start(args) => start(args, environment),
        ContainerCommand::Stats(args) => stats(args, environment),
        ContainerCommand::Stop(args) => stop(args, environment),
        ContainerCommand::Top(args) => top(args, environment),
        ContainerCommand::Unpause(args) => unpause(args, environment),
        ContainerCommand::Update(args) => update(args, environment),
        ContainerCommand::Wait(args) => wait(args, environment),
    }
}

/// The store and its containers, brought in line with the facts.
pub(crate) fn open(environment: &Environment) -> Result<(Store, Containers)> {
    let store = super::open_store(environment)?;
    let containers = engine::recovered_containers(&store)?;
    Ok((store, containers))
}

/// Does it for each; what fails is reported, and the others are done nevertheless.
fn for_each(texts: &[String], mut act: impl FnMut(&str) -> Result<()>) -> Exit {
    let mut exit = Exit::Success;
    for text in texts {
        if let Err(error) = act(text) {
            report_of(&error).print();
            exit = Exit::Failure;
        }
    }
    exit
}

/// Docker's statuses when a program cannot be started: 125 when it is our fault, 126 and 127 when it is the program's.
pub(crate) fn not_started(error: &anyhow::Error) -> Exit {
    report_of(error).print();
    let of_engine = || error.downcast_ref::<EngineError>()?.runtime();
    let runtime = error.downcast_ref::<RuntimeError>().or_else(of_engine);
    match runtime.and_then(RuntimeError::exit_code) {
        Some(126) => Exit::NotExecutable,
        Some(127) => Exit::NotFound,
        _ => Exit::NotStarted,
    }
}
