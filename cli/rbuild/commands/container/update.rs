//! `rbuild update`

use anyhow::{Context, Result, bail};
use cli::environment::Environment;
use cli::{Exit, output};
use runtime::Limits;
use runtime::containers::{Container, Containers, Definition, RestartPolicy};
use runtime::events::Event;
use runtime::shim::Connection;

use super::confinement::limits;
use super::{for_each, open};
use crate::args::{LimitArgs, UpdateArgs};

pub(crate) fn run(args: &UpdateArgs, environment: &Environment) -> Result<Exit> {
    let limits = limits::read(&limit_args(args))?;
    let restart = args.restart.as_deref().map(str::parse::<RestartPolicy>).transpose()?;
    if limits == Limits::default() && restart.is_none() && !lifts(args) {
        bail!("nothing is to be changed: give a limit, or `--restart`");
    }
    let (store, containers) = open(environment)?;
    Ok(for_each(&args.containers, |text| {
        let container = containers.find(text)?;
        let mut definition = container.definition.clone();
        definition.spec.limits = changed(&definition.spec.limits, &limits, args);
        definition.spec.check()?;
        if let Some(restart) = restart {
            if definition.auto_remove && restart != RestartPolicy::No {
                bail!("container `{text}` goes when it ends (`--rm`), so it cannot be restarted");
            }
            definition.restart = restart;
        }
        let done = update(&containers, &container, &definition);
        done.with_context(|| format!("cannot update container `{text}`"))?;
        Event::of_container(&definition, "update").note(store.state());
        Ok(output::line(text)?)
    }))
}

/// The definition first; should the container that runs not take it, the old one again.
fn update(containers: &Containers, container: &Container, definition: &Definition) -> Result<()> {
    containers.redefine(&containers.lock()?, container, definition)?;
    if !container.state.status.is_alive() {
        return Ok(());
    }
    let taken = Connection::open(container).and_then(|connection| connection.reload());
    if taken.is_err() {
        let now = containers.read(container.id())?;
        if now.state.status.is_alive() {
            containers.redefine(&containers.lock()?, &now, &container.definition)?;
        }
    }
    Ok(taken?)
}

/// Words of docker's that take a limit away.
fn lifts(args: &UpdateArgs) -> bool {
    args.pids_limit.is_some_and(|count| count <= 0)
        || args.cpu_quota.is_some_and(|quota| quota <= 0)
}

/// What was given replaces what was there, the rest stays.
fn changed(old: &Limits, new: &Limits, args: &UpdateArgs) -> Limits {
    let mut limits = old.clone();
    limits.memory = new.memory.or(old.memory);
    limits.memory_and_swap = new.memory_and_swap.or(old.memory_and_swap);
    limits.memory_reservation = new.memory_reservation.or(old.memory_reservation);
    limits.cpu = match args.cpu_quota {
        Some(..=0) => new.cpu,
        _ => new.cpu.or(old.cpu),
    };
    limits.cpu_shares = new.cpu_shares.or(old.cpu_shares);
    limits.cpuset_cpus = new.cpuset_cpus.clone().or_else(|| old.cpuset_cpus.clone());
    limits.cpuset_mems = new.cpuset_mems.clone().or_else(|| old.cpuset_mems.clone());
    limits.blkio_weight = new.blkio_weight.or(old.blkio_weight);
    limits.pids = match args.pids_limit {
        Some(_) => new.pids,
        None => old.pids,
    };
    limits
}

fn limit_args(args: &UpdateArgs) -> LimitArgs {
    LimitArgs {
        memory: args.memory.clone(),
        memory_swap: args.memory_swap.clone(),
        memory_reservation: args.memory_reservation.clone(),
        cpus: args.cpus.clone(),
        cpu_period: args.cpu_period,
        cpu_quota: args.cpu_quota,
        cpu_shares: args.cpu_shares,
        cpuset_cpus: args.cpuset_cpus.clone(),
        cpuset_mems: args.cpuset_mems.clone(),
        pids_limit: args.pids_limit,
        blkio_weight: args.blkio_weight,
        ..LimitArgs::default()
    }
}
