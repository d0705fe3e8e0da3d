//! Containers: what is made of the arguments of `run` and `create`, and the commands about those that exist.
//!
//! | file           | what                                                         |
//! |----------------|--------------------------------------------------------------|
//! | `spec.rs`      | flags to [`runtime::ContainerSpec`]                           |
//! | `lifecycle.rs` | flags about restart, health, log and stop                     |
//! | `make.rs`      | a container on disk                                           |
//! | `session.rs`   | our streams and signals while we are attached                 |
//! | `recover.rs`   | what crashes have left                                        |
//! | the others     | one command each                                              |

mod attach;
mod confinement;
mod create;
mod detach;
mod exec;
mod host_names;
mod inspect;
pub(crate) mod lifecycle;
mod logs;
pub(crate) mod make;
pub(crate) mod names;
mod prune;
mod ps;
pub(crate) mod recover;
mod rename;
mod rm;
pub(crate) mod session;
pub(crate) mod signal;
mod source;
mod spec;
mod start;
mod stop;
mod system;
pub(crate) mod variables;
mod wait;

use std::thread;
use std::time::{Duration, Instant};

use ::store::Store;
use anyhow::Result;
use cli::Exit;
use cli::environment::Environment;
use runtime::RuntimeError;
use runtime::containers::{Container, ContainerError, Containers};

pub(crate) use attach::run as attach;
pub(crate) use create::run as create;
pub(crate) use exec::run as exec;
pub(crate) use inspect::{document, inspect};
pub(crate) use logs::run as logs;
pub(crate) use prune::{prune, show, stopped};
pub(crate) use ps::run as ps;
pub(crate) use rename::run as rename;
pub(crate) use rm::run as rm;
pub(crate) use start::{follow, restart, run as start};
pub(crate) use stop::{kill, run as stop};
pub(crate) use system::{install, start as system_start, status as system_status};
pub(crate) use wait::run as wait;

use super::{report_of, run};
use crate::args::{ContainerCommand, ManageArgs};

/// How long a shim may take to go once its container has ended, and how often it is looked for.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(5);

/// Begins the names of containers' leases.
const LEASE: &str = "container.";

pub(crate) fn lease_name(id: &str) -> String {
    format!("{LEASE}{id}")
}

/// `rbuild container …`
pub(crate) fn manage(args: &ManageArgs, environment: &Environment) -> Result<Exit> {
    match &args.command {
        ContainerCommand::Attach(args) => attach(args, environment),
        ContainerCommand::Create(args) => Ok(create(args, environment)),
        ContainerCommand::Exec(args) => Ok(exec(args, environment)),
        ContainerCommand::Inspect(args) => inspect(args, environment),
        ContainerCommand::Kill(args) => kill(args, environment),
        ContainerCommand::Logs(args) => logs(args, environment),
        ContainerCommand::Ls(args) => ps(args, environment),
        ContainerCommand::Prune(args) => prune(args, environment),
        ContainerCommand::Rename(args) => rename(args, environment),
        ContainerCommand::Restart(args) => restart(args, environment),
        ContainerCommand::Rm(args) => rm(args, environment),
        ContainerCommand::Run(args) => Ok(run::run(args, environment)),
        ContainerCommand::Start(args) => start(args, environment),
        ContainerCommand::Stop(args) => stop(args, environment),
        ContainerCommand::Wait(args) => wait(args, environment),
    }
}

/// The store and its containers, brought in line with the facts.
pub(crate) fn open(environment: &Environment) -> Result<(Store, Containers)> {
    let store = super::open_store(environment)?;
    let containers = of_store(&store);
    recover::run(&store, &containers)?;
    Ok((store, containers))
}

pub(crate) fn of_store(store: &Store) -> Containers {
    Containers::open(store.root(), store.state())
}

/// Takes the container out of sight, then removes what it was.
pub(crate) fn remove(store: &Store, containers: &Containers, container: &Container) -> Result<()> {
    let aside = store.temp_path()?;
    let deadline = Instant::now() + PATIENCE;
    let withdrawn = loop {
        match containers.withdraw(&containers.lock()?, container, &aside) {
            Err(ContainerError::Busy { .. }) if Instant::now() < deadline => {}
            withdrawn => break withdrawn?,
        }
        thread::sleep(PAUSE);
    };
    store.release(&lease_name(container.id()))?;
    if withdrawn {
        store.remove_aside(&aside)?;
    }
    Ok(())
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
    let runtime = error.downcast_ref::<RuntimeError>();
    match runtime.and_then(RuntimeError::exit_code) {
        Some(126) => Exit::NotExecutable,
        Some(127) => Exit::NotFound,
        _ => Exit::NotStarted,
    }
}

/// An exit code that a shell can have.
pub(crate) fn exit_of(code: i32) -> Exit {
    Exit::Container(u8::try_from(code & 0xff).unwrap_or(255))
}
