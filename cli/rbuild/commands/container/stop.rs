//! `rbuild stop`, `rbuild kill`

use anyhow::{Result, bail};
use cli::environment::Environment;
use cli::{Exit, output};
use engine::values::signal;
use runtime::containers::Container;

use super::{for_each, open};
use crate::args::{KillArgs, StopArgs};

pub(crate) fn run(args: &StopArgs, environment: &Environment) -> Result<Exit> {
    if let Some(text) = &args.signal {
        signal::parse(text)?;
    }
    let (_store, containers) = open(environment)?;
    // All are asked first: together they take as long as the slowest.
    let found: Vec<_> = args.containers.iter().map(|text| (text, containers.find(text))).collect();
    let stopping: Vec<_> = found
        .into_iter()
        .map(|(text, container)| {
            let args = (args.signal.clone(), args.timeout);
            let thread = std::thread::spawn(move || -> Result<()> {
                stop_with(&container?, args.0.as_deref(), args.1)
            });
            (text, thread)
        })
        .collect();
    let mut exit = Exit::Success;
    for (text, thread) in stopping {
        let done = thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("cannot stop `{text}`")));
        match done {
            Ok(()) => output::line(text)?,
            Err(error) => {
                super::report_of(&error).print();
                exit = Exit::Failure;
            }
        }
    }
    Ok(exit)
}

pub(super) fn stop_one(container: &Container, args: &StopArgs) -> Result<()> {
    stop_with(container, args.signal.as_deref(), args.timeout)
}

/// Nothing happens to one that does not run.
fn stop_with(container: &Container, text: Option<&str>, timeout: Option<i64>) -> Result<()> {
    let signal = text.map(signal::parse).transpose()?;
    Ok(engine::stop(container, signal, timeout)?)
}

pub(crate) fn kill(args: &KillArgs, environment: &Environment) -> Result<Exit> {
    let signal = signal::parse(&args.signal)?;
    let (_store, containers) = open(environment)?;
    Ok(for_each(&args.containers, |text| {
        let container = containers.find(text)?;
        if !container.state.status.is_alive() {
            bail!("cannot kill container `{text}`: it is not running");
        }
        engine::kill(&container, signal)?;
        Ok(output::line(text)?)
    }))
}
